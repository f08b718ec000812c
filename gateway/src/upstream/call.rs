//! Questions that the gateway asks on its own account: one request, one answer that is read whole.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use super::{Pool, SendError, UpstreamPlan};
use crate::body::{BodyBudget, NoMemory, UpstreamBody};

/// How much is waited for and read.
#[derive(Clone, Copy, Debug)]
pub struct CallBounds {
    /// From the first byte sent to the last byte read.
    pub timeout: Duration,
    /// Largest answer.
    pub bytes_max: usize,
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nothing came back.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The answer broke off.
    #[error("the answer broke off: {0}")]
    Broken(hyper::Error),
    /// It took too long.
    #[error("no whole answer within {0:?}")]
    Timeout(Duration),
    /// It is larger than what is read.
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
    /// There is no memory for it.
    #[error(transparent)]
    Memory(#[from] NoMemory),
}

/// Sends `request`, whose URI is path and query, and reads the answer whole, into memory that `budget`
/// accounts for while it grows. Without a `Host` of its own the request gets that of the plan.
///
/// # Errors
/// See [`CallError`].
///
/// # Cancel safety
/// Dropping the future closes the connection it uses.
pub async fn call(
    pool: &Rc<Pool>,
    plan: &UpstreamPlan,
    mut request: Request<Bytes>,
    bounds: CallBounds,
    budget: &BodyBudget,
) -> Result<Response<Bytes>, CallError> {
    let host = request.headers_mut().entry(HOST);
    host.or_insert_with(|| plan.host.clone());
    let request = request.map(|body| {
        if body.is_empty() {
            UpstreamBody::Empty
        } else {
            UpstreamBody::whole(body)
        }
    });
    let CallBounds {
        timeout: longest,
        bytes_max,
    } = bounds;
    let exchanged = async {
        let (head, mut body) = pool.send(plan, request).await?.into_parts();
        let mut read = budget.growing();
        let mut length = 0_usize;
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(CallError::Broken)?.into_data() else {
                // Trailers say nothing to anybody here.
                continue;
            };
            length = length.saturating_add(data.len());
            if length > bytes_max {
                return Err(CallError::TooLarge(bytes_max));
            }
            read.push(&data)?;
        }
        Ok(Response::from_parts(head, read.finish().into_bytes()))
    };
    match timeout(longest, exchanged).await {
        Ok(answered) => answered,
        Err(_elapsed) => Err(CallError::Timeout(longest)),
    }
}
