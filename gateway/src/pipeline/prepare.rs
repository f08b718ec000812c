//! The body of an admitted request, in the form that its route asks for.

use hyper::body::{Body as _, Incoming};

use crate::body::{BufferError, LimitedBody, UpstreamBody};
use crate::exchange::{Exchange, Reason, Rejection};
use crate::integration::{IntegrationRequest, body_rejection};
use crate::language::accept_encoding::Coding;
use crate::model::BodyMode;
use crate::pipeline::Worker;
use crate::snapshot::RoutePlan;
use crate::step::decode::{DecodeError, decode};
use crate::step::proof::Permit;

/// Brings the body into the form that `mode` says.
///
/// # Errors
/// What is wrong with the body, or that there is no memory for it.
pub(super) async fn prepare(
    route: &RoutePlan,
    mode: BodyMode,
    exchange: &mut Exchange,
    permit: Permit,
    head: http::request::Parts,
    body: Incoming,
    worker: &Worker,
) -> Result<IntegrationRequest, Rejection> {
    if body.is_end_stream() {
        return Ok(IntegrationRequest::new(
            permit,
            head,
            UpstreamBody::Empty,
            None,
        ));
    }
    // An announced length over the limit is refused before anything is contacted.
    if body.size_hint().lower() > route.body_bytes_max {
        return Err(Reason::BodyTooLarge.into());
    }
    let body = LimitedBody::new(body, route.body_bytes_max, exchange.connection.body_timeout);
    let progress = body.progress();
    exchange.record.reads(&progress);
    let body = match mode {
        BodyMode::Stream => UpstreamBody::Stream(body),
        BodyMode::Buffer => match Box::pin(body.buffer(&worker.body_budget)).await {
            Ok(whole) => UpstreamBody::Buffered(Some(whole)),
            Err(BufferError::Body(fault)) => return Err(body_rejection(fault)),
            Err(BufferError::Memory(_)) => return Err(Reason::BodyMemory.into()),
        },
    };
    Ok(IntegrationRequest::new(permit, head, body, Some(progress)))
}

/// The request with its body decoded, which was read whole.
///
/// # Errors
/// 415 for what is not in its coding, 413 for what grows too large, 503 without memory for it.
pub(super) async fn decoded(
    route: &RoutePlan,
    coding: Coding,
    mut request: IntegrationRequest,
    worker: &Worker,
) -> Result<IntegrationRequest, Rejection> {
    let coded = request.body.bytes().ok_or(Reason::ContentCoding)?;
    let whole = decode(coding, coded, route.body_bytes_max, &worker.body_budget).await;
    let whole = whole.map_err(|error| match error {
        DecodeError::Broken { .. } => Rejection::detailed(Reason::ContentCoding, error.to_string()),
        DecodeError::TooLarge => Reason::BodyTooLarge.into(),
        DecodeError::Memory(_) => Reason::BodyMemory.into(),
    })?;
    request.body = UpstreamBody::Buffered(Some(whole));
    Ok(request)
}
