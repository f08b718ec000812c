//! The entries of the list, and what they come to.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use gateway_common::list::NEVER;

use crate::model::Prefix;

/// One moment on both clocks: expiries are kept in wall time, because they outlive a boot, and
/// enforced in monotonic time, because that is what the kernel reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Wall time.
    pub wall: SystemTime,
    /// `CLOCK_MONOTONIC` in nanoseconds.
    pub monotonic_ns: u64,
}

impl Moment {
    /// The present.
    #[must_use]
    pub fn now() -> Self {
        use rustix::time::{ClockId, Timespec, clock_gettime};
        let since_start = |Timespec { tv_sec, tv_nsec }: Timespec| {
            let seconds = u64::try_from(tv_sec).unwrap_or(0);
            Duration::new(seconds, u32::try_from(tv_nsec).unwrap_or(0))
        };
        let wall = since_start(clock_gettime(ClockId::Realtime));
        let monotonic = since_start(clock_gettime(ClockId::Monotonic));
        Self {
            wall: SystemTime::UNIX_EPOCH + wall,
            monotonic_ns: u64::try_from(monotonic.as_nanos()).unwrap_or(u64::MAX),
        }
    }

    /// The monotonic form of a wall-clock moment; past ones are now.
    fn monotonic_of(&self, wall: SystemTime) -> u64 {
        let ahead = wall.duration_since(self.wall).unwrap_or(Duration::ZERO);
        let ahead = u64::try_from(ahead.as_nanos()).unwrap_or(u64::MAX);
        self.monotonic_ns.saturating_add(ahead)
    }
}

/// When an entry ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expiry {
    /// As saved.
    pub(super) wall: SystemTime,
    /// As enforced.
    pub(super) monotonic_ns: u64,
}

impl Expiry {
    pub(super) fn at(wall: SystemTime, now: Moment) -> Self {
        Self {
            wall,
            monotonic_ns: now.monotonic_of(wall),
        }
    }
}

/// The list: each prefix with its end, `None` for none.
pub(super) type Entries = BTreeMap<Prefix, Option<Expiry>>;

/// A prefix with the moment of `CLOCK_MONOTONIC` (ns) up to which it denies: the latest of its own
/// end and the ends of all prefixes that cover it. [`NEVER`] for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EffectiveEntry {
    /// The prefix.
    pub prefix: Prefix,
    /// Its effective end.
    pub expires_ns: u64,
}

/// Every entry with its effective end, in the order of the prefixes, covering ones first.
pub(super) fn effective(entries: &Entries) -> Vec<EffectiveEntry> {
    let mut covering: Vec<EffectiveEntry> = Vec::new();
    entries
        .iter()
        .map(|(&prefix, expiry)| {
            while covering
                .last()
                .is_some_and(|last| !last.prefix.covers(&prefix))
            {
                covering.pop();
            }
            let own = expiry.map_or(NEVER, |expiry| expiry.monotonic_ns);
            let inherited = covering.last().map_or(0, |last| last.expires_ns);
            let entry = EffectiveEntry {
                prefix,
                expires_ns: own.max(inherited),
            };
            covering.push(entry);
            entry
        })
        .collect()
}
