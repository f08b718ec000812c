//! What answers an admitted request.

mod request;
mod http_proxy;
mod http;
mod mock;
mod backend;
mod non_proxy;
mod payload;
mod whole;
mod headers;
mod rest_headers;
mod path_template;
mod answered;
mod look_alike;
mod mapped_query;
mod mapped;
mod mapped_response;

pub use backend::{BackendPlan, body_rejection};
pub use http::HttpPlan;
pub use http_proxy::ForwardPlan;
pub use non_proxy::NonProxyPlan;
pub use path_template::{PathTemplate, PathValue};
pub use request::{Found, IntegrationRequest};
pub use rest_headers::RestHeaders;
pub use whole::{RESPONSE_BYTES_MAX, Seen};

use std::rc::Rc;
use std::time::Duration;

use ::http::{Response, StatusCode};
use bytes::Bytes;

use crate::body::BodyBudget;
use crate::exchange::{Exchange, Reason, Rejection};
use crate::step::compress::Encoder;
use crate::upstream::{Pool, PooledBody};

/// What answers the requests of a route.
#[derive(Debug)]
pub enum IntegrationPlan {
    /// An HTTP backend, whose answer is passed on.
    HttpProxy(ForwardPlan),
    /// An HTTP backend that gets and gives what is mapped.
    Http(HttpPlan),
    /// The gateway itself.
    Mock(NonProxyPlan),
    /// Nothing, because the definition of the route could not be understood as a whole.
    Refused,
}

/// What of a worker integrations work with.
#[derive(Clone, Copy, Debug)]
pub struct Means<'a> {
    /// Connections to backends.
    pub pool: &'a Rc<Pool>,
    /// Memory for bodies that are read whole.
    pub budget: &'a BodyBudget,
}

/// What an integration answered.
#[derive(Debug)]
pub struct IntegrationResponse {
    /// Status and headers.
    pub head: Response<()>,
    /// Body.
    pub body: ResponseBody,
}

impl IntegrationResponse {
    /// A status, and nothing else.
    #[must_use]
    pub fn without_body(status: StatusCode) -> Self {
        let mut head = Response::new(());
        *head.status_mut() = status;
        Self {
            head,
            body: ResponseBody::Whole(Bytes::new()),
        }
    }
}

/// The body of an answer.
#[derive(Debug)]
pub enum ResponseBody {
    /// It is still arriving.
    Upstream {
        /// From where.
        body: PooledBody,
        /// Longest silence within it.
        silence_max: Duration,
        /// What of it was read already and goes before.
        first: Option<Bytes>,
    },
    /// It is at hand.
    Whole(Bytes),
    /// It is compressed on its way.
    Encoded {
        /// As it was.
        body: Box<ResponseBody>,
        /// What compresses it.
        encoder: Encoder,
    },
}

/// Lets the route's integration answer.
///
/// # Errors
/// What the integration could not do.
///
/// # Cancel safety
/// Dropping the future ends a backend's work on the request.
pub async fn integrate(
    plan: &IntegrationPlan,
    means: Means<'_>,
    exchange: &mut Exchange,
    request: IntegrationRequest,
    found: Found<'_>,
) -> Result<IntegrationResponse, Rejection> {
    match plan {
        IntegrationPlan::HttpProxy(plan) => {
            http_proxy::forward(plan, means, exchange, request, found).await
        }
        IntegrationPlan::Http(plan) => http::call(plan, means, exchange, request, found).await,
        IntegrationPlan::Mock(plan) => mock::answer(plan, exchange, request, means.budget),
        IntegrationPlan::Refused => Err(Reason::RefusedDefinition.into()),
    }
}
