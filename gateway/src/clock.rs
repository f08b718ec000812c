//! Wall and monotonic time, in one place.

use std::time::{Duration, SystemTime};

/// Nanoseconds of `CLOCK_MONOTONIC`, the clock of every bucket and of the kernel's
/// `bpf_ktime_get_ns`.
#[must_use]
pub fn monotonic_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let whole = u64::try_from(now.tv_sec).unwrap_or(0).saturating_mul(1_000_000_000);
    whole.saturating_add(u64::try_from(now.tv_nsec).unwrap_or(0))
}

/// Wall-clock time.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is where the wall clock is read")]
pub fn wall() -> SystemTime {
    SystemTime::now()
}

/// Whole seconds since 1970-01-01T00:00:00Z.
#[must_use]
pub fn unix_seconds() -> u64 {
    wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}
