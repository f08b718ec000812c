//! An answer that was held against what its method declares.

use bytes::Bytes;
use http::{Method, StatusCode};

use crate::body::{BodyBudget, Buffered};
use crate::exchange::{Exchange, Reason, Rejection};
use crate::integration::{IntegrationResponse, RESPONSE_BYTES_MAX, Seen};
use crate::model::ResponseCheck;
use crate::step::conform::{ConformPlan, Nonconformity, conform};
use crate::step::decode::{DecodeError, coding, decode};

/// The answer, if it may be sent.
///
/// # Errors
/// 502 for one that is not what its model says, 504 and 503 for one that time or memory kept from
/// being read, where that is enforced. One that breaks off while it is read is refused in any case.
pub(super) async fn conformed(
    plan: &ConformPlan,
    exchange: &mut Exchange,
    mut response: IntegrationResponse,
    budget: &BodyBudget,
) -> Result<IntegrationResponse, Rejection> {
    // The answer to HEAD has no body that could be looked into.
    let schema = plan.schema(&response.head);
    let Some(schema) = schema.filter(|_| exchange.head.method != Method::HEAD) else {
        return Ok(response);
    };
    let judged = match response.body.look_into(budget).await? {
        Seen::TooLarge => Err(Nonconformity::TooLarge),
        Seen::TooSlow => Err(Nonconformity::TooSlow),
        Seen::Memory => Err(Nonconformity::Memory),
        Seen::Whole(body) => match plain(&response, body, budget).await {
            Ok(body) => conform(schema, &body, budget),
            Err(wrong) => Err(wrong),
        },
    };
    let Err(wrong) = judged else {
        return Ok(response);
    };
    exchange.record.record.response_check = Some(wrong.name());
    match plan.check {
        ResponseCheck::Monitor => Ok(response),
        ResponseCheck::Enforce => Err(refused(wrong, response.head.status())),
    }
}

fn refused(wrong: Nonconformity, status: StatusCode) -> Rejection {
    let detail = format!("the answer with the status {status}");
    match wrong {
        Nonconformity::TooSlow => Rejection::detailed(Reason::UpstreamTimeout, detail),
        Nonconformity::Memory => Rejection::detailed(Reason::BodyMemory, detail),
        Nonconformity::Invalid | Nonconformity::TooLarge | Nonconformity::Coding => Rejection {
            message: Some("Internal server error".into()),
            ..Rejection::detailed(Reason::ResponseInvalid, detail)
        },
    }
}

/// The body without its content coding.
async fn plain(
    response: &IntegrationResponse,
    body: Bytes,
    budget: &BodyBudget,
) -> Result<Bytes, Nonconformity> {
    let coding = match coding(response.head.headers()) {
        Ok(None) => return Ok(body),
        Ok(Some(coding)) => coding,
        Err(_unknown) => return Err(Nonconformity::Coding),
    };
    let plain = decode(coding, &body, RESPONSE_BYTES_MAX as u64, budget).await;
    plain
        .map(Buffered::into_bytes)
        .map_err(|error| match error {
            DecodeError::Broken { .. } => Nonconformity::Coding,
            DecodeError::TooLarge => Nonconformity::TooLarge,
            DecodeError::Memory(_) => Nonconformity::Memory,
        })
}
