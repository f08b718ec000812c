//! Two clocks: ends are kept in wall time, because they outlive a boot, and enforced in monotonic
//! time, because that is what the kernel reads.

use std::time::{Duration, SystemTime};

use gateway_common::list::NEVER;

/// One moment on both clocks.
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

    /// The moment that lies `time` ahead; `None` beyond what the wall clock can say.
    pub(super) fn after(&self, time: Duration) -> Option<Expiry> {
        let wall = self.wall.checked_add(time)?;
        Some(Expiry::at(wall, *self))
    }

    /// The monotonic form of a wall-clock moment; past ones are now.
    fn monotonic_of(&self, wall: SystemTime) -> u64 {
        let ahead = wall.duration_since(self.wall).unwrap_or(Duration::ZERO);
        let ahead = u64::try_from(ahead.as_nanos()).unwrap_or(u64::MAX);
        self.monotonic_ns.saturating_add(ahead)
    }
}

/// When something ends.
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

    /// Time left; zero where it is over.
    pub(super) const fn left(&self, now: Moment) -> Duration {
        Duration::from_nanos(self.monotonic_ns.saturating_sub(now.monotonic_ns))
    }

    /// Whether it has come.
    pub(super) const fn is_over(&self, now: Moment) -> bool {
        self.monotonic_ns <= now.monotonic_ns
    }
}

/// The end as the kernel's tables hold it; `None` is [`NEVER`].
pub(super) fn end_ns(expiry: Option<Expiry>) -> u64 {
    expiry.map_or(NEVER, |expiry| expiry.monotonic_ns)
}
