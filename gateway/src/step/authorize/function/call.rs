//! The call of a function.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, StatusCode, Uri};

use super::rejection;
use crate::body::BodyBudget;
use crate::clock;
use crate::exchange::{FunctionCall, Reason, Rejection};
use crate::upstream::{CallBounds, Pool, UpstreamPlan, call};

/// Largest answer of a function that is read.
pub const RESULT_BYTES_MAX: usize = 128 * 1024;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// How whoever runs a function names the call, and says that the function failed.
const X_AMZN_REQUESTID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const X_AMZ_FUNCTION_ERROR: HeaderName = HeaderName::from_static("x-amz-function-error");

/// Characters of a name of a call that are kept.
const CALL_ID_CHARACTERS_MAX: usize = 128;

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
    pub(super) upstream: Arc<UpstreamPlan>,
    /// Path and query there.
    pub(super) path: String,
    /// What the function is told.
    pub(super) event: Bytes,
    /// How long it may take.
    pub(super) longest: Duration,
}

impl Call {
    /// Posts the event, waits for the answer, and tells how that went.
    ///
    /// # Errors
    /// 500 where there is no answer or none of status 200, 503 without memory for it.
    pub(super) async fn made(
        self,
        told: &RefCell<Option<FunctionCall>>,
    ) -> Result<Answer, Rejection> {
        let uri = Uri::try_from(self.path)
            .map_err(|error| Rejection::detailed(Reason::FunctionUnreachable, error.to_string()))?;
        let mut request = Request::new(self.event);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        request.headers_mut().insert(CONTENT_TYPE, JSON);
        request.headers_mut().insert(ACCEPT, JSON);
        let bounds = CallBounds {
            timeout: self.longest,
            bytes_max: RESULT_BYTES_MAX,
        };
        let started_ns = clock::monotonic_ns();
        let answered = call(&self.pool, &self.upstream, request, bounds, &self.budget).await;
        let elapsed_ns = clock::monotonic_ns().saturating_sub(started_ns);
        let head = answered.as_ref().ok();
        *told.borrow_mut() = Some(FunctionCall {
            latency_ms: elapsed_ns / 1_000_000,
            status: head.map(|head| head.status().as_u16()),
            id: head.and_then(|head| call_id(head.headers())),
        });
        let (head, bytes) = answered.map_err(rejection::of_call)?.into_parts();
        if head.status != StatusCode::OK {
            return Err(rejection::of_status(head.status));
        }
        let has_failed = head.headers.contains_key(X_AMZ_FUNCTION_ERROR);
        Ok(Answer { bytes, has_failed })
    }
}

fn call_id(headers: &HeaderMap) -> Option<Box<str>> {
    let id = headers.get(X_AMZN_REQUESTID)?.to_str().ok()?;
    Some(id.get(..CALL_ID_CHARACTERS_MAX).unwrap_or(id).into())
}
