//! May this caller send another request now?
//!
//! A route can have a bucket for all callers and one for each of them. A request is charged to all
//! of them or to none.

use std::borrow::Cow;

use gateway_common::limit::Limit;
use gateway_common::word::Word;
use http::HeaderMap;

use super::proof::Permit;
use crate::exchange::{Caller, Reason, Rejection};
use crate::model::CallerKey;
use crate::store::bucket::Buckets;
use crate::store::charge::{Account, charge_all};
use crate::store::lease::SlotLease;

/// The buckets of one route.
#[derive(Debug)]
pub struct AdmitPlan {
    /// Of all callers.
    pub route: Option<RouteBucket>,
    /// Of each caller.
    pub caller: Option<CallerBucket>,
}

/// One bucket for all callers.
#[derive(Debug)]
pub struct RouteBucket {
    /// Its slot.
    pub lease: SlotLease,
    /// Its limit.
    pub limit: Limit,
}

/// One bucket per caller.
#[derive(Debug)]
pub struct CallerBucket {
    /// What tells callers apart.
    pub key: CallerKey,
    /// The limit of each.
    pub limit: Limit,
    /// The slot that callers without room in the table share; its tag keeps callers of different
    /// routes apart.
    pub parent: SlotLease,
    /// The limit of that slot.
    pub overflow: Limit,
}

impl AdmitPlan {
    /// Puts the limits in force, once the snapshot that holds this plan is.
    pub fn put_in_force(&self, now_ns: u64) {
        if let Some(route) = &self.route {
            route.lease.put_in_force(&route.limit, now_ns);
        }
        if let Some(caller) = &self.caller {
            caller.parent.put_in_force(&caller.overflow, now_ns);
        }
    }
}

/// Charges one request at `now_ns` (monotonic) to all of the route's buckets, or to none.
///
/// # Errors
/// A rejection with the seconds after which the same request alone would be admitted.
pub fn admit(
    plan: &AdmitPlan,
    buckets: &Buckets,
    headers: &HeaderMap,
    caller: Option<&Caller>,
    now_ns: u64,
) -> Result<Permit, Rejection> {
    let route = plan.route.as_ref();
    let route = route.map(|bucket| Account::of_slot(&bucket.lease, &bucket.limit));
    let own = plan.caller.as_ref().map(|bucket| {
        let value = bucket.key_of(headers, caller);
        let limits = (&bucket.limit, &bucket.overflow);
        Account::of_one(buckets, &bucket.parent, &value, limits, now_ns)
    });
    match charge_all([own, route], now_ns) {
        Ok(()) => Ok(Permit::grant()),
        Err(refused) => Err(Rejection {
            retry_after_seconds: Some(refused.retry_after_seconds()),
            ..Rejection::new(match refused.at {
                0 => Reason::CallerThrottled,
                _ => Reason::RouteThrottled,
            })
        }),
    }
}

/// How one bucket of a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What a refusal of it is called.
    pub reason: Reason,
    /// Nanoseconds until it admits the request; zero if it would now.
    pub wait_ns: u64,
}

/// How the buckets stand that a request would be charged to at `now_ns`. Nothing is charged, and no
/// caller is given a bucket that it does not have.
#[must_use]
pub fn standings(
    plan: &AdmitPlan,
    buckets: &Buckets,
    headers: &HeaderMap,
    caller: Option<&Caller>,
    now_ns: u64,
) -> Vec<Standing> {
    let stands = |limit: &Limit, tat: u64, reason| Standing {
        reason,
        wait_ns: limit
            .decide(tat, now_ns, limit.increment(1))
            .err()
            .unwrap_or(0),
    };
    let own = plan.caller.as_ref().map(|bucket| {
        let tag = buckets.caller_tag(bucket.parent.tag(), &bucket.key_of(headers, caller));
        let word = buckets.caller_line(tag).find(tag);
        let tat = word.map_or(0, |way| Word::load(&way.tat));
        stands(&bucket.limit, tat, Reason::CallerThrottled)
    });
    let route = plan.route.as_ref().map(|bucket| {
        let tat = Word::load(&bucket.lease.slot().tat);
        stands(&bucket.limit, tat, Reason::RouteThrottled)
    });
    own.into_iter().chain(route).collect()
}

impl CallerBucket {
    /// What tells this caller apart; all callers without it are one.
    fn key_of<'r>(&self, headers: &'r HeaderMap, caller: Option<&'r Caller>) -> Cow<'r, [u8]> {
        match &self.key {
            CallerKey::Header(name) => headers
                .get(name)
                .map_or(Cow::Borrowed(&[]), |value| Cow::Borrowed(value.as_bytes())),
            CallerKey::Claim(name) => match caller.and_then(|caller| caller.claim(name)) {
                Some(Cow::Borrowed(text)) => Cow::Borrowed(text.as_bytes()),
                Some(Cow::Owned(text)) => Cow::Owned(text.into_bytes()),
                None => Cow::Borrowed(&[]),
            },
        }
    }
}

#[cfg(test)]
#[path = "admit_tests.rs"]
mod tests;
