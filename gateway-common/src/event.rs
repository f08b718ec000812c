//! A sample of what was dropped, with its headers.
//!
//! Nobody pays for events that nobody reads: the control word says how densely drops are sampled
//! and until when, and whoever reads keeps moving that end. A reader that dies leaves a word whose
//! end passes by itself.

use crate::address::index;

/// Bytes of the frame that an event carries at most: Ethernet, four tags, IPv6 and TCP with
/// options fit.
pub const EVENT_BYTES: usize = 128;

/// One dropped frame, or one that monitored rules would have dropped.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// `CLOCK_MONOTONIC` (ns).
    pub time_ns: u64,
    /// Bytes of the whole frame.
    pub frame_bytes: u32,
    /// Bytes of it in [`Self::bytes`]; the rest is zero.
    pub captured_bytes: u32,
    /// Index of the interface it came in on.
    pub interface: u32,
    /// Listener, as in the endpoint table; zero for none.
    pub listener: u32,
    /// Number of the list that decided, where one did.
    pub list: u32,
    /// This event stands for so many drops on its CPU, this one included.
    pub stands_for: u32,
    /// [`crate::reason::Verdict`] by number.
    pub verdict: u8,
    /// [`crate::reason::Reason`] by number.
    pub reason: u8,
    /// [`crate::reason::Family`] by number.
    pub family: u8,
    /// Non-zero: the first drop of a source since the watch began, or since another source took
    /// its place among those remembered.
    pub is_new_offender: u8,
    /// Zero.
    pub reserved: u32,
    /// The start of the frame.
    pub bytes: [u8; EVENT_BYTES],
}

const _: () = assert!(size_of::<Event>() == 40 + EVENT_BYTES);

/// Bits of the control word that hold the sampling.
const SAMPLING_MASK: u64 = 0xff;

/// Sparsest sampling: one drop in `2^(SAMPLING_MAX - 1)`.
pub const SAMPLING_MAX: u8 = 25;

/// The control word ([`crate::settings::Control::events`]) of somebody who wants one drop in
/// `2^(sampling - 1)` until `end_ns` of `CLOCK_MONOTONIC`, which is kept to 256 ns.
#[must_use]
pub const fn watch(sampling: u8, end_ns: u64) -> u64 {
    self::end_ns(end_ns) | sampling as u64
}

/// Until when a control word holds, in ns of `CLOCK_MONOTONIC`.
#[inline(always)]
#[must_use]
pub const fn end_ns(word: u64) -> u64 {
    word & !SAMPLING_MASK
}

/// The sampling that a control word asks for at `now_ns`; zero: nobody watches.
#[inline(always)]
#[must_use]
pub const fn sampling(word: u64, now_ns: u64) -> u32 {
    if now_ns < end_ns(word) {
        (word & SAMPLING_MASK) as u32
    } else {
        0
    }
}

/// Sources that one CPU remembers having reported, as a power of two, direct-mapped.
pub const OFFENDER_BITS: u32 = 10;

/// What one CPU knows about its events. Whoever starts to watch clears it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampler {
    /// Second of `CLOCK_MONOTONIC` that [`Self::spent`] speaks of.
    pub second: u64,
    /// Events in that second, those that found no room included.
    pub spent: u32,
    /// Drops since the last event.
    pub since: u32,
    /// Tags of sources that were reported.
    pub offenders: [u64; 1 << OFFENDER_BITS],
}

/// What becomes of one drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// It is not sampled.
    No,
    /// It would be an event, but the second's budget is spent.
    Skipped,
    /// It is an event. One of the budget is spent, whether it finds room in the ring or not: a
    /// ring that nobody empties then costs no more than one that is read.
    Event {
        /// Its source has not been reported, or was displaced by another one since.
        is_new_offender: bool,
    },
}

impl Sampler {
    /// A sampler that has seen nothing.
    pub const EMPTY: Self = Self {
        second: 0,
        spent: 0,
        since: 0,
        offenders: [0; 1 << OFFENDER_BITS],
    };

    /// Notes a drop and says what becomes of it. `slot` is [`offender_slot`] of `tag`; `sampling`
    /// counts from one, see [`watch`].
    #[inline(always)]
    pub fn note(
        &mut self,
        (slot, tag): (u32, u64),
        sampling: u32,
        now_ns: u64,
        per_second: u32,
    ) -> Due {
        self.since = self.since.wrapping_add(1);
        let offender = self.offenders.get(slot as usize);
        let is_new_offender = offender.is_none_or(|known| *known != tag);
        let period_mask = (1 << (sampling.wrapping_sub(1) & 31)) - 1;
        if !is_new_offender && self.since & period_mask != 0 {
            return Due::No;
        }
        let second = now_ns / 1_000_000_000;
        if second != self.second {
            self.second = second;
            self.spent = 0;
        }
        if self.spent >= per_second {
            return Due::Skipped;
        }
        self.spent += 1;
        Due::Event { is_new_offender }
    }

    /// Notes that the drop just noted has become an event, and returns for how many drops it
    /// stands: all since the event before it.
    #[inline(always)]
    pub fn reported(&mut self, (slot, tag): (u32, u64)) -> u32 {
        if let Some(offender) = self.offenders.get_mut(slot as usize) {
            *offender = tag;
        }
        core::mem::take(&mut self.since)
    }
}

/// Where a sampler remembers a source.
#[inline(always)]
#[must_use]
pub const fn offender_slot(tag: u64, seed: u64) -> u32 {
    index(tag, seed, OFFENDER_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const KNOWN: (u32, u64) = (3, 77);

    #[test]
    fn a_watch_ends_by_itself() {
        let word = watch(3, 5 * SECOND);
        assert_eq!(sampling(word, 0), 3);
        assert_eq!(sampling(word, 5 * SECOND - 256), 3);
        assert_eq!(sampling(word, 5 * SECOND), 0);
        assert_eq!(sampling(0, 0), 0);
    }

    #[test]
    fn one_in_so_many_is_an_event_and_all_drops_are_accounted_for() {
        for sampling in 1..=6 {
            let mut sampler = Sampler::EMPTY;
            let (mut events, mut stood_for) = (0, 0);
            for _ in 0..640 {
                if let Due::Event { .. } = sampler.note(KNOWN, sampling, SECOND, u32::MAX) {
                    events += 1;
                    stood_for += sampler.reported(KNOWN);
                }
            }
            // The first is an event because its source is new; from then on one in each period.
            let period = 1 << (sampling - 1);
            assert_eq!(events, 1 + 639 / period);
            assert_eq!(stood_for + sampler.since, 640);
        }
    }

    #[test]
    fn every_new_source_is_an_event_until_the_budget_of_the_second_is_spent() {
        let mut sampler = Sampler::EMPTY;
        let source = |number: u32| (number, 1_000 + u64::from(number));
        let new = Due::Event {
            is_new_offender: true,
        };
        for number in 0..4 {
            assert_eq!(sampler.note(source(number), 25, SECOND, 4), new);
            assert_eq!(sampler.reported(source(number)), 1);
            assert_eq!(sampler.note(source(number), 25, SECOND, 4), Due::No);
            sampler.since = 0;
        }
        assert_eq!(sampler.note(source(9), 25, SECOND, 4), Due::Skipped);
        // Not reported, so it is still new in the next second.
        assert_eq!(sampler.note(source(9), 25, 2 * SECOND, 4), new);
        assert_eq!(sampler.reported(source(9)), 2);
    }

    #[test]
    fn a_full_ring_spends_the_budget_too() {
        let mut sampler = Sampler::EMPTY;
        let due: Vec<_> = (0..5).map(|_| sampler.note(KNOWN, 1, SECOND, 3)).collect();
        let lost = Due::Event {
            is_new_offender: true,
        };
        assert_eq!(due, [lost, lost, lost, Due::Skipped, Due::Skipped]);
    }
}
