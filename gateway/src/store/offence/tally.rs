//! How often callers offended, and what became of it.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Measure, OffenceKind, Offences};

/// Counted since the gateway has started.
#[derive(Debug, Default)]
pub(super) struct Tally {
    offences: [AtomicU64; OffenceKind::ALL.len()],
    taken: [AtomicU64; Measure::ALL.len()],
    monitored: [AtomicU64; Measure::ALL.len()],
    /// Sources for which a listener's table had no room.
    no_room: AtomicU64,
}

impl Offences {
    /// Counts what became of a request or a connection; of one that is only monitored apart.
    pub fn count(&self, measure: Measure, is_enforced: bool) {
        let tally = &self.0.tally;
        let counts = if is_enforced {
            &tally.taken
        } else {
            &tally.monitored
        };
        bump(counts, measure as usize);
    }

    pub(super) fn count_offence(&self, kind: OffenceKind) {
        bump(&self.0.tally.offences, kind as usize);
    }

    /// Counts a source that is not cut off, because a listener's table has no room for another one.
    pub fn count_no_room(&self) {
        self.0.tally.no_room.fetch_add(1, Ordering::Relaxed);
    }

    /// Sources that were not cut off, because a listener's table had no room for them.
    #[must_use]
    pub fn no_room(&self) -> u64 {
        self.0.tally.no_room.load(Ordering::Relaxed)
    }

    /// How often callers offended, by reason.
    pub fn offences(&self) -> impl Iterator<Item = (OffenceKind, u64)> {
        read(OffenceKind::ALL, &self.0.tally.offences)
    }

    /// What became of them, or would have where that is only monitored.
    pub fn taken(&self, is_enforced: bool) -> impl Iterator<Item = (Measure, u64)> {
        let tally = &self.0.tally;
        let counts = if is_enforced {
            &tally.taken
        } else {
            &tally.monitored
        };
        read(Measure::ALL, counts)
    }
}

fn bump(counts: &[AtomicU64], place: usize) {
    if let Some(count) = counts.get(place) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

fn read<K: Copy, const N: usize>(
    all: [K; N],
    counts: &[AtomicU64; N],
) -> impl Iterator<Item = (K, u64)> {
    let counts = counts.iter().map(|count| count.load(Ordering::Relaxed));
    all.into_iter().zip(counts)
}
