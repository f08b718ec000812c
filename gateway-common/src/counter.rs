//! Statistics: packets and bytes per verdict, reason and family, per CPU.

use crate::capacity::RULES_COUNT;
use crate::reason::{FAMILY_COUNT, Family, REASON_CAPACITY, Reason, VERDICT_COUNT, Verdict};

/// One cell of the statistics on one CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// Packets.
    pub packets: u64,
    /// Bytes, Ethernet header included.
    pub bytes: u64,
}

/// Cells in the statistics map.
pub const COUNTER_COUNT: usize = VERDICT_COUNT * REASON_CAPACITY * FAMILY_COUNT;

/// The cell of a verdict, reason and family; always below [`COUNTER_COUNT`].
#[inline(always)]
#[must_use]
pub const fn counter_index(verdict: Verdict, reason: Reason, family: Family) -> u32 {
    let row = verdict as u32 * REASON_CAPACITY as u32 + reason as u32;
    row * FAMILY_COUNT as u32 + family as u32
}

/// Cells in the statistics of the listeners.
pub const LISTENER_COUNTER_COUNT: usize = RULES_COUNT * VERDICT_COUNT;

/// The cell of a listener, by its number in the endpoint table, and a verdict.
#[inline(always)]
#[must_use]
pub const fn listener_counter_index(listener: u32, verdict: Verdict) -> u32 {
    listener * VERDICT_COUNT as u32 + verdict as u32
}

/// Things worth counting that are not verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Incident {
    /// A charge lost its races and was paid by addition.
    RacesLost = 0,
    /// A source found its line full and its aggregate was charged.
    LineFull = 1,
    /// A map lookup failed that cannot fail.
    MapFailed = 2,
    /// An event was due and found no room in the ring.
    EventLost = 3,
    /// An event was due and the second's budget was spent.
    EventSkipped = 4,
    /// A SYN cookie could not be made, and the SYN was dropped.
    CookieFailed = 5,
}

impl Incident {
    /// Every incident, in the order of the counters.
    pub const ALL: &'static [Self] = &[
        Self::RacesLost,
        Self::LineFull,
        Self::MapFailed,
        Self::EventLost,
        Self::EventSkipped,
        Self::CookieFailed,
    ];

    /// The name in statistics, metrics and documentation.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RacesLost => "races_lost",
            Self::LineFull => "line_full",
            Self::MapFailed => "map_failed",
            Self::EventLost => "event_lost",
            Self::EventSkipped => "event_skipped",
            Self::CookieFailed => "cookie_failed",
        }
    }
}

/// Room for incidents in the map.
pub const INCIDENT_CAPACITY: usize = 16;

/// The time of one CPU, refreshed once per tick.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TickClock {
    /// `jiffies64` at the last refresh.
    pub jiffies: u64,
    /// `CLOCK_MONOTONIC` (ns) at the last refresh.
    pub now_ns: u64,
}
