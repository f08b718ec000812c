//! What is counted of the fleet.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Counters of one run.
#[derive(Debug, Default)]
pub struct FleetCounters {
    pub(super) is_reached: AtomicBool,
    pub(super) answers: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) taken: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) by_share: AtomicU64,
    pub(super) without_room: AtomicU64,
}

/// What they say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FleetFigures {
    /// Whether Redis answered when it was last asked.
    pub is_reached: bool,
    /// Questions that it answered.
    pub answers: u64,
    /// Questions that it did not answer.
    pub failures: u64,
    /// Requests that were taken there.
    pub taken: u64,
    /// Requests that this gateway had taken and Redis did not know of any more.
    pub lost: u64,
    /// Requests that were judged by this gateway's share, because Redis did not answer.
    pub by_share: u64,
    /// Requests that were, because there was no room to tell their caller apart.
    pub without_room: u64,
}

impl FleetCounters {
    /// What they say now.
    #[must_use]
    pub fn figures(&self) -> FleetFigures {
        FleetFigures {
            is_reached: self.is_reached.load(Relaxed),
            answers: self.answers.load(Relaxed),
            failures: self.failures.load(Relaxed),
            taken: self.taken.load(Relaxed),
            lost: self.lost.load(Relaxed),
            by_share: self.by_share.load(Relaxed),
            without_room: self.without_room.load(Relaxed),
        }
    }
}

/// One more.
pub(super) fn one(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}
