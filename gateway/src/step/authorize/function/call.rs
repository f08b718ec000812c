//! The call of a function.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};

use super::rejection;
use crate::aws::invoke::{FUNCTION_ERROR, InvokeError, invoke, result};
use crate::aws::{Calling, Client};
use crate::body::BodyBudget;
use crate::clock;
use crate::exchange::{FunctionCall, Reason, Rejection};
use crate::model::FunctionName;
use crate::upstream::{CallBounds, Pool, UpstreamPlan, call};

/// Largest answer of a function that is read.
pub const RESULT_BYTES_MAX: usize = 128 * 1024;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// How whoever runs a function names the call.
const X_AMZN_REQUESTID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// Characters of a name of a call that are kept.
const CALL_ID_CHARACTERS_MAX: usize = 128;

/// The way to a function.
#[derive(Clone, Debug)]
pub enum Way {
    /// It answers at a URL.
    Url {
        /// What leads there.
        upstream: Arc<UpstreamPlan>,
        /// Path and query there.
        path: String,
    },
    /// AWS Lambda runs it.
    Lambda {
        /// What asks the service.
        client: Arc<Client>,
        /// Which it is.
        function: FunctionName,
    },
}

impl Way {
    /// Whether calls on this way are made in the same name as on `other`: one and the same name may be
    /// that of another function for somebody else.
    pub(super) fn is_signed_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Url { .. }, Self::Url { .. }) => true,
            (Self::Lambda { client, .. }, Self::Lambda { client: other, .. }) => {
                client.signs_as(other)
            }
            (Self::Url { .. }, Self::Lambda { .. }) | (Self::Lambda { .. }, Self::Url { .. }) => {
                false
            }
        }
    }
}

/// What a function answered.
pub(super) struct Answer {
    pub(super) bytes: Bytes,
    /// Whether whoever runs it says that it failed.
    pub(super) has_failed: bool,
}

/// A call that is to be made.
pub(super) struct Call {
    pub(super) pool: Rc<Pool>,
    pub(super) budget: BodyBudget,
    pub(super) way: Way,
    /// What the function is told.
    pub(super) event: Bytes,
    /// How long it may take.
    pub(super) longest: Duration,
    /// When it is made, in seconds since 1970.
    pub(super) now: u64,
}

impl Call {
    /// Tells the function of the event, waits for the answer, and tells how that went, unless there was
    /// no call.
    ///
    /// # Errors
    /// 500 where there is no answer or none of a function that ran, 503 without memory for it.
    pub(super) async fn made(
        self,
        told: &RefCell<Option<FunctionCall>>,
    ) -> Result<Answer, Rejection> {
        let (pool, budget, event) = (&self.pool, &self.budget, self.event);
        let bounds = CallBounds {
            timeout: self.longest,
            bytes_max: RESULT_BYTES_MAX,
        };
        match &self.way {
            Way::Url { upstream, path } => {
                let request = posted(path, event)?;
                let timing = Timing::begin();
                let answered = call(pool, upstream, request, bounds, budget).await;
                timing.tell(told, answered.as_ref().ok());
                of_url(answered.map_err(rejection::of_call)?)
            }
            Way::Lambda { client, function } => {
                let calling = Calling {
                    pool,
                    budget,
                    bounds,
                    now: self.now,
                };
                let timing = Timing::begin();
                let answered = invoke(client, function, event, calling).await;
                if !matches!(&answered, Err(failure) if failure.is_unsent()) {
                    timing.tell(told, answered.as_ref().ok());
                }
                of_lambda(answered.map_err(rejection::of_failure)?)
            }
        }
    }
}

/// What is sent to a URL.
fn posted(path: &str, event: Bytes) -> Result<Request<Bytes>, Rejection> {
    let uri = Uri::try_from(path)
        .map_err(|error| Rejection::detailed(Reason::FunctionUnreachable, error.to_string()))?;
    let mut request = Request::new(event);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    request.headers_mut().insert(CONTENT_TYPE, JSON);
    request.headers_mut().insert(ACCEPT, JSON);
    Ok(request)
}

fn of_url(answer: Response<Bytes>) -> Result<Answer, Rejection> {
    let (head, bytes) = answer.into_parts();
    if head.status != StatusCode::OK {
        return Err(rejection::of_status(head.status));
    }
    let has_failed = head.headers.contains_key(FUNCTION_ERROR);
    Ok(Answer { bytes, has_failed })
}

fn of_lambda(answer: Response<Bytes>) -> Result<Answer, Rejection> {
    let (bytes, has_failed) = match result(answer) {
        Ok(bytes) => (bytes, false),
        Err(InvokeError::Function(said)) => (said, true),
        Err(InvokeError::Service(fault)) => return Err(rejection::of_fault(&fault)),
    };
    Ok(Answer { bytes, has_failed })
}

/// When a call began.
struct Timing {
    started_ns: u64,
}

impl Timing {
    fn begin() -> Self {
        Self {
            started_ns: clock::monotonic_ns(),
        }
    }

    /// Tells how a call went that has just ended, with `answer` or without one.
    fn tell(&self, told: &RefCell<Option<FunctionCall>>, answer: Option<&Response<Bytes>>) {
        let elapsed_ns = clock::monotonic_ns().saturating_sub(self.started_ns);
        *told.borrow_mut() = Some(FunctionCall {
            latency_ms: elapsed_ns / 1_000_000,
            status: answer.map(|answer| answer.status().as_u16()),
            id: answer.and_then(|answer| call_id(answer.headers())),
        });
    }
}

fn call_id(headers: &HeaderMap) -> Option<Box<str>> {
    let id = headers.get(X_AMZN_REQUESTID)?.to_str().ok()?;
    Some(id.get(..CALL_ID_CHARACTERS_MAX).unwrap_or(id).into())
}
