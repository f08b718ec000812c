//! The answer of an integration, compressed where its API and its client want that.

use http::Method;
use http_body::Body as _;

use crate::body::BodyBudget;
use crate::exchange::Exchange;
use crate::integration::{IntegrationResponse, ResponseBody};
use crate::step::compress::{self, CompressPlan, Encoder, announce};

/// Compresses `response` for a client that says `accepted`.
pub(super) fn compressed(
    plan: Option<CompressPlan>,
    accepted: Option<&str>,
    exchange: &Exchange,
    mut response: IntegrationResponse,
    budget: &BodyBudget,
) -> IntegrationResponse {
    let length = match &response.body {
        ResponseBody::Whole(body) => u64::try_from(body.len()).ok(),
        ResponseBody::Upstream { body, .. } => body.size_hint().exact(),
        ResponseBody::Encoded { .. } => None,
    };
    let headers = response.head.headers_mut();
    let coding = plan.and_then(|plan| compress::coding(plan, accepted, headers, length));
    let Some(coding) = coding else {
        return response;
    };
    // The answer to HEAD has no body that could be compressed.
    if exchange.head.method == Method::HEAD {
        return response;
    }
    if let Some(encoder) = Encoder::new(coding, budget) {
        announce(coding, headers);
        response.body = ResponseBody::Encoded {
            body: Box::new(response.body),
            encoder,
        };
    }
    response
}
