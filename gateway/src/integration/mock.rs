//! `MOCK`: an answer without a backend.
//!
//! Source: Amazon API Gateway Developer Guide, "Set up mock integrations in API Gateway", and 9.10
//! of docs/semantics.md.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use super::{IntegrationRequest, IntegrationResponse, ResponseBody};
use crate::body::UpstreamBody;
use crate::exchange::{Context, Exchange, Reason, Rejection};
use crate::language::media_type::MediaType;
use crate::language::message::{self, Body};
use crate::language::selection::Selection;
use crate::language::template::{choose, mock_status};
use crate::model::{Mock, Passthrough, ResponseRule};
use crate::step::proof::Permit;

/// A mock, compiled.
#[derive(Debug)]
pub struct MockPlan {
    /// As defined.
    pub mock: Mock,
    /// Which of its responses answers.
    pub selection: Selection,
}

/// The answer of a mock: empty, without headers.
struct Nothing(Body<'static>);

impl message::Response for Nothing {
    fn header(&self, _name: &str) -> Option<Cow<'_, str>> {
        None
    }

    fn header_values(&self, _name: &str) -> Vec<Cow<'_, str>> {
        Vec::new()
    }

    fn body(&self) -> &Body<'_> {
        &self.0
    }
}

/// Answers.
pub(super) fn answer(
    plan: &MockPlan,
    exchange: &Exchange,
    request: IntegrationRequest,
) -> Result<IntegrationResponse, Rejection> {
    let (headers, body, Permit { .. }) = request.into_content();
    let content_type = headers.get(CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let status = status(plan, MediaType::of_body(content_type), &body)?;
    let rule = plan
        .selection
        .for_status(status)
        .and_then(|index| plan.mock.responses.get(index));
    let rule = rule.ok_or_else(|| {
        let detail = format!("no integration response matches the status `{status}`");
        Rejection::detailed(Reason::IntegrationResponse, detail)
    })?;
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    respond(rule, accept, exchange)
}

/// The status that the mock is asked for.
fn status(
    plan: &MockPlan,
    media_type: MediaType<'_>,
    body: &UpstreamBody,
) -> Result<u16, Rejection> {
    let Mock {
        statuses,
        passthrough,
        ..
    } = &plan.mock;
    let none = || {
        let detail = "the mock's template has no status code";
        Rejection::detailed(Reason::IntegrationTemplate, detail)
    };
    if let Some((_, status)) = statuses.iter().find(|(own, _)| media_type.is(own)) {
        return status.ok_or_else(none);
    }
    match passthrough {
        Passthrough::Never => Err(Reason::UnsupportedMediaType.into()),
        Passthrough::WhenNoTemplates if !statuses.is_empty() => {
            Err(Reason::UnsupportedMediaType.into())
        }
        Passthrough::WhenNoTemplates | Passthrough::WhenNoMatch => {
            let text = body.text().unwrap_or_default();
            mock_status(text).map_err(|error| {
                let detail = format!("no template, and the request's body: {error}");
                Rejection::detailed(Reason::IntegrationTemplate, detail)
            })
        }
    }
}

fn respond(
    rule: &ResponseRule,
    accept: Option<&str>,
    exchange: &Exchange,
) -> Result<IntegrationResponse, Rejection> {
    let broken = |detail: String| Rejection::detailed(Reason::IntegrationResponse, detail);
    let mut head = Response::new(());
    *head.status_mut() =
        StatusCode::from_u16(rule.status).map_err(|error| broken(error.to_string()))?;
    let template = choose(&rule.templates, accept);
    let (media_type, body) = template.map_or(("application/json", ""), |(media_type, template)| {
        (media_type.as_str(), template.text())
    });
    let headers = head.headers_mut();
    let value = HeaderValue::from_str(media_type).map_err(|error| broken(error.to_string()))?;
    headers.insert(CONTENT_TYPE, value);
    let context = Context {
        exchange,
        refused: None,
    };
    let nothing = Nothing(Body::new(&[]));
    for mapping in &rule.mappings {
        let name = mapping.name.text();
        let value = mapping.evaluate(&nothing, &context);
        let Some(value) = value.map_err(|error| broken(format!("`{name}`: {error}")))? else {
            continue;
        };
        let name = HeaderName::try_from(name).map_err(|error| broken(error.to_string()))?;
        let value = HeaderValue::from_str(&value).map_err(|error| broken(error.to_string()))?;
        headers.insert(name, value);
    }
    Ok(IntegrationResponse {
        head,
        body: ResponseBody::Whole(Bytes::copy_from_slice(body.as_bytes())),
    })
}
