//! Servers that are asked over HTTP, and what they are shown.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderValue, Request, Response};

use crate::body::BodyBudget;
use crate::oauth::{NoToken, Shown};
use crate::upstream::{CallBounds, CallError, Pool, UpstreamPlan, call};

/// What goes in and comes out as JSON.
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A server that answers with JSON.
#[derive(Debug)]
pub(super) struct Server {
    plan: Arc<UpstreamPlan>,
    authorization: Option<Shown>,
    bounds: CallBounds,
}

/// What a worker asks servers with.
#[derive(Clone, Debug)]
pub(super) struct Means {
    /// Its connections.
    pub(super) pool: Rc<Pool>,
    /// What answers are read into.
    pub(super) budget: BodyBudget,
    /// Seconds since 1970.
    pub(super) now: u64,
}

/// Why a server gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    /// There is nothing to show it.
    #[error(transparent)]
    Token(#[from] NoToken),
    /// No answer came.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl Server {
    /// The one that `plan` leads to, which is shown `authorization`.
    pub(super) const fn new(
        plan: Arc<UpstreamPlan>,
        authorization: Option<Shown>,
        bounds: CallBounds,
    ) -> Self {
        Self {
            plan,
            authorization,
            bounds,
        }
    }

    /// Sends `request`, whose URI is path and query, and gives the answer, whatever its status.
    ///
    /// # Errors
    /// See [`NoAnswer`].
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection it uses.
    pub(super) async fn ask(
        &self,
        mut request: Request<Bytes>,
        means: &Means,
    ) -> Result<Response<Bytes>, NoAnswer> {
        let headers = request.headers_mut();
        headers.insert(ACCEPT, JSON);
        let presented = match &self.authorization {
            None => None,
            Some(shown) => Some(shown.put(headers, means.now)?),
        };
        let answer = call(&means.pool, &self.plan, request, self.bounds, &means.budget).await?;
        if let Some(presented) = presented {
            presented.answered(answer.status());
        }
        Ok(answer)
    }
}
