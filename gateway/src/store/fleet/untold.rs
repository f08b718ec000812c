//! What a gateway has admitted by its share, until Redis has been told.

use super::book::{by_share, units_of};
use super::terms::Terms;
use crate::clock;

/// Requests of one limit that Redis does not know of.
#[derive(Debug, Default)]
pub(super) struct Untold {
    /// Of a quota: requests in the period that `at` is in.
    count: u64,
    /// When the last of them was admitted, in seconds since 1970 by the clock that this gateway's own part of
    /// the quota goes by.
    at: u64,
    /// Of a bucket: when its share of the rate has paid for all of them, by the monotonic clock. Shares of all
    /// gateways owe at least what the bucket would.
    paid_ns: u64,
    /// The servers that are to be told.
    generation: u64,
}

/// What is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Telling {
    /// Requests that count still.
    pub(super) count: u64,
    /// Of a quota: a second in their period, since 1970.
    pub(super) at: u64,
}

/// Under what a request is admitted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) gateways: u32,
    pub(super) generation: u64,
    /// By the monotonic clock.
    pub(super) now_ns: u64,
}

impl Untold {
    /// Notes a request.
    pub(super) fn add(&mut self, terms: &Terms, moment: Moment) {
        if self.generation != moment.generation {
            *self = Self {
                generation: moment.generation,
                ..Self::default()
            };
        }
        match terms {
            Terms::Quota(quota) => {
                let now = clock::unix_seconds();
                if quota.period.number(now) != quota.period.number(self.at) {
                    self.count = 0;
                }
                self.at = now;
                self.count = self.count.saturating_add(1);
            }
            Terms::Bucket(bucket) => {
                let unit_ns = by_share(1, bucket, moment.gateways);
                self.paid_ns = self.paid_ns.max(moment.now_ns).saturating_add(unit_ns);
            }
        }
    }

    /// What there is to tell now.
    pub(super) fn telling(&self, terms: &Terms, moment: Moment) -> Telling {
        if self.generation != moment.generation {
            return Telling::default();
        }
        let count = match terms {
            Terms::Quota(_) => self.count,
            Terms::Bucket(bucket) => {
                let owing_ns = self.paid_ns.saturating_sub(moment.now_ns);
                units_of(owing_ns, bucket.unit_us * f64::from(moment.gateways))
            }
        };
        Telling { count, at: self.at }
    }

    /// Forgets so many, because they are told, or were given back.
    pub(super) fn forget(&mut self, count: u64, terms: &Terms, gateways: u32) {
        match terms {
            Terms::Quota(_) => self.count = self.count.saturating_sub(count),
            Terms::Bucket(bucket) => {
                let told_ns = by_share(count, bucket, gateways);
                self.paid_ns = self.paid_ns.saturating_sub(told_ns);
            }
        }
    }
}
