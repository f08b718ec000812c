//! What one track of a stage has counted: its base, or its canary beside it.

use std::sync::atomic::{AtomicU64, Ordering};

use super::latency::{Latency, LatencyTotals};

/// Sets of counters, so that workers rarely share a cache line.
const SHARDS: usize = 8;

/// Counters of one track of a stage. They outlive snapshots.
#[derive(Debug, Default)]
pub struct StageCounts([Shard; SHARDS]);

#[derive(Debug, Default)]
#[repr(align(64))]
struct Shard {
    requests: AtomicU64,
    client_errors: AtomicU64,
    server_errors: AtomicU64,
    latency: Latency,
}

/// What was counted up to a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageTotals {
    /// Requests that ended.
    pub requests: u64,
    /// Of those, answered with a status of 400 to 499.
    pub client_errors: u64,
    /// Of those, answered with a status of 500 to 599.
    pub server_errors: u64,
    /// How long they took, from head to last byte.
    pub latency: LatencyTotals,
}

impl StageCounts {
    /// Counts a request at its end, on the worker of this number.
    pub fn request(&self, worker: usize, status: Option<u16>, elapsed_ns: u64) {
        let Some(shard) = self.0.get(worker % SHARDS) else {
            return;
        };
        shard.requests.fetch_add(1, Ordering::Relaxed);
        match status {
            Some(400..=499) => shard.client_errors.fetch_add(1, Ordering::Relaxed),
            Some(500..=599) => shard.server_errors.fetch_add(1, Ordering::Relaxed),
            Some(_) | None => 0,
        };
        shard.latency.record(elapsed_ns);
    }

    /// Everything counted so far.
    #[must_use]
    pub fn totals(&self) -> StageTotals {
        let sum = |counter: fn(&Shard) -> &AtomicU64| {
            let shards = self.0.iter();
            shards.map(|it| counter(it).load(Ordering::Relaxed)).sum()
        };
        StageTotals {
            requests: sum(|shard| &shard.requests),
            client_errors: sum(|shard| &shard.client_errors),
            server_errors: sum(|shard| &shard.server_errors),
            latency: LatencyTotals::sum(self.0.iter().map(|shard| shard.latency.totals())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_told_apart_and_workers_added_up() {
        let counts = StageCounts::default();
        for (worker, status) in [
            (0, Some(200)),
            (1, Some(404)),
            (9, Some(429)),
            (2, Some(502)),
            (3, None),
        ] {
            counts.request(worker, status, 2_000_000);
        }
        let totals = counts.totals();
        let counted = (totals.requests, totals.client_errors, totals.server_errors);
        assert_eq!(counted, (5, 2, 1));
        assert_eq!(
            (totals.latency.count(), totals.latency.sum_ns),
            (5, 10_000_000)
        );
    }
}
