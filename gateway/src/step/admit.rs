//! May this caller send another request now?
//!
//! A request is counted against the quota of its API key, and charged to the key's buckets for the route,
//! under its plan and of its own, to each caller's own buckets, and to those of its route, stage, API and
//! account: to all of them or to none. Of several that refuse, the first in that order answers.

use arrayvec::ArrayVec;

use super::bucket::{CallerBucket, Sender, SharedBucket, Standing};
use super::proof::Permit;
use crate::exchange::{Reason, Rejection};
use crate::model::CALLER_THROTTLES_MAX;
use crate::store::bucket::Buckets;
use crate::store::charge::{Account, charge_asked, count_refusal, refusal};
use crate::store::key_ring::InUse;

/// Places that limit each caller: route, stage and API.
const CALLER_PLACES: usize = 3;
/// Buckets that all share: of route, stage, API and account.
const SHARED_MAX: usize = 4;
/// Buckets of an API key: for the route, under its plan, and its own.
const OF_KEY_MAX: usize = 3;
/// Buckets that one request is charged to.
const ACCOUNTS_MAX: usize = OF_KEY_MAX + CALLER_PLACES * CALLER_THROTTLES_MAX + SHARED_MAX;

/// The key that a request comes with, and the route that it calls.
#[derive(Clone, Copy, Debug)]
pub struct Keyed<'a> {
    /// The key.
    pub key: InUse<'a>,
    /// Key of the route, such as `GET /pets/{id}`.
    pub route: &'a str,
    /// When it comes, in seconds since 1970, by which periods of quotas are told.
    pub unix_seconds: u64,
}

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

impl<'a> Keyed<'a> {
    /// What the request is charged to for its key, in the documented order.
    pub(super) fn accounts(&self) -> ArrayVec<(Reason, Account<'a>), OF_KEY_MAX> {
        let accounts = [
            (Reason::PlanRouteThrottled, self.key.route(self.route)),
            (Reason::PlanThrottled, self.key.all()),
            (Reason::KeyThrottled, self.key.own()),
        ];
        let accounts = accounts.into_iter();
        accounts
            .filter_map(|(reason, account)| Some((reason, account?)))
            .collect()
    }
}

impl Keyed<'_> {
    /// How the key's quota stands, and its buckets.
    fn standings(&self, now_ns: u64) -> Vec<Standing> {
        let quota = self.key.standing(self.unix_seconds);
        let quota = quota.map(|(quota, standing)| {
            let seconds = standing.end.saturating_sub(self.unix_seconds);
            let is_left = standing.remaining > 0;
            Standing {
                reason: Reason::QuotaExceeded,
                wait_ns: if is_left {
                    0
                } else {
                    seconds.saturating_mul(1_000_000_000)
                },
                is_monitored: quota.is_monitored,
            }
        });
        let buckets = self.accounts().into_iter();
        let buckets = buckets.map(|(reason, account)| Standing::new(reason, &account, now_ns));
        quota.into_iter().chain(buckets).collect()
    }
}

/// Charges one request at `now_ns` (monotonic) to the quota of its key and to all buckets, or to none. Also gives what would have
/// refused it if it were not only monitored.
///
/// # Errors
/// A rejection with the seconds after which the same request alone would be admitted.
pub fn admit(
    plan: &AdmitPlan,
    buckets: &Buckets,
    sender: &Sender<'_>,
    keyed: Option<&Keyed<'_>>,
    now_ns: u64,
) -> Result<(Permit, Option<Reason>), Rejection> {
    let of_key = keyed.map(Keyed::accounts).unwrap_or_default();
    let own = plan.callers.iter();
    let own = own.map(|bucket| bucket.account(buckets, sender, now_ns));
    let shared = plan.shared.iter().map(SharedBucket::account);
    let of_key = of_key.into_iter();
    let (reasons, of_key): (ArrayVec<_, OF_KEY_MAX>, ArrayVec<_, OF_KEY_MAX>) = of_key.unzip();
    let accounts = of_key.into_iter();
    let accounts = accounts.chain(own).chain(shared).take(ACCOUNTS_MAX);
    let accounts: ArrayVec<_, ACCOUNTS_MAX> = accounts.collect();
    let reason = |at: usize| match reasons.get(at) {
        Some(reason) => *reason,
        None => plan.reason(at.saturating_sub(reasons.len())),
    };
    // A bucket that refuses takes nothing of the quota, not even for the moment.
    if let Some(found) = refusal(&accounts, now_ns) {
        let seconds = found.retry_after_seconds();
        let exhausted = keyed.and_then(|keyed| keyed.key.exhausted(keyed.unix_seconds));
        return Err(match exhausted {
            Some(exhausted) => refused_by_quota(exhausted.seconds.max(seconds), keyed),
            None => {
                count_refusal(&accounts, found);
                let own = found.at.checked_sub(reasons.len());
                let own = own.and_then(|at| plan.callers.get(at));
                Rejection {
                    throttled: own.map(|bucket| bucket.throttled(buckets, sender).into()),
                    ..refused(reason(found.at), seconds, keyed)
                }
            }
        });
    }
    let counted = keyed.map(|keyed| keyed.key.count(keyed.unix_seconds));
    let counted = counted.transpose();
    let counted = counted.map_err(|exhausted| refused_by_quota(exhausted.seconds, keyed))?;
    match charge_asked(&accounts, now_ns) {
        Ok(noted) => {
            let by_quota = counted.is_some_and(|counted| counted.would_refuse);
            match keyed {
                Some(keyed) if by_quota => keyed.key.count_refused_by_quota(),
                Some(keyed) => keyed.key.count_admitted_by_quota(),
                None => {}
            }
            let noted = noted.map(reason);
            let noted = by_quota.then_some(Reason::QuotaExceeded).or(noted);
            Ok((Permit::grant(), noted))
        }
        Err(found) => {
            if let Some(counted) = counted {
                counted.give_back();
            }
            Err(refused(
                reason(found.at),
                found.retry_after_seconds(),
                keyed,
            ))
        }
    }
}

/// A refusal by the quota of a key, which is counted for it.
fn refused_by_quota(retry_after_seconds: u64, keyed: Option<&Keyed<'_>>) -> Rejection {
    if let Some(keyed) = keyed {
        keyed.key.count_refused_by_quota();
    }
    refused(Reason::QuotaExceeded, retry_after_seconds, keyed)
}

fn refused(reason: Reason, retry_after_seconds: u64, keyed: Option<&Keyed<'_>>) -> Rejection {
    let is_of_key = matches!(
        reason,
        Reason::QuotaExceeded
            | Reason::PlanRouteThrottled
            | Reason::PlanThrottled
            | Reason::KeyThrottled
    );
    let detail = keyed.filter(|_| is_of_key).map(|keyed| {
        let (key, plan) = (keyed.key.held.key(), keyed.key.plan());
        format!("API key `{}` under usage plan `{}`", key.id, plan.name).into()
    });
    Rejection {
        retry_after_seconds: Some(retry_after_seconds),
        detail,
        ..Rejection::new(reason)
    }
}

/// How the quota and the buckets stand that a request would be charged to. Nothing is charged.
#[must_use]
pub fn standings(
    plan: &AdmitPlan,
    buckets: &Buckets,
    sender: &Sender<'_>,
    keyed: Option<&Keyed<'_>>,
    now_ns: u64,
) -> Vec<Standing> {
    let of_key = keyed.into_iter().flat_map(|keyed| keyed.standings(now_ns));
    let own = plan.callers.iter();
    let own = own.map(|bucket| bucket.standing(buckets, sender, now_ns));
    let shared = plan.shared.iter().map(|bucket| bucket.standing(now_ns));
    of_key.chain(own).chain(shared).collect()
}

#[cfg(test)]
#[path = "admit_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "admit_model/mod.rs"]
mod model_tests;
