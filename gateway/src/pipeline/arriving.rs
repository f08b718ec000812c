//! The body of a request before its integration takes it.
//!
//! Most bodies stream past every step. A signature may be one of the body as well: then it is read
//! whole to find out who sends it, within the limit of its route and the memory of the gateway, and
//! goes on as it was read. Where that is only watched, one that cannot be read whole goes on as well.

use std::rc::Rc;

use hyper::body::{Body as _, Incoming};

use crate::body::{BodyBudget, BodyProgress, BufferError, Buffered, LimitedBody};
use crate::exchange::{Exchange, Reason, Rejection};
use crate::integration::body_rejection;
use crate::snapshot::RoutePlan;

/// A body on its way, or one that was read.
#[derive(Debug)]
pub(crate) enum Arriving {
    /// There is none, or it was taken.
    Nothing,
    /// Nobody has read any of it.
    Streaming(Incoming),
    /// It could not be read whole, and begins with what was read.
    Begun(LimitedBody),
    /// All of it was read.
    Whole {
        body: Buffered,
        progress: Rc<BodyProgress>,
    },
}

impl Arriving {
    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Streaming(body) => body.is_end_stream(),
            Self::Begun(body) => body.is_end_stream(),
            Self::Whole { body, .. } => body.bytes().is_empty(),
        }
    }

    /// All of it, where that is at hand.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Nothing => Some(&[]),
            Self::Streaming(body) => body.is_end_stream().then_some(&[]),
            Self::Begun(body) => body.is_end_stream().then_some(&[]),
            Self::Whole { body, .. } => Some(body.bytes()),
        }
    }

    /// Reads all of it, where it was not read yet.
    ///
    /// # Errors
    /// What is wrong with the body, or that there is no memory for it. Nothing of it is lost then:
    /// whoever goes on with it meets the same fault, or a body that is whole.
    pub(super) async fn read(
        &mut self,
        route: &RoutePlan,
        exchange: &mut Exchange,
        budget: &BodyBudget,
    ) -> Result<(), Rejection> {
        if self.bytes().is_some() {
            return Ok(());
        }
        if let Self::Streaming(incoming) = &*self {
            within(incoming, route)?;
        }
        *self = match std::mem::replace(self, Self::Nothing) {
            Self::Streaming(incoming) => Self::Begun(limited(incoming, route, exchange)?),
            other => other,
        };
        if let Self::Begun(begun) = self {
            let progress = begun.progress();
            let body = buffered(begun, budget).await?;
            *self = Self::Whole { body, progress };
        }
        Ok(())
    }
}

/// Refuses an announced length over the limit of the route.
fn within(incoming: &Incoming, route: &RoutePlan) -> Result<(), Rejection> {
    if incoming.size_hint().lower() > route.body_bytes_max {
        return Err(Reason::BodyTooLarge.into());
    }
    Ok(())
}

/// A body within the limit of its route, of which the log hears.
///
/// # Errors
/// An announced length over the limit is refused before anything is contacted.
pub(super) fn limited(
    incoming: Incoming,
    route: &RoutePlan,
    exchange: &mut Exchange,
) -> Result<LimitedBody, Rejection> {
    within(&incoming, route)?;
    let timeout = exchange.connection.body_timeout;
    let limited = LimitedBody::new(incoming, route.body_bytes_max, timeout);
    exchange.record.reads(&limited.progress());
    Ok(limited)
}

/// All of a body, in memory.
///
/// # Errors
/// What is wrong with it, or that there is no memory for it.
pub(super) async fn buffered(
    body: &mut LimitedBody,
    budget: &BodyBudget,
) -> Result<Buffered, Rejection> {
    match Box::pin(body.buffer(budget)).await {
        Ok(whole) => Ok(whole),
        Err(BufferError::Body(fault)) => Err(body_rejection(fault)),
        Err(BufferError::Memory(_)) => Err(Reason::BodyMemory.into()),
    }
}
