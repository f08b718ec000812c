//! `HTTP`: a backend that gets what is mapped of a request, and whose answer is mapped back.
//!
//! Nothing else passes: of the client's headers and query the backend gets what `requestParameters`
//! name, and of the backend's headers the client gets what `responseParameters` name. Both bodies
//! are read whole, and all of it has to happen within the integration's time-out.
//!
//! Source: Amazon API Gateway Developer Guide, "HTTP integrations for REST APIs in API Gateway", and
//! 9.1 and 9.2 of docs/semantics.md.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use http::{Method, Request};
use tokio::time::Instant;

use super::mapped::Changes;
use super::non_proxy::{NonProxyPlan, Whole};
use super::rest_headers::{self, RestHeaders};
use super::whole::read_whole;
use super::{BackendPlan, Found, IntegrationRequest, IntegrationResponse, Means};
use crate::body::UpstreamBody;
use crate::clock;
use crate::exchange::{Exchange, Reason, Rejection};
use crate::telemetry::execution_log::Step;

/// A backend and what is mapped, compiled.
#[derive(Debug)]
pub struct HttpPlan {
    /// Where to, and what it gets of the client's parameters.
    pub backend: BackendPlan,
    /// What it gets for a body, and what its answer becomes.
    pub mapped: NonProxyPlan,
    /// What every backend of the API is told.
    pub rest: RestHeaders,
}

/// Sends what is mapped and maps the answer.
///
/// # Errors
/// What the backend did not do, and what its answer could not be mapped to.
///
/// # Cancel safety
/// Dropping the future ends the backend's work on the request.
pub(super) async fn call(
    plan: &HttpPlan,
    means: Means<'_>,
    exchange: &mut Exchange,
    request: IntegrationRequest,
    found: Found<'_>,
) -> Result<IntegrationResponse, Rejection> {
    let backend = &plan.backend;
    let changes = backend.changes(exchange, &request, found, means.budget)?;
    let target = backend.target(found, None, &changes)?;
    let IntegrationRequest {
        method,
        headers: sent,
        body,
        ..
    } = request;
    // A route with this integration reads bodies whole.
    let body = body.into_whole().ok_or(Reason::BodyBroken)?;
    let body = plan.mapped.request(&sent, body, means.budget)?;
    let method = backend.method.clone().unwrap_or(method);
    let has_body = !body.is_empty() || [Method::POST, Method::PUT, Method::PATCH].contains(&method);
    if let Some(follower) = exchange.record.follower() {
        let what = "Endpoint request body after transformations";
        follower.show_body(Step::EndpointBody, what, &body);
    }
    let mut outgoing = Request::new(UpstreamBody::whole(body));
    *outgoing.method_mut() = method;
    *outgoing.uri_mut() = target;
    *outgoing.headers_mut() = headers(plan, exchange, &sent, has_body, changes);
    let trace = rest_headers::trace(outgoing.headers());

    let deadline = Instant::now() + backend.timeout;
    let answer = backend.send(means.pool, exchange, outgoing, None, deadline);
    let (head, body) = answer.await?.into_parts();
    let body = read_whole(body, deadline, means.budget).await?;
    if let Some(follower) = exchange.record.follower() {
        let what = "Endpoint response body before transformations";
        follower.show_body(Step::EndpointResponseBody, what, &body);
    }
    let whole = Whole::new(head.status.as_u16(), &head.headers, &body);
    let mut response = plan.mapped.respond(exchange, &sent, &whole, means.budget)?;
    response.head.headers_mut().extend(trace);
    Ok(response)
}

/// The headers that the backend gets: those of every request, and what is mapped.
fn headers(
    plan: &HttpPlan,
    exchange: &Exchange,
    sent: &HeaderMap,
    has_body: bool,
    changes: Changes,
) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if has_body {
        let json = HeaderValue::from_static("application/json");
        let content_type = sent.get(CONTENT_TYPE).cloned().unwrap_or(json);
        headers.insert(CONTENT_TYPE, content_type);
    }
    plan.rest
        .made(&mut headers, exchange, sent, clock::unix_seconds());
    headers.insert(HOST, plan.backend.upstream.host.clone());
    changes.apply(&mut headers);
    if sent.contains_key(CONTENT_ENCODING) {
        // The body has been decoded, whatever is mapped.
        headers.remove(CONTENT_ENCODING);
    }
    headers
}
