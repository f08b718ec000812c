//! May this caller send another request now?
//!
//! A route can have a bucket for all callers and one for each of them. A request is charged to all
//! of them or to none: first every bucket is asked without writing, then each is charged, and a
//! charge that loses its place to another worker in between takes the earlier ones back.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

use gateway_common::limit::{Charge, Limit};
use gateway_common::slot::Slot;
use gateway_common::word::Word;
use http::HeaderMap;

use super::proof::Permit;
use crate::exchange::{Caller, Reason, Rejection};
use crate::model::CallerKey;
use crate::store::bucket::Buckets;
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
    let route = plan.route.as_ref().map(|bucket| Account {
        tat: &bucket.lease.slot().tat,
        limit: &bucket.limit,
        slot: bucket.lease.slot(),
        reason: Reason::RouteThrottled,
    });
    let own = plan.caller.as_ref().map(|bucket| {
        let tag = buckets.caller_tag(bucket.parent.tag(), &bucket.key_of(headers, caller));
        let slot = bucket.parent.slot();
        match buckets
            .caller_line(tag)
            .find_or_claim(tag, now_ns, &bucket.limit)
        {
            Some(tat) => Account {
                tat,
                limit: &bucket.limit,
                slot,
                reason: Reason::CallerThrottled,
            },
            None => {
                slot.shed.fetch_add(1, Ordering::Relaxed);
                Account {
                    tat: &slot.tat,
                    limit: &bucket.overflow,
                    slot,
                    reason: Reason::CallerThrottled,
                }
            }
        }
    });
    charge_all([own, route], now_ns)
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

/// One word to charge, and the slot whose counters tell of it.
struct Account<'a> {
    tat: &'a AtomicU64,
    limit: &'a Limit,
    slot: &'a Slot<AtomicU64>,
    reason: Reason,
}

impl Account<'_> {
    /// Nanoseconds until a charge would be admitted; `None` if it would be now.
    fn wait(&self, now_ns: u64) -> Option<u64> {
        self.limit
            .decide(Word::load(self.tat), now_ns, self.limit.increment(1))
            .err()
    }

    fn refuse(&self, wait_ns: u64) -> Rejection {
        self.slot.rejected.fetch_add(1, Ordering::Relaxed);
        Rejection {
            retry_after_seconds: Some(whole_seconds(wait_ns)),
            ..Rejection::new(self.reason)
        }
    }
}

fn charge_all(accounts: [Option<Account<'_>>; 2], now_ns: u64) -> Result<Permit, Rejection> {
    let refused = accounts
        .iter()
        .flatten()
        .filter_map(|account| Some((account, account.wait(now_ns)?)));
    // The longest wait: only then does every bucket admit the same request.
    if let Some((account, wait_ns)) = refused.max_by_key(|(_, wait_ns)| *wait_ns) {
        return Err(account.refuse(wait_ns));
    }
    let mut charged: Option<(&Account<'_>, u64, u64)> = None;
    for account in accounts.iter().flatten() {
        match account.limit.charge(account.tat, now_ns, 1) {
            Charge::Admitted { before, after } => charged = Some((account, before, after)),
            Charge::AdmittedAfterRaces => {}
            Charge::Limited { wait_ns } => {
                if let Some((earlier, before, after)) = charged {
                    // Only an untouched word may be put back; one that others have charged since
                    // stays charged, which errs to the strict side.
                    match Word::compare_exchange(earlier.tat, after, before) {
                        Ok(_) | Err(_) => {}
                    }
                }
                return Err(account.refuse(wait_ns));
            }
        }
    }
    for account in accounts.iter().flatten() {
        account.slot.admitted.fetch_add(1, Ordering::Relaxed);
    }
    Ok(Permit::grant())
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

/// The smallest whole number of seconds, at least 1, that is no shorter than `ns`.
const fn whole_seconds(ns: u64) -> u64 {
    let seconds = ns.div_ceil(1_000_000_000);
    if seconds == 0 { 1 } else { seconds }
}

#[cfg(test)]
#[path = "admit_tests.rs"]
mod tests;
