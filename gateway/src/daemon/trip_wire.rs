//! How many new connections make an attack.
//!
//! The wire trips when the SYNs of one second reach the threshold, and stays tripped until `hold`
//! after the last such second. A second is any second, not one of a calendar: readings of the last
//! second are kept, and the newest is held against the oldest.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::UnderAttack;

/// One second, in nanoseconds.
const SECOND_NS: u64 = 1_000_000_000;
/// Readings kept, so that a caller in a hurry costs no memory.
const READINGS_MAX: usize = 64;

/// The trip-wire.
#[derive(Debug)]
pub(super) struct TripWire {
    threshold: Option<u32>,
    hold_ns: u64,
    /// Moments (ns) with the SYNs counted up to then, oldest first.
    readings: VecDeque<(u64, u64)>,
    tripped_until_ns: Option<u64>,
}

impl TripWire {
    pub(super) fn new(rules: &UnderAttack) -> Self {
        let mut wire = Self {
            threshold: None,
            hold_ns: 0,
            readings: VecDeque::new(),
            tripped_until_ns: None,
        };
        wire.follow(rules);
        wire
    }

    /// Follows a reload. A wire without threshold is not tripped.
    pub(super) fn follow(&mut self, rules: &UnderAttack) {
        self.threshold = rules.syns_per_second;
        self.hold_ns = u64::try_from(rules.hold.as_nanos()).unwrap_or(u64::MAX);
        if self.threshold.is_none() {
            self.tripped_until_ns = None;
        }
    }

    pub(super) const fn threshold(&self) -> Option<u32> {
        self.threshold
    }

    /// Trips as a full second of SYNs would, for a gateway that comes back under attack.
    pub(super) fn trip(&mut self, now_ns: u64) {
        if self.threshold.is_some() {
            self.tripped_until_ns = Some(now_ns.saturating_add(self.hold_ns));
        }
    }

    /// Takes the SYNs counted up to now, and returns those of the last second. Where readings are
    /// more than a second apart, it is their average.
    pub(super) fn observe(&mut self, now_ns: u64, syns: u64) -> u64 {
        let horizon = now_ns.saturating_sub(SECOND_NS);
        // One reading is always kept to compare with.
        while self.readings.len() > 1
            && (self.readings.len() > READINGS_MAX
                || self.readings.front().is_some_and(|&(at, _)| at < horizon))
        {
            self.readings.pop_front();
        }
        let last_second = self.readings.front().map_or(0, |&(at, before)| {
            let counted = syns.saturating_sub(before);
            match now_ns.saturating_sub(at) {
                elapsed if elapsed > SECOND_NS => {
                    let average = u128::from(counted) * u128::from(SECOND_NS) / u128::from(elapsed);
                    u64::try_from(average).unwrap_or(u64::MAX)
                }
                _ => counted,
            }
        });
        self.readings.push_back((now_ns, syns));
        if self
            .threshold
            .is_some_and(|threshold| last_second >= u64::from(threshold))
        {
            self.trip(now_ns);
        }
        last_second
    }

    pub(super) fn is_tripped(&self, now_ns: u64) -> bool {
        self.tripped_until_ns.is_some_and(|until| now_ns < until)
    }

    /// How long it stays tripped if no second trips it again.
    pub(super) fn held_for(&self, now_ns: u64) -> Option<Duration> {
        let until = self.tripped_until_ns.filter(|&until| now_ns < until)?;
        Some(Duration::from_nanos(until - now_ns))
    }
}

#[cfg(test)]
mod tests {
    use gateway_common::limit::Limit;

    use super::*;
    use crate::model::SharedRate;

    const TENTH: u64 = SECOND_NS / 10;

    fn rules(syns_per_second: Option<u32>, hold: Duration) -> UnderAttack {
        let rate = SharedRate {
            limit: Limit::OFF,
            rate_micro_per_second: 0,
            burst: 0,
        };
        UnderAttack {
            syns_per_second,
            hold,
            newcomer_connections: rate,
            newcomer_packets: rate,
            vouch_for: Duration::ZERO,
            syn_cookies: false,
        }
    }

    fn wire(threshold: u32) -> TripWire {
        TripWire::new(&rules(Some(threshold), Duration::from_secs(60)))
    }

    /// The moment at which a wire trips that sees so many SYNs every 100 ms, within ten seconds.
    fn trips_after(threshold: u32, per_tenth: u64) -> Option<u64> {
        let mut wire = wire(threshold);
        (0..100).map(|step| step * TENTH).find(|&now| {
            // The counters do not start at zero.
            wire.observe(now + SECOND_NS, 5_000_000 + now / TENTH * per_tenth);
            wire.is_tripped(now + SECOND_NS)
        })
    }

    #[test]
    fn trips_when_one_second_has_as_many_as_the_threshold() {
        assert_eq!(trips_after(1_000, 99), None);
        assert_eq!(trips_after(1_000, 100), Some(10 * TENTH));
        assert_eq!(trips_after(1_000, 500), Some(2 * TENTH));
        // A flood of ten times the threshold trips it with the first reading that shows it.
        assert_eq!(trips_after(1_000, 1_000), Some(TENTH));
    }

    #[test]
    fn a_second_may_begin_anywhere() {
        let mut wire = wire(1_000);
        let mut syns = 0;
        // Five hundred at the end of one calendar second and five hundred at the start of the next.
        for step in 0..30 {
            syns += match step {
                8..=11 => 250,
                _ => 0,
            };
            wire.observe(step * TENTH, syns);
            assert_eq!(wire.is_tripped(step * TENTH), step >= 11, "{step}");
        }
    }

    #[test]
    fn stays_tripped_until_hold_after_the_last_such_second() {
        let mut wire = wire(1_000);
        wire.observe(0, 0);
        wire.observe(TENTH, 1_000);
        // The same second is still at the threshold while it holds those thousand.
        for step in 2..=10 {
            assert_eq!(wire.observe(step * TENTH, 1_000), 1_000, "{step}");
        }
        assert_eq!(wire.observe(11 * TENTH, 1_000), 0);
        let end = 10 * TENTH + 60 * SECOND_NS;
        assert!(wire.is_tripped(end - 1));
        assert_eq!(wire.held_for(end - 7), Some(Duration::from_nanos(7)));
        assert!(!wire.is_tripped(end));
        assert_eq!(wire.held_for(end), None);
    }

    #[test]
    fn readings_far_apart_are_averaged() {
        let mut wire = wire(1_000);
        wire.observe(0, 0);
        assert_eq!(wire.observe(5 * SECOND_NS, 4_995), 999);
        assert!(!wire.is_tripped(5 * SECOND_NS));
        assert_eq!(wire.observe(10 * SECOND_NS, 9_995), 1_000);
        assert!(wire.is_tripped(10 * SECOND_NS));
    }

    #[test]
    fn counters_that_start_afresh_trip_nothing() {
        let mut wire = wire(10);
        wire.observe(0, 1_000_000);
        assert_eq!(wire.observe(TENTH, 5), 0);
        assert!(!wire.is_tripped(TENTH));
    }

    #[test]
    fn a_wire_without_threshold_never_trips() {
        let mut wire = wire(10);
        wire.trip(0);
        assert!(wire.is_tripped(1));
        wire.follow(&rules(None, Duration::from_secs(60)));
        assert!(!wire.is_tripped(1));
        wire.trip(1);
        wire.observe(2, 0);
        assert_eq!(wire.observe(TENTH, 1_000_000), 1_000_000);
        assert!(!wire.is_tripped(TENTH));
    }
}
