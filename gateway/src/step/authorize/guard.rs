//! How often an authorizer decides anew.
//!
//! What is remembered costs next to nothing. Whatever is not takes a verification or a call, so that
//! callers with made-up credentials could wear out the gateway or whom it asks: a guard refuses before
//! either, for each source and for all together.

use std::net::IpAddr;

use arrayvec::ArrayVec;

use crate::clock;
use crate::exchange::{Reason, Rejection};
use crate::model::Throttle;
use crate::step::attempt::{Attempt, Purpose};
use crate::store::bucket::{Buckets, source_value, yields_ns};
use crate::store::charge::{Account, CallerLimits, charge_all};
use crate::store::lease::SlotLease;

/// The buckets of one authorizer's guard.
#[derive(Debug, Default)]
pub struct GuardPlan {
    /// Of each source. Sources for whom the table has no room share the slot.
    pub source: Option<(SlotLease, Throttle)>,
    /// Of all together.
    pub total: Option<(SlotLease, Throttle)>,
}

impl GuardPlan {
    /// Charges a decision that is about to be made for `attempt`, to both buckets or to none. Whoever
    /// only explains is charged nothing.
    ///
    /// # Errors
    /// 429, with the seconds after which the same would be decided.
    pub fn charge(&self, attempt: &Attempt<'_>) -> Result<(), Rejection> {
        match attempt.asking.purpose {
            Purpose::Serve => {
                let (buckets, client) = (attempt.asking.buckets, attempt.exchange.client.0);
                self.charge_at(buckets, client, clock::monotonic_ns())
            }
            Purpose::Explain { .. } => Ok(()),
        }
    }

    fn charge_at(&self, buckets: &Buckets, client: IpAddr, now_ns: u64) -> Result<(), Rejection> {
        if self.source.is_none() && self.total.is_none() {
            return Ok(());
        }
        let value = source_value(client);
        let own = self.source.iter().map(|(lease, throttle)| {
            let limits = CallerLimits {
                own: &throttle.limit,
                overflow: &throttle.limit,
                is_monitored: throttle.is_monitored,
            };
            Account::of_one(buckets, lease, &value, limits, now_ns)
        });
        let total = self.total.iter();
        let total = total.map(|(lease, throttle)| Account::of_slot(lease, throttle));
        let accounts: ArrayVec<_, 2> = own.chain(total).collect();
        match charge_all(&accounts, now_ns) {
            Ok(_nothing_is_monitored) => Ok(()),
            Err(refused) => Err(Rejection {
                retry_after_seconds: Some(refused.retry_after_seconds()),
                ..Rejection::new(Reason::AuthorizerThrottled)
            }),
        }
    }

    /// What a source may owe by this limit to give way to another, in nanoseconds.
    #[must_use]
    pub fn yields_ns(&self) -> Option<u64> {
        let (_, throttle) = self.source.as_ref()?;
        Some(yields_ns(&throttle.limit))
    }

    /// Puts the limits in force, once the snapshot that holds this plan is.
    pub fn put_in_force(&self, now_ns: u64) {
        for (lease, throttle) in self.source.iter().chain(&self.total) {
            lease.put_in_force(&throttle.limit, now_ns);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gateway_common::limit::{Limit, Rate};

    use super::*;
    use crate::model::BucketTables;
    use crate::store::bucket::BootId;
    use crate::store::lease::SlotRegistry;

    const SECOND: u64 = 1_000_000_000;

    fn guard(source: Option<u64>, total: Option<u64>) -> (GuardPlan, Buckets, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("buckets");
        let (buckets, _) =
            Buckets::open_file(&path, BootId([7; 16]), BucketTables::default()).unwrap();
        let registry = Arc::new(SlotRegistry::new(buckets.clone()));
        let bucket = |tag, burst: Option<u64>| {
            let limit = Limit::new(Rate::per_second(1), burst?, 1).unwrap();
            let throttle = Throttle {
                limit,
                share: None,
                is_monitored: false,
            };
            Some((registry.lease(tag).unwrap(), throttle))
        };
        let plan = GuardPlan {
            source: bucket(1, source),
            total: bucket(2, total),
        };
        (plan, buckets, directory)
    }

    fn seconds(outcome: Result<(), Rejection>) -> Option<u64> {
        outcome.err()?.retry_after_seconds
    }

    #[test]
    fn each_source_has_its_own_and_all_have_one() {
        let (plan, buckets, _directory) = guard(Some(2), Some(3));
        let ask =
            |client: &str| seconds(plan.charge_at(&buckets, client.parse().unwrap(), 100 * SECOND));
        assert_eq!([ask("192.0.2.1"), ask("192.0.2.1")], [None, None]);
        assert_eq!(ask("192.0.2.1"), Some(1), "this source has had its own");
        assert_eq!(ask("2001:db8::1"), None);
        assert_eq!(ask("192.0.2.2"), Some(1), "all together have had theirs");
    }

    #[test]
    fn addresses_of_one_prefix_of_ipv6_are_one_source() {
        let (plan, buckets, _directory) = guard(Some(1), None);
        let ask =
            |client: &str| seconds(plan.charge_at(&buckets, client.parse().unwrap(), 100 * SECOND));
        assert_eq!(ask("2001:db8::1"), None);
        assert_eq!(ask("2001:db8::ffff:2"), Some(1));
        assert_eq!(ask("2001:db8:0:1::1"), None);
    }

    #[test]
    fn without_limits_everything_is_decided() {
        let (plan, buckets, _directory) = guard(None, None);
        for _ in 0..100 {
            let client = "192.0.2.1".parse().unwrap();
            assert_eq!(seconds(plan.charge_at(&buckets, client, SECOND)), None);
        }
    }
}
