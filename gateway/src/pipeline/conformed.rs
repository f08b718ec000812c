//! An answer that was held against what its method declares.

use bytes::Bytes;
use http::Method;

use crate::body::BodyBudget;
use crate::exchange::{Exchange, Reason, Rejection};
use crate::integration::{IntegrationResponse, RESPONSE_BYTES_MAX};
use crate::model::ResponseCheck;
use crate::step::conform::{ConformPlan, Nonconformity, conform};
use crate::step::decode::{DecodeError, coding, decode};

/// The answer, if it may be sent.
///
/// # Errors
/// 502 for one that is not what its model says, where that is enforced; and what goes wrong while
/// it is read.
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
        None => Err(Nonconformity::TooLarge),
        Some(body) => match plain(&response, body, budget).await? {
            Ok(body) => conform(schema, &body),
            Err(wrong) => Err(wrong),
        },
    };
    let Err(wrong) = judged else {
        return Ok(response);
    };
    exchange.record.record.response_check = Some(wrong.name());
    match plan.check {
        ResponseCheck::Monitor => Ok(response),
        ResponseCheck::Enforce => {
            let detail = format!("the answer with the status {}", response.head.status());
            Err(Rejection {
                message: Some("Internal server error".into()),
                ..Rejection::detailed(Reason::ResponseInvalid, detail)
            })
        }
    }
}

/// The body without its content coding.
async fn plain(
    response: &IntegrationResponse,
    body: Bytes,
    budget: &BodyBudget,
) -> Result<Result<Bytes, Nonconformity>, Rejection> {
    let coding = match coding(response.head.headers()) {
        Ok(None) => return Ok(Ok(body)),
        Ok(Some(coding)) => coding,
        Err(_unknown) => return Ok(Err(Nonconformity::Coding)),
    };
    match decode(coding, &body, RESPONSE_BYTES_MAX as u64, budget).await {
        Ok(plain) => Ok(Ok(plain.into_bytes())),
        Err(DecodeError::Broken { .. }) => Ok(Err(Nonconformity::Coding)),
        Err(DecodeError::TooLarge) => Ok(Err(Nonconformity::TooLarge)),
        Err(DecodeError::Memory(_)) => Err(Reason::BodyMemory.into()),
    }
}
