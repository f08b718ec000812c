//! What a gateway has taken of one limit, which is what Redis is told with every question.

use super::question::{Given, Had};
use super::terms::{BucketTerms, Terms};
use super::untold::Moment;

/// How long it counts what was taken of a quota. Redis keeps its side twice as long.
const QUOTA_REMEMBERED_NS: u64 = 3_600 * 1_000_000_000;

/// What was taken and not given back.
#[derive(Debug, Default)]
pub(super) struct Book {
    count: u64,
    /// Of a bucket: when this gateway's share of the rate will have paid for all of it, by this host's monotonic
    /// clock. So what all gateways owe is together at least what the bucket does.
    paid_ns: u64,
    /// Of a quota: the period that it was taken in.
    period: u64,
    /// When the last answer came; `None` before the first one.
    answered_ns: Option<u64>,
    /// The settings under which that was.
    generation: u64,
}

impl Book {
    /// What counts at `now_ns`. What was taken so long ago that a bucket is full again does not: Redis may
    /// have forgotten it rightly.
    pub(super) fn had(&self, terms: &Terms, moment: Moment) -> Option<Had> {
        let remembered_ns = match terms {
            Terms::Bucket(bucket) => bucket.refill_ns,
            Terms::Quota(_) => QUOTA_REMEMBERED_NS,
        };
        let age_ns = moment.now_ns.saturating_sub(self.answered_ns?);
        let counts = age_ns < remembered_ns && self.generation == moment.generation;
        counts.then(|| Had {
            count: self.count,
            owing: match terms {
                Terms::Bucket(bucket) => {
                    let owing_ns = self.paid_ns.saturating_sub(moment.now_ns);
                    let owing = units_of(owing_ns, bucket.unit_us * f64::from(moment.gateways));
                    owing.min(bucket.burst)
                }
                Terms::Quota(_) => 0,
            },
            period: self.period,
        })
    }

    /// Notes that so many were not used.
    pub(super) fn give_back(&mut self, unused: u64, terms: &Terms, gateways: u32) {
        self.count = self.count.saturating_sub(unused);
        if let Terms::Bucket(bucket) = terms {
            let unused_ns = by_share(unused, bucket, gateways);
            self.paid_ns = self.paid_ns.saturating_sub(unused_ns);
        }
    }

    /// Notes the answer to a question that said `had`, with which so many were taken. Whether it is of another
    /// period.
    pub(super) fn settle(
        &mut self,
        had: Option<Had>,
        (taken, given): (u64, &Given),
        terms: &Terms,
        moment: Moment,
    ) -> bool {
        let is_other = given.period != self.period;
        let before = had.filter(|_| !is_other).map_or(0, |had| had.count);
        self.count = before.saturating_add(taken);
        self.period = given.period;
        self.answered_ns = Some(moment.now_ns);
        self.generation = moment.generation;
        if let Terms::Bucket(bucket) = terms {
            let begun = self.paid_ns.max(moment.now_ns);
            let paid_ns = begun.saturating_add(by_share(taken, bucket, moment.gateways));
            // Whoever takes more than its share would owe ever more; nobody owes more than there was.
            let all = by_share(bucket.burst, bucket, moment.gateways);
            self.paid_ns = paid_ns.min(moment.now_ns.saturating_add(all));
        }
        is_other
    }
}

/// Nanoseconds in which this gateway's share of the rate pays for so many.
pub(super) fn by_share(units: u64, bucket: &BucketTerms, gateways: u32) -> u64 {
    ns_of(units.saturating_mul(gateways.into()), bucket.unit_us)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "never negative, a cast that is too large saturates, and a nanosecond more or less is no request"
)]
fn ns_of(units: u64, unit_us: f64) -> u64 {
    (units as f64 * unit_us * 1e3).ceil() as u64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "as above"
)]
pub(super) fn units_of(ns: u64, unit_us: f64) -> u64 {
    (ns as f64 / (unit_us * 1e3)).ceil() as u64
}
