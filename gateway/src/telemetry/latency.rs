//! How long requests took, counted in buckets.
//!
//! Every histogram of the gateway has the same buckets, so that any two can be held against each
//! other: a worker's, and those of a stage's base and its canary.

use std::sync::atomic::{AtomicU64, Ordering};

/// Upper bounds of the buckets, in microseconds; one more bucket is for whatever took longer.
pub const BOUNDS_US: [u64; 12] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 1_000_000, 10_000_000,
];

/// How many buckets there are.
pub const BUCKETS: usize = BOUNDS_US.len() + 1;

/// A histogram that several threads may add to.
#[derive(Debug, Default)]
pub struct Latency {
    buckets: [AtomicU64; BUCKETS],
    sum_ns: AtomicU64,
}

/// What a histogram held at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LatencyTotals {
    /// Requests in each bucket alone, not in those below.
    pub buckets: [u64; BUCKETS],
    /// Nanoseconds that they took together.
    pub sum_ns: u64,
}

impl Latency {
    /// Adds one request.
    pub fn record(&self, elapsed_ns: u64) {
        let slower_than = BOUNDS_US
            .iter()
            .filter(|&&bound| elapsed_ns > bound * 1_000)
            .count();
        if let Some(bucket) = self.buckets.get(slower_than) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_ns.fetch_add(elapsed_ns, Ordering::Relaxed);
    }

    /// What it holds now.
    #[must_use]
    pub fn totals(&self) -> LatencyTotals {
        LatencyTotals {
            buckets: self.buckets.each_ref().map(load),
            sum_ns: load(&self.sum_ns),
        }
    }
}

impl LatencyTotals {
    /// What several hold together.
    #[must_use]
    pub fn sum(all: impl Iterator<Item = Self>) -> Self {
        let mut whole = Self::default();
        for one in all {
            for (sum, bucket) in whole.buckets.iter_mut().zip(one.buckets) {
                *sum += bucket;
            }
            whole.sum_ns += one.sum_ns;
        }
        whole
    }

    /// Requests in all buckets.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_the_bucket_below_it() {
        let latency = Latency::default();
        for elapsed_us in [0, 250, 251, 10_000_000] {
            latency.record(elapsed_us * 1_000);
        }
        latency.record(10_000_000_001);
        let totals = latency.totals();
        let mut expected = [0; BUCKETS];
        (expected[0], expected[1], expected[11], expected[12]) = (2, 1, 1, 1);
        assert_eq!(totals.buckets, expected);
        assert_eq!(totals.sum_ns, 20_000_501_001);
        let both = LatencyTotals::sum([totals, totals].into_iter());
        assert_eq!((both.count(), both.sum_ns), (10, 2 * totals.sum_ns));
    }
}
