//! `MOCK`: an answer without a backend.
//!
//! Source: Amazon API Gateway Developer Guide, "Set up mock integrations in API Gateway", and 9.10
//! of docs/semantics.md.

use bytes::Bytes;
use http::HeaderMap;

use super::non_proxy::{NonProxyPlan, Whole};
use super::{IntegrationRequest, IntegrationResponse};
use crate::body::BodyBudget;
use crate::exchange::{Exchange, Reason, Rejection};
use crate::language::template::{TEMPLATE_BYTES_MAX, mock_status};

/// Answers with the status that the template, or else the body, asks for.
///
/// # Errors
/// 500 where neither asks for one, or nothing is defined for it; 413 for a body that is read and longer
/// than a template may be.
pub(super) fn answer(
    plan: &NonProxyPlan,
    exchange: &mut Exchange,
    request: IntegrationRequest,
    budget: &BodyBudget,
) -> Result<IntegrationResponse, Rejection> {
    let IntegrationRequest { headers, body, .. } = request;
    // A route with a mock reads bodies whole.
    let body = body.into_whole().ok_or(Reason::BodyBroken)?;
    let document = plan.request(&headers, body, budget)?;
    if document.len() > TEMPLATE_BYTES_MAX {
        // Templates are shorter: it is the body.
        let message = format!("HTTP content length exceeded {TEMPLATE_BYTES_MAX} bytes.");
        return Err(Rejection {
            message: Some(message.into()),
            ..Rejection::new(Reason::BodyTooLarge)
        });
    }
    let text = std::str::from_utf8(&document).map_err(|error| broken(&error))?;
    let status = mock_status(text).map_err(|error| broken(&error))?;
    let (none, nothing) = (HeaderMap::new(), Bytes::new());
    let whole = Whole::new(status, &none, &nothing);
    plan.respond(exchange, &headers, &whole, budget)
}

fn broken(error: &impl std::fmt::Display) -> Rejection {
    let detail = format!("what says the mock's status: {error}");
    Rejection::detailed(Reason::IntegrationTemplate, detail)
}
