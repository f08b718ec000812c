//! Answers of backends that somebody looks into before they go on.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http_body::Body as _;
use tokio::time::{Instant, timeout_at};

use super::ResponseBody;
use crate::body::BodyBudget;
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
    pub(super) end: End,
}

/// Why no more of a body was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing follows.
    Whole,
    /// More has come than is read.
    TooLarge,
    /// The rest did not come in time.
    TooSlow,
    /// There is no memory for the rest.
    Memory,
}

impl End {
    /// The rejection for who cannot go on without more of the body.
    fn refused(self) -> Result<(), Rejection> {
        match self {
            Self::Whole | Self::TooLarge => Ok(()),
            Self::TooSlow => Err(Rejection::detailed(
                Reason::UpstreamTimeout,
                "the body of the answer stopped",
            )),
            Self::Memory => Err(Reason::BodyMemory.into()),
        }
    }
}

impl Start {
    /// As it is, if neither time nor memory ended it.
    ///
    /// # Errors
    /// One that takes too long: 503 of HTTP APIs, 504 of REST APIs. 503 without memory.
    pub(super) fn accepted(self) -> Result<Self, Rejection> {
        self.end.refused().map(|()| self)
    }
}

/// All of a body, or why it is not known.
#[derive(Debug)]
pub enum Seen {
    /// All of it.
    Whole(Bytes),
    /// It has more than [`RESPONSE_BYTES_MAX`], is compressed already, or mappings of an HTTP API have
    /// looked into it.
    TooLarge,
    /// It did not come within the time-out of the integration.
    TooSlow,
    /// There is no memory for it.
    Memory,
}

/// Reads `body` to its end, or until more than `bytes_max` have come or time or memory end, into
/// memory that `budget` accounts for. Nothing of it is lost: what was read and what follows is the
/// body.
///
/// # Errors
/// One that breaks off: 503 of HTTP APIs, 504 of REST APIs.
pub(super) async fn read_start(
    body: &mut PooledBody,
    patience: Patience,
    bytes_max: usize,
    budget: &BodyBudget,
) -> Result<Start, Rejection> {
    let mut read = budget.growing();
    let mut length = 0_usize;
    let end = loop {
        let next = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx));
        let deadline = match patience {
            Patience::Until(deadline) => deadline,
            Patience::Silence(longest) => Instant::now() + longest,
        };
        let Ok(next) = timeout_at(deadline, next).await else {
            break End::TooSlow;
        };
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
        let Some(data) = data else {
            break End::Whole;
        };
        if read.push(&data).is_err() {
            break End::Memory;
        }
        length = length.saturating_add(data.len());
        if length > bytes_max {
            break End::TooLarge;
        }
    };
    let bytes = read.finish().into_bytes();
    Ok(Start { bytes, end })
}

/// Reads `body` whole until `deadline`, into memory that `budget` accounts for.
///
/// # Errors
/// One that breaks off or takes too long: 503 of HTTP APIs, 504 of REST APIs. 503 without memory, 502
/// for more than [`RESPONSE_BYTES_MAX`].
pub(super) async fn read_whole(
    mut body: PooledBody,
    deadline: Instant,
    budget: &BodyBudget,
) -> Result<Bytes, Rejection> {
    let patience = Patience::Until(deadline);
    let start = read_start(&mut body, patience, RESPONSE_BYTES_MAX, budget).await?;
    let start = start.accepted()?;
    if start.end == End::Whole {
        return Ok(start.bytes);
    }
    let detail = format!("the answer has more than {RESPONSE_BYTES_MAX} bytes");
    Err(Rejection {
        message: Some("Internal server error".into()),
        ..Rejection::detailed(Reason::ResponseTooLarge, detail)
    })
}

impl ResponseBody {
    /// All of it, if that can be had within the longest silence that is allowed. Whatever was seen of
    /// it, all of it is still sent afterwards.
    ///
    /// # Errors
    /// One that breaks off: 503 of HTTP APIs, 504 of REST APIs.
    pub async fn look_into(&mut self, budget: &BodyBudget) -> Result<Seen, Rejection> {
        let (body, silence_max, first) = match self {
            Self::Whole(bytes) => return Ok(Seen::Whole(bytes.clone())),
            Self::Encoded { .. } | Self::Upstream { first: Some(_), .. } => {
                return Ok(Seen::TooLarge);
            }
            Self::Upstream {
                body,
                silence_max,
                first,
            } => (body, *silence_max, first),
        };
        // One that trickles would otherwise be held back for as long as it likes.
        let patience = Patience::Until(Instant::now() + silence_max);
        let start = read_start(body, patience, RESPONSE_BYTES_MAX, budget).await?;
        let seen = match start.end {
            End::Whole => {
                *self = Self::Whole(start.bytes.clone());
                return Ok(Seen::Whole(start.bytes));
            }
            End::TooLarge => Seen::TooLarge,
            End::TooSlow => Seen::TooSlow,
            End::Memory => Seen::Memory,
        };
        *first = Some(start.bytes);
        Ok(seen)
    }
}
