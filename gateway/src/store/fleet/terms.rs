//! What a limit says, as Redis is asked about it.

use std::time::Duration;

use gateway_common::limit::Limit;

use crate::store::usage::QuotaTerms;

/// What a limit says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Terms {
    /// A rate and a burst.
    Bucket(BucketTerms),
    /// So many in a period.
    Quota(QuotaTerms),
}

/// A bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BucketTerms {
    /// Microseconds that one request costs.
    pub(super) unit_us: f64,
    /// Requests that it admits at once.
    pub(super) burst: u64,
    /// Nanoseconds in which an empty one is full again.
    pub(super) refill_ns: u64,
}

/// Units by which the cost of one is found, so that its rounding does not count.
const SAMPLE: u32 = 1_000;

/// Parts of a quota that gateways take at once, and the most requests of a part.
const QUOTA_PARTS: u64 = 1_000;
const QUOTA_LEASE_MAX: u64 = 1_000;

impl BucketTerms {
    /// Of a limit that admits something.
    #[must_use]
    pub fn new(limit: &Limit) -> Self {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a share of 10^-15 more or less is no request in a year"
        )]
        let sample_ns = limit.increment(SAMPLE.into()) as f64;
        Self {
            unit_us: sample_ns / f64::from(SAMPLE) / 1_000.0,
            burst: limit.tolerance_ns / limit.increment(1).max(1),
            refill_ns: limit.tolerance_ns,
        }
    }
}

impl Terms {
    /// Requests that a gateway takes at once, at least 1: of a bucket what it refills in `lease`, at most its
    /// burst; of a quota a thousandth, at most 1,000.
    #[must_use]
    pub fn lease(&self, lease: Duration) -> u64 {
        match self {
            Self::Bucket(bucket) => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "not negative, and a cast that is too large saturates"
                )]
                let refilled = (lease.as_secs_f64() * 1e6 / bucket.unit_us) as u64;
                refilled.clamp(1, bucket.burst.max(1))
            }
            Self::Quota(quota) => (quota.limit / QUOTA_PARTS).clamp(1, QUOTA_LEASE_MAX),
        }
    }

    /// Requests that nobody has used yet, where nothing is known.
    pub(super) const fn all(&self) -> u64 {
        match self {
            Self::Bucket(bucket) => bucket.burst,
            Self::Quota(quota) => quota.limit,
        }
    }
}
