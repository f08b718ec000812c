//! May this address send another request now?
//!
//! This is asked before anybody is authorized, so that it also holds back those who never are. What is
//! charged here stays charged, whatever becomes of the request.

use super::bucket::{CallerBucket, Sender};
use crate::exchange::{Reason, Rejection};
use crate::store::bucket::Buckets;
use crate::store::charge::{Refused, charge_all};

/// The buckets of each source, each of which is charged for itself.
#[derive(Debug, Default)]
pub struct SourcePlan(pub Box<[CallerBucket]>);

impl SourcePlan {
    /// Puts the limits in force, once the snapshot that holds this plan is.
    pub fn put_in_force(&self, now_ns: u64) {
        for bucket in &self.0 {
            bucket.put_in_force(now_ns);
        }
    }
}

/// Charges one request at `now_ns` (monotonic). Gives what would have refused it if it were not only
/// monitored.
///
/// # Errors
/// A rejection with the seconds after which the same request alone would be admitted.
pub fn limit_source(
    plan: &SourcePlan,
    buckets: &Buckets,
    sender: &Sender<'_>,
    now_ns: u64,
) -> Result<Option<Reason>, Rejection> {
    let (mut refused, mut noted, mut throttled) = (None::<Refused>, None, None);
    for bucket in &plan.0 {
        let account = bucket.account(buckets, sender, now_ns);
        match charge_all(&[account], now_ns) {
            Ok(None) => {}
            Ok(Some(_)) => noted = Some(bucket.reason()),
            Err(this) => {
                refused = Some(refused.map_or(this, |earlier| earlier.longest(this)));
                throttled.get_or_insert_with(|| bucket.throttled(buckets, sender).into());
            }
        }
    }
    match refused {
        None => Ok(noted),
        Some(refused) => Err(Rejection {
            retry_after_seconds: Some(refused.retry_after_seconds()),
            throttled,
            ..Rejection::new(Reason::SourceThrottled)
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gateway_common::limit::{Limit, Rate};
    use http::HeaderMap;

    use super::*;
    use crate::model::{BucketTables, CallerKey, CallerThrottle};
    use crate::store::bucket::BootId;
    use crate::store::lease::SlotRegistry;

    const NOW_NS: u64 = 100_000_000_000;

    #[test]
    fn a_source_is_told_by_what_its_bucket_is_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("buckets");
        let (buckets, _) =
            Buckets::open_file(&path, BootId([7; 16]), BucketTables::default()).unwrap();
        let slots = Arc::new(SlotRegistry::new(buckets.clone()));
        let limit = Limit::new(Rate::per_second(1), 1, 1).unwrap();
        let plan = SourcePlan(Box::new([CallerBucket {
            throttle: CallerThrottle {
                key: CallerKey::Source,
                limit,
                share: None,
                overflow: limit,
                is_monitored: false,
            },
            parent: slots.lease(1).unwrap(),
            across: None,
        }]));
        let refused = |client: &str| {
            let sender = Sender {
                client: client.parse().unwrap(),
                headers: &HeaderMap::new(),
                caller: None,
                api_key: None,
            };
            let outcome = limit_source(&plan, &buckets, &sender, NOW_NS);
            outcome.err().map(|it| it.throttled.unwrap().caller)
        };
        assert_eq!(refused("2001:db8:1:2::1"), None);
        for address in ["2001:db8:1:2::1", "2001:db8:1:2:aaaa:bbbb:cccc:dddd"] {
            assert_eq!(refused(address).as_deref(), Some("2001:db8:1:2::/64"));
        }
        assert_eq!(refused("2001:db8:1:3::1"), None, "another source");
        assert_eq!(refused("192.0.2.1"), None);
        assert_eq!(refused("192.0.2.1").as_deref(), Some("192.0.2.1"));
    }
}
