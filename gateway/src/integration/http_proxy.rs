//! `HTTP_PROXY`: a request is forwarded, and its answer passed on.

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use http::{Method, Request, Response, Uri};
use http_body::Body as _;
use tokio::time::Instant;

use super::mapped::Changes;
use super::mapped_response::map_response;
use super::rest_headers::rename_response;
use super::{
    BackendPlan, Found, IntegrationRequest, IntegrationResponse, Means, ResponseBody, RestHeaders,
    headers,
};
use crate::clock;
use crate::exchange::{Exchange, Rejection};
use crate::model::ResponseMappings;

/// Where a route forwards to.
#[derive(Debug)]
pub struct ForwardPlan {
    /// Where to.
    pub backend: BackendPlan,
    /// What is changed of answers.
    pub response_mappings: ResponseMappings,
    /// What a REST API does to headers; `None` in HTTP APIs.
    pub rest: Option<RestHeaders>,
}

/// Sends the request and waits for the response's head.
///
/// # Errors
/// Where the upstream cannot be reached, breaks off or takes too long: 503 of HTTP APIs, 504 of REST
/// APIs. The request body's own fault where that is what went wrong.
///
/// # Cancel safety
/// Dropping the future ends the upstream's work on the request.
pub(super) async fn forward(
    plan: &ForwardPlan,
    means: Means<'_>,
    exchange: &mut Exchange,
    request: IntegrationRequest,
    found: Found<'_>,
) -> Result<IntegrationResponse, Rejection> {
    let backend = &plan.backend;
    let changes = backend.changes(exchange, &request, found, means.budget)?;
    let target = target(plan, &request.uri, found, &changes)?;
    let IntegrationRequest {
        method,
        headers,
        body,
        progress,
        ..
    } = request;
    let mut headers = outgoing_headers(plan, exchange, headers, changes);
    if !body.is_end_stream() && body.size_hint().exact().is_none() {
        // Without this a method that seldom has a body would be sent without it.
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    let sent = backend.method.clone().unwrap_or_else(|| method.clone());
    let is_cut = sent == Method::HEAD && method != Method::HEAD;
    let mut outgoing = Request::new(body);
    *outgoing.method_mut() = sent;
    *outgoing.uri_mut() = target;
    *outgoing.headers_mut() = headers;

    let deadline = Instant::now() + backend.timeout;
    let answer = backend.send(
        means.pool,
        exchange,
        outgoing,
        progress.as_deref(),
        deadline,
    );
    let mut response = answer.await?;
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
            silence_max: backend.timeout,
            first: None,
        },
    };
    let status = response.head.status().as_u16();
    match plan.response_mappings.0.get(&status) {
        None => Ok(response),
        Some(mappings) => map_response(mappings, exchange, response, means.budget).await,
    }
}

/// The client's headers as the backend gets them.
fn outgoing_headers(
    plan: &ForwardPlan,
    exchange: &Exchange,
    mut headers: HeaderMap,
    changes: Changes,
) -> HeaderMap {
    // The bodies of REST APIs have been decoded, whatever is mapped.
    let is_decoded = plan.rest.is_some() && headers.contains_key(CONTENT_ENCODING);
    changes.remove_look_alikes(&mut headers);
    if let Some(rest) = &plan.rest {
        // What the client says of its connection must not reach what is added here.
        headers::remove_hop_by_hop(&mut headers);
        rest.proxied(&mut headers, exchange, clock::unix_seconds());
    }
    headers::forward_request(&mut headers, exchange, &plan.backend.upstream.host);
    changes.apply(&mut headers);
    if is_decoded {
        headers.remove(CONTENT_ENCODING);
    }
    headers
}

fn target(
    plan: &ForwardPlan,
    uri: &Uri,
    found: Found<'_>,
    changes: &Changes,
) -> Result<Uri, Rejection> {
    let backend = &plan.backend;
    let base = &backend.upstream.settings.target.base_path;
    let is_plain = backend.path.is_none() && backend.query.is_none() && changes.leave_target();
    if is_plain && base.is_empty() && found.path == uri.path() {
        // The common case: nothing to build.
        let path_and_query = uri.path_and_query().cloned();
        return Ok(path_and_query.map_or_else(Uri::default, Uri::from));
    }
    backend.target(found, uri.query(), changes)
}
