//! May this caller send another request now?
//!
//! A request is charged to each caller's own buckets, and to those of its route, stage, API and account. It
//! is charged to all of them or to none. Of several that refuse, the first in that order answers.

use arrayvec::ArrayVec;

use super::bucket::{CallerBucket, Sender, SharedBucket, Standing};
use super::proof::Permit;
use crate::exchange::{Reason, Rejection};
use crate::model::CALLER_THROTTLES_MAX;
use crate::store::bucket::Buckets;
use crate::store::charge::charge_all;

/// Places that limit each caller: route, stage and API.
const CALLER_PLACES: usize = 3;
/// Buckets that all share: of route, stage, API and account.
const SHARED_MAX: usize = 4;
/// Buckets that one request is charged to.
const ACCOUNTS_MAX: usize = CALLER_PLACES * CALLER_THROTTLES_MAX + SHARED_MAX;

/// The buckets of one route.
#[derive(Debug, Default)]
pub struct AdmitPlan {
    /// Of each caller.
    pub callers: Box<[CallerBucket]>,
    /// Of all callers: of the route, its stage, its API and the account, in that order.
    pub shared: Box<[SharedBucket]>,
}

impl AdmitPlan {
    /// Puts the limits in force, once the snapshot that holds this plan is.
    pub fn put_in_force(&self, now_ns: u64) {
        for bucket in &self.callers {
            bucket.put_in_force(now_ns);
        }
        for bucket in &self.shared {
            bucket.put_in_force(now_ns);
        }
    }

    /// What a refusal of the bucket of this number is called.
    fn reason(&self, at: usize) -> Reason {
        let own = self.callers.iter().map(CallerBucket::reason);
        let shared = self.shared.iter().map(|bucket| bucket.reason);
        own.chain(shared).nth(at).unwrap_or(Reason::RouteThrottled)
    }
}

/// Charges one request at `now_ns` (monotonic) to all of the route's buckets, or to none. Also gives what
/// would have refused it if it were not only monitored.
///
/// # Errors
/// A rejection with the seconds after which the same request alone would be admitted.
pub fn admit(
    plan: &AdmitPlan,
    buckets: &Buckets,
    sender: &Sender<'_>,
    now_ns: u64,
) -> Result<(Permit, Option<Reason>), Rejection> {
    let own = plan.callers.iter();
    let own = own.map(|bucket| bucket.account(buckets, sender, now_ns));
    let shared = plan.shared.iter().map(SharedBucket::account);
    let accounts: ArrayVec<_, ACCOUNTS_MAX> = own.chain(shared).take(ACCOUNTS_MAX).collect();
    match charge_all(&accounts, now_ns) {
        Ok(noted) => Ok((Permit::grant(), noted.map(|at| plan.reason(at)))),
        Err(refused) => Err(Rejection {
            retry_after_seconds: Some(refused.retry_after_seconds()),
            ..Rejection::new(plan.reason(refused.at))
        }),
    }
}

/// How the buckets stand that a request would be charged to at `now_ns`. Nothing is charged.
#[must_use]
pub fn standings(
    plan: &AdmitPlan,
    buckets: &Buckets,
    sender: &Sender<'_>,
    now_ns: u64,
) -> Vec<Standing> {
    let own = plan.callers.iter();
    let own = own.map(|bucket| bucket.standing(buckets, sender, now_ns));
    let shared = plan.shared.iter().map(|bucket| bucket.standing(now_ns));
    own.chain(shared).collect()
}

#[cfg(test)]
#[path = "admit_tests.rs"]
mod tests;
