//! What `HTTP` and `MOCK` integrations have in common: what they get for a body, and how their
//! answers become the client's.
//!
//! An answer's status selects a response, whose status the method has to declare. Its headers are
//! those that are mapped; its body is what a template says, else the integration's own, converted
//! between text and binary as media types and `contentHandling` say.
//!
//! Source: Amazon API Gateway Developer Guide, "Integration responses for REST APIs in API Gateway"
//! and "Content type conversions in API Gateway".

use std::collections::BTreeSet;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};

use super::answered::Answered;
use super::payload::convert;
use super::{IntegrationResponse, ResponseBody, rest_headers};
use crate::body::BodyBudget;
use crate::exchange::{Context, Exchange, Reason, Rejection};
use crate::language::mapping::rest;
use crate::language::media_type::{self, BinaryMediaTypes, MediaType, Transfer};
use crate::language::message::Body;
use crate::language::selection::Selection;
use crate::language::template::{Rendered, choose};
use crate::model::{NonProxy, ResponseRule};
use crate::telemetry::execution_log::Step;

/// What is mapped, compiled.
#[derive(Debug)]
pub struct NonProxyPlan {
    /// As defined.
    pub mapped: NonProxy,
    /// Which of its responses answers.
    pub selection: Selection,
    /// Statuses that the method declares; `None` lets every one through.
    pub declared: Option<BTreeSet<u16>>,
    /// What the API takes for binary.
    pub binary: BinaryMediaTypes,
}

/// The whole of what an integration answered.
pub(super) struct Whole<'a> {
    status: u16,
    bytes: &'a Bytes,
    answered: Answered<'a>,
}

impl<'a> Whole<'a> {
    pub(super) fn new(status: u16, headers: &'a HeaderMap, bytes: &'a Bytes) -> Self {
        Self {
            status,
            bytes,
            answered: Answered {
                headers,
                body: Body::new(bytes),
            },
        }
    }
}

impl NonProxyPlan {
    /// What the integration gets for a body.
    ///
    /// # Errors
    /// 415 where passthrough says so, 500 for a body that cannot be converted, 503 without memory.
    pub(super) fn request(
        &self,
        headers: &HeaderMap,
        body: Bytes,
        budget: &BodyBudget,
    ) -> Result<Bytes, Rejection> {
        let content_type = text(headers, &CONTENT_TYPE);
        match self
            .mapped
            .templates
            .render(MediaType::of_body(content_type))
        {
            Rendered::Template(text) => Ok(Bytes::copy_from_slice(text.as_bytes())),
            Rendered::Unsupported => Err(Reason::UnsupportedMediaType.into()),
            Rendered::Own => {
                let class = self.binary.class(MediaType::of_body(content_type));
                let handling = self.mapped.content_handling;
                let conversion = media_type::of_request(Transfer::Converted, class, handling);
                convert(conversion, body, budget)
            }
        }
    }

    /// What the client gets for an answer. `sent` are the headers of its request.
    ///
    /// # Errors
    /// 500 where nothing is defined for the answer or the definition does not work out, 503 without
    /// memory.
    pub(super) fn respond(
        &self,
        exchange: &mut Exchange,
        sent: &HeaderMap,
        whole: &Whole<'_>,
        budget: &BodyBudget,
    ) -> Result<IntegrationResponse, Rejection> {
        let rule = self.rule(whole.status)?;
        if let Some(follower) = exchange.record.follower() {
            let (status, answered) = (whole.status, rule.status);
            let pattern = rule.pattern.as_deref().unwrap_or("default");
            let said = format_args!(
                "Integration response `{pattern}` selected for status {status}: status {answered}"
            );
            follower.tell(Step::Mapping, said);
        }
        let accept = text(sent, &ACCEPT);
        let payload = self.payload(rule, accept, whole, budget)?;
        let template = choose(&rule.templates, accept);
        let (media_type, body) = match template {
            None => ("application/json", payload),
            // One that is empty passes the body on.
            Some((media_type, template)) if template.text().is_empty() => {
                (media_type.as_str(), payload)
            }
            Some((media_type, template)) => {
                let body = Bytes::copy_from_slice(template.text().as_bytes());
                (media_type.as_str(), body)
            }
        };
        let mut head = Response::new(());
        *head.status_mut() =
            StatusCode::from_u16(rule.status).map_err(|error| broken(error.to_string()))?;
        let value = HeaderValue::from_str(media_type).map_err(|error| broken(error.to_string()))?;
        head.headers_mut().insert(CONTENT_TYPE, value);
        let is_read = rule.mappings.iter().any(rest::ResponseMapping::reads_body);
        let room = is_read.then(|| budget.lend(whole.answered.body.value_memory()));
        let _room = room.transpose()?;
        let lost = map_headers(rule, exchange, &whole.answered, head.headers_mut())?;
        if !lost.is_empty() {
            let detail = format!("no header can hold the value of {}", lost.join(", "));
            exchange.record.record.detail = Some(detail.into());
        }
        Ok(IntegrationResponse {
            head,
            body: ResponseBody::Whole(body),
        })
    }

    fn rule(&self, status: u16) -> Result<&ResponseRule, Rejection> {
        let index = self.selection.for_status(status);
        let rule = index.and_then(|index| self.mapped.responses.get(index));
        let rule = rule.ok_or_else(|| {
            broken(format!(
                "no integration response matches the status `{status}`"
            ))
        })?;
        let declared = self.declared.as_ref();
        if declared.is_some_and(|declared| !declared.contains(&rule.status)) {
            let status = rule.status;
            return Err(broken(format!(
                "the method declares no response `{status}`"
            )));
        }
        Ok(rule)
    }

    fn payload(
        &self,
        rule: &ResponseRule,
        accept: Option<&str>,
        whole: &Whole<'_>,
        budget: &BodyBudget,
    ) -> Result<Bytes, Rejection> {
        let class = |text: Option<&str>| self.binary.class(MediaType::of_body(text));
        let conversion = media_type::of_response(
            Transfer::Converted,
            class(text(whole.answered.headers, &CONTENT_TYPE)),
            class(accept),
            rule.content_handling,
        );
        convert(conversion, whole.bytes.clone(), budget)
    }
}

/// Sets what is mapped. A value that no header can hold is as good as missing, because a backend may
/// send any; the names of those are returned.
fn map_headers<'r>(
    rule: &'r ResponseRule,
    exchange: &Exchange,
    answered: &Answered<'_>,
    headers: &mut HeaderMap,
) -> Result<Vec<&'r str>, Rejection> {
    let mut lost = Vec::new();
    let context = Context {
        exchange,
        refused: None,
    };
    for mapping in &rule.mappings {
        let name = mapping.name.text();
        let value = mapping.evaluate(answered, &context);
        let Some(value) = value.map_err(|error| broken(format!("`{name}`: {error}")))? else {
            continue;
        };
        let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) else {
            lost.push(name);
            continue;
        };
        let name = HeaderName::try_from(name).map_err(|error| broken(error.to_string()))?;
        if let Some(name) = rest_headers::mapped_name(name) {
            headers.insert(name, value);
        }
    }
    Ok(lost)
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn broken(detail: String) -> Rejection {
    Rejection::detailed(Reason::IntegrationResponse, detail)
}
