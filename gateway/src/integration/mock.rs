//! `MOCK`: an answer without a backend.
//!
//! Source: Amazon API Gateway Developer Guide, "Set up mock integrations in API Gateway", and 9.10
//! of docs/semantics.md.

use bytes::Bytes;
use http::HeaderMap;

use super::non_proxy::{Answered, NonProxyPlan};
use super::{IntegrationRequest, IntegrationResponse};
use crate::body::BodyBudget;
use crate::exchange::{Exchange, Reason, Rejection};
use crate::language::template::mock_status;

/// Answers with the status that the template, or else the body, asks for.
///
/// # Errors
/// 500 where neither asks for one, or nothing is defined for it.
pub(super) fn answer(
    plan: &NonProxyPlan,
    exchange: &Exchange,
    request: IntegrationRequest,
    budget: &BodyBudget,
) -> Result<IntegrationResponse, Rejection> {
    let IntegrationRequest { headers, body, .. } = request;
    // A route with a mock reads bodies whole.
    let body = body.into_whole().ok_or(Reason::BodyBroken)?;
    let document = plan.request(&headers, body, budget)?;
    let status = mock_status(std::str::from_utf8(&document).unwrap_or_default());
    let status = status.map_err(|error| {
        let detail = format!("what says the mock's status: {error}");
        Rejection::detailed(Reason::IntegrationTemplate, detail)
    })?;
    let (none, nothing) = (HeaderMap::new(), Bytes::new());
    let answered = Answered::new(status, &none, &nothing);
    plan.respond(exchange, &headers, &answered, budget)
}
