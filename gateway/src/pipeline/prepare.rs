//! The body of an admitted request, in the form that its route asks for.

use hyper::body::Body as _;

use super::arriving::{Arriving, buffered, limited};
use crate::body::UpstreamBody;
use crate::exchange::{Exchange, Reason, Rejection};
use crate::integration::IntegrationRequest;
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
    body: Arriving,
    worker: &Worker,
) -> Result<IntegrationRequest, Rejection> {
    let mut body = match body {
        Arriving::Streaming(incoming) if !incoming.is_end_stream() => {
            limited(incoming, route, exchange)?
        }
        Arriving::Begun(body) => body,
        Arriving::Nothing | Arriving::Streaming(_) => {
            let nothing = UpstreamBody::Empty;
            return Ok(IntegrationRequest::new(permit, head, nothing, None));
        }
        Arriving::Whole { body, progress } => {
            let whole = UpstreamBody::Buffered(Some(body));
            return Ok(IntegrationRequest::new(permit, head, whole, Some(progress)));
        }
    };
    let progress = Some(body.progress());
    let body = match mode {
        BodyMode::Stream => UpstreamBody::Stream(body),
        BodyMode::Buffer => {
            UpstreamBody::Buffered(Some(buffered(&mut body, &worker.body_budget).await?))
        }
    };
    Ok(IntegrationRequest::new(permit, head, body, progress))
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
