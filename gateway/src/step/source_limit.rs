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
