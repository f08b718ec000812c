//! What an HTTP API changes of an answer on its way to the client.
//!
//! Source: Amazon API Gateway Developer Guide, "Transform API requests and responses for HTTP APIs
//! in API Gateway".

use ::http::StatusCode;
use ::http::header::CONTENT_LENGTH;
use bytes::Bytes;

use super::answered::Answered;
use super::mapped::HeaderChange;
use super::whole::{Patience, read_start};
use super::{IntegrationResponse, ResponseBody};
use crate::body::BodyBudget;
use crate::exchange::{Context, Exchange, Rejection};
use crate::language::mapping::http::{self, BODY_BYTES_MAX, ResponseTarget};

/// Changes an answer. Every value is read from it as it came.
///
/// # Errors
/// What goes wrong while a body is read that a mapping looks into.
pub(super) async fn map_response(
    mappings: &[http::ResponseMapping],
    exchange: &Exchange,
    mut response: IntegrationResponse,
    budget: &BodyBudget,
) -> Result<IntegrationResponse, Rejection> {
    let mut first = Bytes::new();
    let is_read = mappings.iter().any(http::ResponseMapping::reads_body);
    if is_read
        && let ResponseBody::Upstream {
            body,
            silence_max,
            first: kept,
        } = &mut response.body
    {
        // The part that mappings look at; the rest goes on as it comes.
        let patience = Patience::Silence(*silence_max);
        let start = read_start(body, patience, BODY_BYTES_MAX, budget);
        first = Box::pin(start).await?.accepted()?.bytes;
        *kept = Some(first.clone());
    }
    let (mut headers, mut status) = (Vec::new(), None);
    let answered = Answered {
        headers: response.head.headers(),
        body: http::body(&first),
    };
    let _room = is_read
        .then(|| budget.lend(answered.body.value_memory()))
        .transpose()?;
    let context = Context {
        exchange,
        refused: None,
    };
    for mapping in mappings {
        let Some(value) = mapping.evaluate(&answered, &context) else {
            continue;
        };
        match &mapping.target {
            ResponseTarget::Header(change, name) => {
                headers.extend(HeaderChange::new(*change, name, &value));
            }
            ResponseTarget::StatusCode => {
                status = StatusCode::from_bytes(value.as_bytes()).ok();
            }
        }
    }
    for change in headers {
        change.apply(response.head.headers_mut());
    }
    if let Some(status) = status {
        let was = std::mem::replace(response.head.status_mut(), status);
        if has_no_body(was) || has_no_body(status) {
            // What a backend says with such a status is the length of another body.
            response.head.headers_mut().remove(CONTENT_LENGTH);
        }
        if has_no_body(status) {
            response.body = ResponseBody::Whole(Bytes::new());
        }
    }
    Ok(response)
}

/// Whether an answer of this status has no body, whatever the backend sent.
fn has_no_body(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}
