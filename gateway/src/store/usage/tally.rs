//! What stands in one word of a cell: how many requests, and in which period. So a new period begins by
//! itself, whoever comes first, and no two workers can disagree about it.
//!
//! What becomes of a word is decided here, without writing. The clock of a host is set now and then. Where
//! it goes forward, periods begin that in truth have not. Where it goes back by less than [`STEP_BACK_MAX`],
//! the period goes on that had begun: to begin the one before again would give its quota twice. Where it goes
//! back farther it was wrong before, and what was counted then counts in the present period: the key neither
//! gets its quota anew nor waits for a time that is far away. Nobody is refused for the clock alone.

use std::cmp::Ordering;

use crate::model::{Day, Period};

/// Seconds by which the clock may step back within what it did before.
pub(super) const STEP_BACK_MAX: u64 = 3_600;

const COUNT_BITS: u32 = 40;
const NUMBER_BITS: u32 = 22;
/// Most that a word counts; more is not told from it.
pub(super) const COUNT_MAX: u64 = (1 << COUNT_BITS) - 1;
const NUMBER_MAX: u64 = (1 << NUMBER_BITS) - 1;

/// What a plan grants a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaTerms {
    /// Requests in a period, at most [`super::QUOTA_MAX`].
    pub limit: u64,
    /// Requests that are taken off in the period in which the key joined the plan, and in no other.
    pub offset: u64,
    /// How long a period is.
    pub period: Period,
    /// When the key joined the plan, in seconds since 1970.
    pub since: u64,
}

/// The key has no request left in this period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    /// Seconds until the period ends, at least 1.
    pub seconds: u64,
}

/// It is not known what periods the key's quota has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no request was counted against a quota of this key under this plan, so no period of it has begun \
     that something could be left of"
)]
pub struct NoPeriod;

/// One period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) period: Period,
    pub(super) number: u32,
}

/// What a word says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) stretch: Stretch,
    /// At most [`COUNT_MAX`].
    pub(super) count: u64,
}

/// What a quota says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// What was counted before it, in the period that it is in.
    pub(super) used: Tally,
    /// Requests that there may be in that.
    pub(super) bound: u64,
    /// Why there is none for it, if so.
    pub(super) exhausted: Option<Exhausted>,
}

impl Stretch {
    pub(super) fn of(period: Period, unix_seconds: u64) -> Self {
        let number = period.number(unix_seconds);
        Self { period, number }
    }

    /// The first second behind it.
    pub(super) fn end(self) -> u64 {
        self.period.numbered(self.number).end
    }

    /// Whether a clock that says `unix_seconds` may be in this one, which had begun, though it says less.
    fn goes_on(self, unix_seconds: u64) -> bool {
        let begin = self.period.numbered(self.number).begin;
        begin <= unix_seconds.saturating_add(STEP_BACK_MAX)
    }
}

impl Tally {
    pub(super) const fn new(stretch: Stretch, count: u64) -> Self {
        let count = if count < COUNT_MAX { count } else { COUNT_MAX };
        Self { stretch, count }
    }

    /// The one that a word says; `None` where nothing was counted.
    pub(super) fn read(word: u64) -> Option<Self> {
        let period = match word >> (COUNT_BITS + NUMBER_BITS) {
            1 => Period::Day,
            2 => Period::Week,
            3 => Period::Month,
            _ => return None,
        };
        let number = u32::try_from((word >> COUNT_BITS) & NUMBER_MAX).unwrap_or(0);
        Some(Self {
            stretch: Stretch { period, number },
            count: word & COUNT_MAX,
        })
    }

    /// The word that says this.
    pub(super) fn word(self) -> u64 {
        let period: u64 = match self.stretch.period {
            Period::Day => 1,
            Period::Week => 2,
            Period::Month => 3,
        };
        // The calendar ends before the numbers do.
        let number = u64::from(self.stretch.number).min(NUMBER_MAX);
        (period << (COUNT_BITS + NUMBER_BITS)) | (number << COUNT_BITS) | self.count
    }

    /// One more.
    pub(super) const fn more(self) -> Self {
        Self::new(self.stretch, self.count + 1)
    }

    /// One less.
    pub(super) const fn less(self) -> Self {
        Self::new(self.stretch, self.count.saturating_sub(1))
    }

    /// What has been counted in the period that `unix_seconds` is in, where `found` is what was counted
    /// last. A quota whose periods are changed begins with what was counted `today`, which is in whatever
    /// period is the present one.
    pub(super) fn at(
        found: Option<Self>,
        period: Period,
        today: impl FnOnce() -> u64,
        unix_seconds: u64,
    ) -> Self {
        let present = Stretch::of(period, unix_seconds);
        match found {
            Some(found) if found.stretch.period == period => {
                match found.stretch.number.cmp(&present.number) {
                    Ordering::Less => Self::new(present, 0),
                    Ordering::Equal => found,
                    Ordering::Greater if found.stretch.goes_on(unix_seconds) => found,
                    Ordering::Greater => Self::new(present, found.count),
                }
            }
            Some(_) | None => Self::new(present, today()),
        }
    }

    /// Whether it is what was counted on this day.
    pub(super) fn is_on(self, day: Day) -> bool {
        self.stretch == on_day(day, 0).stretch
    }

    /// Requests that there may be in its period: what an operator has `granted` for it, else what the
    /// terms say.
    pub(super) fn bound(self, granted: Option<Self>, terms: &QuotaTerms) -> u64 {
        match granted {
            Some(granted) if granted.stretch == self.stretch => granted.count,
            Some(_) | None => {
                let joined = || Stretch::of(terms.period, terms.since);
                let is_first = terms.offset > 0 && joined() == self.stretch;
                let offset = if is_first { terms.offset } else { 0 };
                terms.limit.saturating_sub(offset).min(COUNT_MAX)
            }
        }
    }
}

/// The day on which a request is counted: that of the clock, unless the last one goes on.
pub(super) fn day_at(last: Option<Tally>, unix_seconds: u64) -> Day {
    let today = Day::of(unix_seconds);
    match last {
        Some(last)
            if last.stretch.number > today.number() && last.stretch.goes_on(unix_seconds) =>
        {
            Day::numbered(last.stretch.number)
        }
        Some(_) | None => today,
    }
}

impl Asked {
    /// As [`Tally::at`], with what an operator has granted.
    pub(super) fn new(
        found: Option<Tally>,
        granted: Option<Tally>,
        today: impl FnOnce() -> u64,
        terms: &QuotaTerms,
        unix_seconds: u64,
    ) -> Self {
        let used = Tally::at(found, terms.period, today, unix_seconds);
        let bound = used.bound(granted, terms);
        let exhausted = (used.count >= bound).then(|| Exhausted {
            seconds: used.stretch.end().saturating_sub(unix_seconds).max(1),
        });
        Self {
            used,
            bound,
            exhausted,
        }
    }
}

/// What is counted on a day.
pub(super) const fn on_day(day: Day, count: u64) -> Tally {
    let stretch = Stretch {
        period: Period::Day,
        number: day.number(),
    };
    Tally::new(stretch, count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_word_says_what_was_written(
            number in 0..3_000_000_u32,
            count in 0..=COUNT_MAX,
            period in prop::sample::select(vec![Period::Day, Period::Week, Period::Month]),
        ) {
            let tally = Tally::new(Stretch { period, number }, count);
            prop_assert_eq!(Tally::read(tally.word()), Some(tally));
        }
    }

    #[test]
    fn words_have_room_for_every_day_and_twice_the_largest_quota() {
        assert!(u64::from(Day::of(u64::MAX).number()) < NUMBER_MAX);
        const { assert!(super::super::QUOTA_MAX * 2 <= COUNT_MAX) };
        assert_eq!(Tally::read(0), None);
        let full = on_day(Day::of(0), u64::MAX);
        assert_eq!((full.count, full.more()), (COUNT_MAX, full));
    }
}
