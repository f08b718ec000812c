//! What a gateway has taken of one limit, which is what Redis is told with every question.

use super::question::{Given, Had};
use super::terms::Terms;

/// How long it counts what was taken of a quota. Redis keeps its side twice as long.
const QUOTA_REMEMBERED_NS: u64 = 3_600 * 1_000_000_000;

/// What was taken and not given back.
#[derive(Debug, Default)]
pub(super) struct Book {
    count: u64,
    /// Of a bucket: when all of it will have been paid for, by this host's monotonic clock.
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
    pub(super) fn had(&self, terms: &Terms, generation: u64, now_ns: u64) -> Option<Had> {
        let remembered_ns = match terms {
            Terms::Bucket(bucket) => bucket.refill_ns,
            Terms::Quota(_) => QUOTA_REMEMBERED_NS,
        };
        let age_ns = now_ns.saturating_sub(self.answered_ns?);
        let counts = age_ns < remembered_ns && self.generation == generation;
        counts.then(|| Had {
            count: self.count,
            owing: match terms {
                Terms::Bucket(bucket) => {
                    units_of(self.paid_ns.saturating_sub(now_ns), bucket.unit_us)
                }
                Terms::Quota(_) => 0,
            },
            period: self.period,
        })
    }

    /// Notes that so many were not used.
    pub(super) fn give_back(&mut self, unused: u64, terms: &Terms) {
        self.count = self.count.saturating_sub(unused);
        if let Terms::Bucket(bucket) = terms {
            let unused_ns = ns_of(unused, bucket.unit_us);
            self.paid_ns = self.paid_ns.saturating_sub(unused_ns);
        }
    }

    /// Notes the answer to a question that said `had`. Whether it is of another period.
    pub(super) fn settle(
        &mut self,
        had: Option<Had>,
        (spent, given): (u64, &Given),
        terms: &Terms,
        (generation, now_ns): (u64, u64),
    ) -> bool {
        let is_other = given.period != self.period;
        let before = had.filter(|_| !is_other).map_or(0, |had| had.count);
        let taken = spent.saturating_add(given.given);
        self.count = before.saturating_add(taken);
        self.period = given.period;
        self.answered_ns = Some(now_ns);
        self.generation = generation;
        if let Terms::Bucket(bucket) = terms {
            let taken_ns = ns_of(taken, bucket.unit_us);
            self.paid_ns = self.paid_ns.max(now_ns).saturating_add(taken_ns);
        }
        is_other
    }
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
fn units_of(ns: u64, unit_us: f64) -> u64 {
    (ns as f64 / (unit_us * 1e3)).ceil() as u64
}
