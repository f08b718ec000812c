//! Wall and monotonic time, in one place.
//!
//! Wall time judges what the outside world dated: a token's `exp`, a log record. Monotonic time
//! judges what this host measures: buckets and list entries, which the kernel reads against the
//! same clock. Nothing else in this crate asks the system for the time, so a test that injects a
//! [`Clock`] decides what time it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of `CLOCK_MONOTONIC`, which is what `bpf_ktime_get_ns` returns.
#[must_use]
pub fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    // Both fields of a monotonic time are non-negative, and the sum passes 2^64 after 584 years.
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(nanoseconds)
}

/// The system's wall time.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads wall time"
)]
pub fn wall() -> SystemTime {
    SystemTime::now()
}

/// Whole seconds since 1970 of the system's wall time; 0 on a host whose clock stands before it.
#[must_use]
pub fn unix_seconds() -> u64 {
    wall()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// A clock that can be handed to what needs one: the system's, or one that stands until it is
/// moved.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    source: Source,
}

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    Manual(Arc<Manual>),
}

#[derive(Debug)]
struct Manual {
    wall_ns: AtomicU64,
    monotonic_ns: AtomicU64,
}

impl Clock {
    /// The system's clocks.
    #[must_use]
    pub const fn system() -> Self {
        Self {
            source: Source::System,
        }
    }

    /// A clock that stands at `unix_seconds`, with its monotonic side at 1 s, until
    /// [`Clock::advance`] moves it. Clones share the time.
    #[must_use]
    pub fn manual(unix_seconds: u64) -> Self {
        Self {
            source: Source::Manual(Arc::new(Manual {
                wall_ns: AtomicU64::new(unix_seconds.saturating_mul(1_000_000_000)),
                monotonic_ns: AtomicU64::new(1_000_000_000),
            })),
        }
    }

    /// Moves both sides of a manual clock forward; the system's clock is not ours to move and
    /// stays.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(manual) = &self.source {
            let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
            manual.wall_ns.fetch_add(by, Ordering::AcqRel);
            manual.monotonic_ns.fetch_add(by, Ordering::AcqRel);
        }
    }

    /// As [`wall`].
    #[must_use]
    pub fn wall(&self) -> SystemTime {
        match &self.source {
            Source::System => wall(),
            Source::Manual(manual) => {
                UNIX_EPOCH + Duration::from_nanos(manual.wall_ns.load(Ordering::Acquire))
            }
        }
    }

    /// As [`unix_seconds`].
    #[must_use]
    pub fn unix_seconds(&self) -> u64 {
        self.wall()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs())
    }

    /// As [`monotonic_ns`].
    #[must_use]
    pub fn monotonic_ns(&self) -> u64 {
        match &self.source {
            Source::System => monotonic_ns(),
            Source::Manual(manual) => manual.monotonic_ns.load(Ordering::Acquire),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotonic_time_is_the_kernels_and_never_goes_back() {
        let uptime: f64 = std::fs::read_to_string("/proc/uptime")
            .expect("Linux has /proc/uptime")
            .split(' ')
            .next()
            .and_then(|text| text.parse().ok())
            .expect("its first field is a number");
        let first = monotonic_ns();
        let second = monotonic_ns();
        assert!(second >= first && first > 0);
        // /proc/uptime counts suspended time too, so it can only be larger than what we read.
        assert!(Duration::from_nanos(first).as_secs_f64() <= uptime + 1.0);
    }

    #[test]
    fn a_manual_clock_moves_only_when_told_and_for_all_clones() {
        let clock = Clock::manual(1_700_000_000);
        let other = clock.clone();
        assert_eq!(other.unix_seconds(), 1_700_000_000);
        clock.advance(Duration::from_millis(1_500));
        assert_eq!(other.unix_seconds(), 1_700_000_001);
        assert_eq!(other.monotonic_ns(), 2_500_000_000);
    }

    #[test]
    fn the_system_clock_is_in_this_century() {
        assert!(Clock::system().unix_seconds() > 1_700_000_000);
    }
}
