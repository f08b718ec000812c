//! Forwarding to an HTTP upstream.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body::Body as _;
use tokio::time::{Instant, timeout};

use super::mapped::Changes;
use super::mapped_response::map_response;
use super::rest_headers::rename_response;
use super::{IntegrationResponse, PathTemplate, PathValue, ResponseBody, RestHeaders, headers};
use crate::body::{BodyFault, BodyProgress, UpstreamBody};
use crate::clock;
use crate::exchange::{ClientParameters, ClientRequest, Exchange, Reason, Rejection};
use crate::language::mapping::http::body as mapping_body;
use crate::language::message::Body;
use crate::model::{RequestMappings, ResponseMappings};
use crate::router::{RequestPath, Slashes};
use crate::step::proof::Permit;
use crate::upstream::{Answer, ConnectError, Pool, SendError, UpstreamPlan};

/// Where a route forwards to.
#[derive(Debug)]
pub struct ForwardPlan {
    /// The upstream.
    pub upstream: Arc<UpstreamPlan>,
    /// Method sent; `None` sends the request's own.
    pub method: Option<Method>,
    /// Path sent to it; `None` sends the request's own.
    pub path: Option<PathTemplate>,
    /// Query sent before the request's own.
    pub query: Option<String>,
    /// The route's greedy parameter, whose value is raw.
    pub greedy: Option<String>,
    /// What is changed of requests.
    pub mappings: RequestMappings,
    /// What is changed of answers.
    pub response_mappings: ResponseMappings,
    /// What a REST API does to headers; `None` in HTTP APIs.
    pub rest: Option<RestHeaders>,
    /// From handing over the request to the response's head.
    pub timeout: Duration,
}

/// An admitted request, ready to be sent.
#[derive(Debug)]
pub struct IntegrationRequest {
    /// Method as received.
    pub method: Method,
    /// Path and query of the request as received.
    pub uri: Uri,
    /// Headers as received.
    pub headers: HeaderMap,
    /// Body as the route's plan wants it.
    pub body: UpstreamBody,
    /// What the body came to, where it is read while it is sent.
    pub progress: Option<Rc<BodyProgress>>,
    /// Proof that it was admitted.
    permit: Permit,
}

impl IntegrationRequest {
    /// What an integration without a backend reads of it.
    pub(super) fn into_content(self) -> (HeaderMap, UpstreamBody, Permit) {
        (self.headers, self.body, self.permit)
    }

    /// From the parts of a request that holds a permit.
    #[must_use]
    pub fn new(
        permit: Permit,
        head: http::request::Parts,
        body: UpstreamBody,
        progress: Option<Rc<BodyProgress>>,
    ) -> Self {
        let http::request::Parts {
            method,
            uri,
            headers,
            ..
        } = head;
        Self {
            method,
            uri,
            headers,
            body,
            progress,
            permit,
        }
    }
}

/// Sends the request and waits for the response's head. `path` is the request's, without its
/// stage.
///
/// # Errors
/// Where the upstream cannot be reached, breaks off or takes too long: 503 of HTTP APIs, 504 of REST
/// APIs. The request body's own fault where that is what went wrong.
///
/// # Cancel safety
/// Dropping the future ends the upstream's work on the request.
pub(super) async fn forward(
    plan: &ForwardPlan,
    pool: &Rc<Pool>,
    exchange: &mut Exchange,
    request: IntegrationRequest,
    path: &str,
    parameters: &[(&str, Cow<'_, str>)],
) -> Result<IntegrationResponse, Rejection> {
    let changes = changes(plan, exchange, &request, path, parameters)?;
    let target = target(plan, &request.uri, path, parameters, &changes)?;
    let IntegrationRequest {
        method,
        mut headers,
        body,
        progress,
        permit: Permit { .. },
        ..
    } = request;
    if let Some(rest) = &plan.rest {
        // What the client says of its connection must not reach what is added here.
        headers::remove_hop_by_hop(&mut headers);
        rest.request(&mut headers, exchange, clock::unix_seconds());
    }
    headers::forward_request(&mut headers, exchange, &plan.upstream.host);
    changes.apply(&mut headers);
    if !body.is_end_stream() && body.size_hint().exact().is_none() {
        // Without this a method that seldom has a body would be sent without it.
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    let sent = plan.method.clone().unwrap_or_else(|| method.clone());
    let is_cut = sent == Method::HEAD && method != Method::HEAD;
    let mut outgoing = Request::new(body);
    *outgoing.method_mut() = sent;
    *outgoing.uri_mut() = target;
    *outgoing.headers_mut() = headers;

    let started = Instant::now();
    let sent = timeout(plan.timeout, pool.send(&plan.upstream, outgoing)).await;
    let elapsed = started.elapsed();
    exchange.record.record.upstream_us =
        Some(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX));
    let fault = progress.as_ref().and_then(|progress| progress.fault());
    let mut response = match (sent, fault) {
        (Ok(Ok(response)), _) => accept(response)?,
        // The upstream failed because its request did: the client is told about the request.
        (Ok(Err(_)) | Err(_), Some(fault)) => return Err(body_rejection(fault)),
        (Ok(Err(error)), None) => return Err(rejection(&error)),
        (Err(_elapsed), None) => {
            let detail = format!(
                "`{}`: no answer within {:?}",
                plan.upstream.name, plan.timeout
            );
            return Err(Rejection::detailed(Reason::UpstreamTimeout, detail));
        }
    };
    exchange.record.record.upstream_status = Some(response.status().as_u16());
    if is_cut {
        // It says how long the body would be that nobody asked the backend for.
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    if plan.rest.is_some() {
        rename_response(response.headers_mut());
    }
    headers::forward_response(response.headers_mut());
    let (head, body) = response.into_parts();
    let response = IntegrationResponse {
        head: Response::from_parts(head, ()),
        body: ResponseBody::Upstream {
            body,
            silence_max: plan.timeout,
            first: None,
        },
    };
    let status = response.head.status().as_u16();
    match plan.response_mappings.0.get(&status) {
        None => Ok(response),
        Some(mappings) => map_response(mappings, exchange, response).await,
    }
}

/// The rejection that a fault of the request body amounts to.
#[must_use]
pub fn body_rejection(fault: BodyFault) -> Rejection {
    Rejection::new(match fault {
        BodyFault::TooLarge => Reason::BodyTooLarge,
        BodyFault::Timeout => Reason::BodyTimeout,
        BodyFault::Broken => Reason::BodyBroken,
    })
}

fn accept(response: Answer) -> Result<Answer, Rejection> {
    // Nobody asked to switch protocols: Upgrade is not forwarded.
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Rejection::detailed(
            Reason::UpstreamInvalid,
            "101 without a request for it",
        ));
    }
    Ok(response)
}

fn changes(
    plan: &ForwardPlan,
    exchange: &Exchange,
    request: &IntegrationRequest,
    path: &str,
    parameters: &[(&str, Cow<'_, str>)],
) -> Result<Changes, Rejection> {
    let bytes = request.body.bytes().unwrap_or_default();
    let sent = |body| ClientRequest {
        parameters: ClientParameters {
            headers: &request.headers,
            uri: &request.uri,
            path: parameters,
        },
        path,
        body,
    };
    match &plan.mappings {
        RequestMappings::Rest(mappings) => {
            let sent = sent(Body::new(bytes));
            Changes::of_rest(mappings, exchange, &sent, plan.greedy.as_deref())
        }
        RequestMappings::Http(mappings) => {
            Changes::of_http(mappings, exchange, &sent(mapping_body(bytes)))
        }
    }
}

fn target(
    plan: &ForwardPlan,
    uri: &Uri,
    path: &str,
    parameters: &[(&str, Cow<'_, str>)],
    changes: &Changes,
) -> Result<Uri, Rejection> {
    let base = &plan.upstream.settings.target.base_path;
    let is_plain = plan.path.is_none() && plan.query.is_none() && changes.leave_target();
    if is_plain && base.is_empty() && path == uri.path() {
        // The common case: nothing to build.
        let path_and_query = uri.path_and_query().cloned();
        return Ok(path_and_query.map_or_else(Uri::default, Uri::from));
    }
    let mut text = base.clone();
    match (&changes.path, &plan.path) {
        (Some(mapped), _) => text.push_str(mapped),
        (None, None) => text.push_str(path),
        (None, Some(template)) => text.push_str(&rendered(plan, template, parameters, changes)?),
    }
    let queries = plan.query.as_deref().into_iter().chain(uri.query());
    if let Some(query) = changes.query(queries) {
        text.push('?');
        text.push_str(&query);
    }
    let path_and_query = PathAndQuery::try_from(text)
        .map_err(|error| Rejection::detailed(Reason::UpstreamAddress, error.to_string()))?;
    Ok(Uri::from(path_and_query))
}

/// The integration's path: names stand for what is mapped to them, else for the route's parameters.
fn rendered(
    plan: &ForwardPlan,
    template: &PathTemplate,
    parameters: &[(&str, Cow<'_, str>)],
    changes: &Changes,
) -> Result<String, Rejection> {
    let path = template.render(|name| {
        let mut mapped = changes.parameters.iter();
        if let Some(filled) = mapped.find(|filled| filled.name == name) {
            return Some(if filled.is_raw {
                PathValue::Raw(&filled.value)
            } else {
                PathValue::Text(&filled.value)
            });
        }
        let own = parameters.iter().find(|(known, _)| *known == name);
        own.map(|(_, value)| match plan.greedy.as_deref() {
            Some(greedy) if greedy == name => PathValue::Raw(value),
            Some(_) | None => PathValue::Text(value),
        })
    });
    if !changes.parameters.is_empty() {
        // The request's own path was judged when it came in; what is mapped was not.
        RequestPath::parse(&path, Slashes::Collapsed)
            .map_err(|error| Rejection::detailed(Reason::BadPath, error.to_string()))?;
    }
    Ok(path)
}

fn rejection(error: &SendError) -> Rejection {
    let reason = match error {
        SendError::Connect(ConnectError::Refused(_)) => Reason::UpstreamRefused,
        SendError::Connect(ConnectError::Tls(_) | ConnectError::ServerName(_)) => {
            Reason::UpstreamTls
        }
        SendError::Connect(ConnectError::Timeout(_)) => Reason::UpstreamConnectTimeout,
        SendError::Http(error) if error.is_parse() => Reason::UpstreamInvalid,
        SendError::Connect(ConnectError::Http(_)) | SendError::Http(_) => Reason::UpstreamReset,
    };
    Rejection::detailed(reason, error.to_string())
}
