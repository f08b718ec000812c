//! Answers of backends that somebody looks into before they go on.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http_body::Body as _;
use tokio::time::{Instant, timeout_at};

use super::ResponseBody;
use crate::body::{BodyBudget, NoMemory};
use crate::exchange::{Reason, Rejection};
use crate::upstream::PooledBody;

/// Largest answer of a backend that is read whole: the service's limit for payloads, 10 MiB.
pub const RESPONSE_BYTES_MAX: usize = 10 * 1024 * 1024;

/// How long is waited for a body.
#[derive(Clone, Copy, Debug)]
pub(super) enum Patience {
    /// For all of it.
    Until(Instant),
    /// For each piece of it.
    Silence(Duration),
}

/// What a body begins with.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) bytes: Bytes,
    /// Whether nothing follows.
    pub(super) is_whole: bool,
}

/// Reads `body` to its end, or until more than `bytes_max` have come, into memory that `budget`
/// accounts for.
///
/// # Errors
/// One that breaks off or takes too long: 503 of HTTP APIs, 504 of REST APIs. 503 without memory.
pub(super) async fn read_start(
    body: &mut PooledBody,
    patience: Patience,
    bytes_max: usize,
    budget: &BodyBudget,
) -> Result<Start, Rejection> {
    let mut read = budget.growing();
    let mut length = 0_usize;
    loop {
        let next = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx));
        let deadline = match patience {
            Patience::Until(deadline) => deadline,
            Patience::Silence(longest) => Instant::now() + longest,
        };
        let next = timeout_at(deadline, next).await;
        let next = next.map_err(|_elapsed| {
            Rejection::detailed(Reason::UpstreamTimeout, "the body of the answer stopped")
        })?;
        // Trailers end here, as they do on the way in.
        let data = match next {
            None => None,
            Some(Ok(frame)) => frame.into_data().ok(),
            Some(Err(error)) => {
                return Err(Rejection::detailed(
                    Reason::UpstreamReset,
                    error.to_string(),
                ));
            }
        };
        let is_whole = data.is_none();
        let data = data.unwrap_or_default();
        let pushed = read.push(&data);
        pushed.map_err(|NoMemory| Rejection::new(Reason::BodyMemory))?;
        length = length.saturating_add(data.len());
        if is_whole || length > bytes_max {
            let bytes = read.finish().into_bytes();
            return Ok(Start { bytes, is_whole });
        }
    }
}

/// Reads `body` whole until `deadline`, into memory that `budget` accounts for.
///
/// # Errors
/// As [`read_start`], and 502 for more than [`RESPONSE_BYTES_MAX`].
pub(super) async fn read_whole(
    mut body: PooledBody,
    deadline: Instant,
    budget: &BodyBudget,
) -> Result<Bytes, Rejection> {
    let patience = Patience::Until(deadline);
    let start = read_start(&mut body, patience, RESPONSE_BYTES_MAX, budget).await?;
    if start.is_whole {
        return Ok(start.bytes);
    }
    let detail = format!("the answer has more than {RESPONSE_BYTES_MAX} bytes");
    Err(Rejection {
        message: Some("Internal server error".into()),
        ..Rejection::detailed(Reason::ResponseTooLarge, detail)
    })
}

impl ResponseBody {
    /// All of it, which is still sent afterwards; `None` if it has more than [`RESPONSE_BYTES_MAX`],
    /// and of one that is compressed already, or that mappings of an HTTP API have looked into.
    ///
    /// # Errors
    /// One that breaks off or falls silent: 503 of HTTP APIs, 504 of REST APIs. 503 without memory.
    pub async fn look_into(&mut self, budget: &BodyBudget) -> Result<Option<Bytes>, Rejection> {
        let (body, silence_max, first) = match self {
            Self::Whole(bytes) => return Ok(Some(bytes.clone())),
            Self::Encoded { .. } | Self::Upstream { first: Some(_), .. } => return Ok(None),
            Self::Upstream {
                body,
                silence_max,
                first,
            } => (body, *silence_max, first),
        };
        let patience = Patience::Silence(silence_max);
        let start = read_start(body, patience, RESPONSE_BYTES_MAX, budget).await?;
        if start.is_whole {
            *self = Self::Whole(start.bytes.clone());
            return Ok(Some(start.bytes));
        }
        *first = Some(start.bytes);
        Ok(None)
    }
}
