//! What answers an admitted request.

mod http_proxy;
mod mock;
mod headers;
mod rest_headers;
mod path_template;
mod mapped;
mod mapped_response;

pub use http_proxy::{ForwardPlan, IntegrationRequest, body_rejection};
pub use mock::MockPlan;
pub use path_template::{PathTemplate, PathValue};
pub use rest_headers::RestHeaders;

use std::borrow::Cow;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};

use crate::exchange::{Exchange, Reason, Rejection};
use crate::step::compress::Encoder;
use crate::upstream::{Pool, PooledBody};

/// What answers the requests of a route.
#[derive(Debug)]
pub enum IntegrationPlan {
    /// An HTTP backend.
    HttpProxy(ForwardPlan),
    /// The gateway itself.
    Mock(MockPlan),
    /// Nothing, because the definition of the route could not be understood as a whole.
    Refused,
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

/// Lets the route's integration answer. `path` is the request's, without its stage.
///
/// # Errors
/// What the integration could not do.
///
/// # Cancel safety
/// Dropping the future ends a backend's work on the request.
pub async fn integrate(
    plan: &IntegrationPlan,
    pool: &Rc<Pool>,
    exchange: &mut Exchange,
    request: IntegrationRequest,
    path: &str,
    parameters: &[(&str, Cow<'_, str>)],
) -> Result<IntegrationResponse, Rejection> {
    match plan {
        IntegrationPlan::HttpProxy(plan) => {
            http_proxy::forward(plan, pool, exchange, request, path, parameters).await
        }
        IntegrationPlan::Mock(plan) => mock::answer(plan, exchange, request),
        IntegrationPlan::Refused => Err(Reason::RefusedDefinition.into()),
    }
}
