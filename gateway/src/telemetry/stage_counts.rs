//! What one track of a stage has counted, its base or its canary beside it; or one route.

use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Arc, Weak};

use super::latency::{Latency, LatencyTotals};

/// Sets of counters, so that workers rarely share a cache line.
const SHARDS: usize = 8;

/// What one track of a stage counts, in all and over a window: since the stage serves what it serves
/// now. Base and canary change their windows together, so that one can be held against the other.
///
/// A request is counted once, in its window; what there is in all is the sum of the windows.
#[derive(Debug)]
pub struct StageCounts {
    since_unix_seconds: u64,
    window: Arc<Counts>,
    /// Windows before it in which requests may still end.
    open: Vec<Earlier>,
    /// What all other windows before it came to.
    closed: StageTotals,
}

/// A window before another one.
#[derive(Clone, Debug)]
struct Earlier {
    /// Gone with the last request that it serves.
    track: Weak<StageCounts>,
    counts: Arc<Counts>,
}

/// Counters of requests. They outlive snapshots.
#[derive(Debug, Default)]
pub struct Counts([Shard; SHARDS]);

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
    /// Of a track that is only there since then.
    #[must_use]
    pub fn begin(since_unix_seconds: u64) -> Self {
        Self {
            since_unix_seconds,
            window: Arc::default(),
            open: Vec::new(),
            closed: StageTotals::default(),
        }
    }

    /// Another window of the same track. What is counted by requests that the last one still serves
    /// is no part of it.
    #[must_use]
    pub fn next(self: &Arc<Self>, since_unix_seconds: u64) -> Self {
        let this = Earlier {
            track: Arc::downgrade(self),
            counts: Arc::clone(&self.window),
        };
        let earlier = self.open.iter().cloned().chain([this]);
        let (open, over): (Vec<_>, Vec<_>) =
            earlier.partition(|earlier| earlier.track.strong_count() > 0);
        // Pairs with the release of the last request's share: all that it counted is seen.
        fence(Ordering::Acquire);
        let over = over.iter().map(|earlier| earlier.counts.totals());
        Self {
            since_unix_seconds,
            window: Arc::default(),
            open,
            closed: StageTotals::sum(over.chain([self.closed])),
        }
    }

    /// Where its requests are counted.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.window
    }

    /// When its window began, in seconds since 1970.
    #[must_use]
    pub const fn since_unix_seconds(&self) -> u64 {
        self.since_unix_seconds
    }

    /// What was counted in its window.
    #[must_use]
    pub fn window(&self) -> StageTotals {
        self.window.totals()
    }

    /// What was counted in all its windows.
    #[must_use]
    pub fn totals(&self) -> StageTotals {
        let earlier = self.open.iter().map(|earlier| earlier.counts.totals());
        StageTotals::sum(earlier.chain([self.closed, self.window()]))
    }
}

impl StageTotals {
    /// What several came to together.
    fn sum(all: impl Iterator<Item = Self>) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            requests: sum.requests + one.requests,
            client_errors: sum.client_errors + one.client_errors,
            server_errors: sum.server_errors + one.server_errors,
            latency: LatencyTotals::sum([sum.latency, one.latency].into_iter()),
        })
    }
}

impl Counts {
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
        let counts = Counts::default();
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

    #[test]
    fn a_window_begins_at_nothing_and_the_total_goes_on() {
        let request = |stage: &StageCounts, worker, status, elapsed_ns| {
            stage.counts().request(worker, Some(status), elapsed_ns);
        };
        let first = Arc::new(StageCounts::begin(7));
        request(&first, 0, 500, 1);
        let second = Arc::new(first.next(9));
        request(&second, 1, 200, 2);
        // A request that began before it.
        request(&first, 2, 404, 3);
        let counted = |totals: StageTotals| {
            (
                totals.requests,
                totals.client_errors,
                totals.server_errors,
                totals.latency.sum_ns,
            )
        };
        assert_eq!(second.since_unix_seconds(), 9);
        assert_eq!(counted(second.window()), (1, 0, 0, 2));
        assert_eq!(counted(second.totals()), (3, 1, 1, 6));

        // What serves no request any more is added up, and nothing of it is kept or lost.
        drop(first);
        let third = Arc::new(second.next(11));
        assert_eq!((third.open.len(), third.closed.requests), (1, 2));
        request(&second, 3, 200, 4);
        drop(second);
        let fourth = third.next(13);
        request(&third, 4, 503, 5);
        request(&fourth, 5, 200, 6);
        assert_eq!((fourth.open.len(), fourth.closed.requests), (1, 4));
        assert_eq!(counted(fourth.window()), (1, 0, 0, 6));
        assert_eq!(counted(fourth.totals()), (6, 1, 2, 21));
    }
}
