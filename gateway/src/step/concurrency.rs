//! May this caller have another request under way?
//!
//! A request takes a seat of each of its route's limits, or none, and keeps them until it has been
//! answered. That is asked before any bucket is charged: who is refused here spends nothing.

use std::sync::Arc;

use super::bucket::Sender;
use crate::concurrency::{Callers, Hall, NoSeat, Seat};
use crate::exchange::{Reason, Rejection};
use crate::model::{CallerConcurrency, Concurrency};
use crate::store::bucket::Buckets;

/// Whole seconds until somebody who was refused may try again: when a seat becomes free is known to nobody.
pub const RETRY_AFTER_SECONDS: u64 = 1;

/// The limits of one route.
#[derive(Debug, Default)]
pub struct ConcurrencyPlan {
    /// Of each caller.
    pub callers: Box<[CallerSeats]>,
    /// Of all callers together.
    pub shared: Option<SharedSeats>,
}

/// Seats that all share who come by them.
#[derive(Debug)]
pub struct SharedSeats {
    /// What metrics call it, such as `pets prod GET /pets`.
    pub name: String,
    /// Who is in.
    pub hall: Arc<Hall>,
    /// How many may be.
    pub limit: Concurrency,
}

/// Seats of each caller.
#[derive(Debug)]
pub struct CallerSeats {
    /// What tells callers apart, and how many seats each has.
    pub each: CallerConcurrency,
    /// Keeps callers of different limits apart, also where refusals are counted.
    pub tag: u64,
    /// Who is in.
    pub callers: Arc<Callers>,
    /// What callers share for whom that has no word.
    pub rest: Arc<Hall>,
}

/// How many requests are under way by one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occupancy {
    /// What a refusal of it is called.
    pub reason: Reason,
    /// How many there are now.
    pub inside: u64,
    /// How many there may be.
    pub max: u32,
    /// Whether it only notes what it would refuse.
    pub is_monitored: bool,
}

impl ConcurrencyPlan {
    const fn is_empty(&self) -> bool {
        self.callers.is_empty() && self.shared.is_none()
    }
}

impl CallerSeats {
    fn enter(&self, buckets: &Buckets, sender: &Sender<'_>) -> Option<Seat> {
        let tag = buckets.caller_tag(self.tag, &sender.value_of(&self.each.key));
        match self.callers.enter(tag, self.each.limit.max) {
            Ok(seat) => Some(seat),
            Err(NoSeat::Full) => None,
            Err(NoSeat::NoWord) => self.rest.enter(self.each.limit.max),
        }
    }

    fn refusal(&self, buckets: &Buckets, sender: &Sender<'_>) -> Rejection {
        let refused = sender.refused_by(self.tag, &self.each.key, buckets);
        Rejection {
            throttled: Some(refused.into()),
            ..full(Reason::CallerConcurrency)
        }
    }
}

fn full(reason: Reason) -> Rejection {
    Rejection {
        retry_after_seconds: Some(RETRY_AFTER_SECONDS),
        ..Rejection::new(reason)
    }
}

/// Takes a seat of each limit, or none. Also gives the first limit that would have refused the request if
/// it were not only monitored; of such a one no seat is taken.
///
/// # Errors
/// A rejection by the first limit that has no seat left.
pub fn take_seats(
    plan: &ConcurrencyPlan,
    buckets: &Buckets,
    sender: &Sender<'_>,
) -> Result<(Vec<Seat>, Option<Reason>), Rejection> {
    let mut seats = Vec::new();
    if plan.is_empty() {
        return Ok((seats, None));
    }
    let mut noted = None;
    for each in &plan.callers {
        match each.enter(buckets, sender) {
            Some(seat) => seats.push(seat),
            None if each.each.limit.is_monitored => {
                noted = noted.or(Some(Reason::CallerConcurrency));
            }
            None => return Err(each.refusal(buckets, sender)),
        }
    }
    if let Some(SharedSeats { hall, limit, .. }) = &plan.shared {
        match hall.enter(limit.max) {
            Some(seat) => seats.push(seat),
            None if limit.is_monitored => noted = noted.or(Some(Reason::RouteConcurrency)),
            None => return Err(full(Reason::RouteConcurrency)),
        }
    }
    Ok((seats, noted))
}

/// How the limits stand that a request of `sender` would come under. No seat is taken.
#[must_use]
pub fn occupancies(
    plan: &ConcurrencyPlan,
    buckets: &Buckets,
    sender: &Sender<'_>,
) -> Vec<Occupancy> {
    let each = plan.callers.iter().map(|each| {
        let tag = buckets.caller_tag(each.tag, &sender.value_of(&each.each.key));
        Occupancy {
            reason: Reason::CallerConcurrency,
            inside: each.callers.inside(tag),
            max: each.each.limit.max,
            is_monitored: each.each.limit.is_monitored,
        }
    });
    let shared = plan.shared.iter().map(|shared| Occupancy {
        reason: Reason::RouteConcurrency,
        inside: shared.hall.inside().into(),
        max: shared.limit.max,
        is_monitored: shared.limit.is_monitored,
    });
    each.chain(shared).collect()
}

impl Occupancy {
    /// Whether there is a seat left.
    #[must_use]
    pub fn has_seat(&self) -> bool {
        self.inside < u64::from(self.max)
    }
}
