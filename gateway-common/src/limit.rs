//! The token bucket as one word: the Generic Cell Rate Algorithm.
//!
//! State is a single *theoretical arrival time* (TAT, nanoseconds of `CLOCK_MONOTONIC`): the
//! moment at which everything admitted so far will have been paid for at the configured rate. A
//! charge at `now` starts from `max(TAT, now)`, adds the increment of its cost, and is refused if
//! that lies more than the tolerance in the future. A refusal writes nothing, so rejected callers
//! recover at the same moment as silent ones. From idle exactly `burst` units pass back to back,
//! then one per increment.
//!
//! The same functions run in the kernel, in the daemon and in the tests.

use crate::word::Word;

/// Debt beyond a full bucket that is honoured, in nanoseconds. A TAT further ahead than tolerance
/// plus this is read as exactly that far, so that no clock fault bans anybody for hours.
pub const DEBT_NS_MAX: u64 = 600 * 1_000_000_000;

/// The largest cost of one charge; a packet length fits.
pub const COST_MAX: u64 = u16::MAX as u64;

/// Races that the kernel side loses before it admits and charges by plain addition.
const KERNEL_RACES_MAX: u32 = 2;

/// A rate and a burst, compiled to what both sides compute with.
///
/// The all-zero value means *no limit*. The increment of a cost is
/// `ceil(cost * multiplier / 2^shift)` nanoseconds: never rounded down, never zero.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limit {
    /// Nanoseconds per unit, scaled by `2^shift`; below `2^47`. Zero: no limit.
    pub multiplier: u64,
    /// How far the TAT may lie ahead: burst times the increment of one unit, in nanoseconds.
    pub tolerance_ns: u64,
    /// Binary scale of `multiplier`, at most 46.
    pub shift: u32,
    /// Zero.
    pub reserved: u32,
}

const _: () = assert!(size_of::<Limit>() == 24);

/// A rate in millionths of a unit per second, so that `0.5/s` and `1,250,000,000/s` are both exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate {
    /// Millionths of a unit per second.
    pub micro_per_second: u64,
}

/// Why a rate and burst cannot be enforced as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitError {
    /// A rate of zero can never admit.
    RateZero,
    /// Slower than one unit per day.
    RateTooSlow,
    /// The increment is a whole number of nanoseconds, which would be off by more than 0.1 %.
    RateInexact {
        /// The nearest exact rate below.
        below: Rate,
        /// The nearest exact rate above.
        above: Rate,
    },
    /// A burst of zero can never admit.
    BurstZero,
    /// Burst over rate exceeds one year.
    BurstTooLarge,
}

/// What a charge came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charge {
    /// Admitted; the word went from `before` to `after`.
    Admitted {
        /// The TAT that was replaced.
        before: u64,
        /// The TAT now stored.
        after: u64,
    },
    /// Admitted and charged by addition after losing [`KERNEL_RACES_MAX`] races.
    AdmittedAfterRaces,
    /// Refused; nothing was written.
    Limited {
        /// Nanoseconds after which the same charge alone would be admitted.
        wait_ns: u64,
    },
}

impl Rate {
    /// `units` whole units per second.
    #[must_use]
    pub const fn per_second(units: u64) -> Self {
        Self {
            micro_per_second: units.saturating_mul(1_000_000),
        }
    }
}

#[cfg(not(target_arch = "bpf"))]
impl Limit {
    /// Compiles `rate` and `burst`. `quantum` is the smallest cost whose rounding matters: 1 for
    /// requests, packets and connections, a typical frame for bytes.
    ///
    /// # Errors
    /// See [`LimitError`]; a limit that could never admit cannot be built.
    pub fn new(rate: Rate, burst: u64, quantum: u16) -> Result<Self, LimitError> {
        const DAY_NS: u128 = 86_400 * 1_000_000_000;
        const YEAR_NS: u128 = 365 * DAY_NS;
        let per_second = u128::from(rate.micro_per_second);
        let quantum = u128::from(quantum.max(1));
        if per_second == 0 {
            return Err(LimitError::RateZero);
        }
        if burst == 0 {
            return Err(LimitError::BurstZero);
        }
        if NANOS_MICRO.div_ceil(per_second) > DAY_NS {
            return Err(LimitError::RateTooSlow);
        }
        let limit = Self::scaled(per_second);
        let step = u128::from(limit.increment(quantum as u64));
        // Error of the rounded increment against the true one, in thousandths.
        if (step * per_second - quantum * NANOS_MICRO) * 1_000 > quantum * NANOS_MICRO {
            let rate_of = |step: u128| {
                let step = step.max(1);
                // Rounded up: a rate a hair below would need an increment one nanosecond longer.
                let rate = (quantum * NANOS_MICRO).div_ceil(step);
                let is_exact = u128::from(Self::scaled(rate).increment(quantum as u64)) <= step;
                // Of many units at once the rounding of the multiplier counts as well.
                let hair = if is_exact { 0 } else { (rate >> 36) + 1 };
                Rate {
                    micro_per_second: (rate + hair) as u64,
                }
            };
            return Err(LimitError::RateInexact {
                below: rate_of(step),
                above: rate_of(step - 1),
            });
        }
        let tolerance = u128::from(burst)
            .checked_mul(step)
            .map(|product| product.div_ceil(quantum))
            .filter(|&ns| ns <= YEAR_NS)
            .ok_or(LimitError::BurstTooLarge)?;
        Ok(Self {
            tolerance_ns: tolerance as u64,
            ..limit
        })
    }

    /// The multiplier and shift of a rate, without tolerance. The shift is the largest that keeps
    /// `cost * multiplier` below 2^63.
    fn scaled(micro_per_second: u128) -> Self {
        let scaled = |shift: u32| (NANOS_MICRO << shift).div_ceil(micro_per_second);
        let shift = (0..=46)
            .rev()
            .find(|&shift| scaled(shift) < 1 << 47)
            .unwrap_or(0);
        Self {
            multiplier: scaled(shift) as u64,
            tolerance_ns: 0,
            shift,
            reserved: 0,
        }
    }
}

/// Nanoseconds of a second times millionths of a unit.
#[cfg(not(target_arch = "bpf"))]
const NANOS_MICRO: u128 = 1_000_000_000 * 1_000_000;

impl Limit {
    /// The limit that limits nothing.
    pub const OFF: Self = Self {
        multiplier: 0,
        tolerance_ns: 0,
        shift: 0,
        reserved: 0,
    };

    /// Whether this limit limits nothing.
    #[inline(always)]
    #[must_use]
    pub const fn is_off(&self) -> bool {
        self.multiplier == 0
    }

    /// What a cost adds to the TAT, in nanoseconds, rounded up; at least 1. Costs above
    /// [`COST_MAX`] count as that, which bounds every operand below 2^63.
    #[inline(always)]
    #[must_use]
    pub const fn increment(&self, cost: u64) -> u64 {
        let cost = if cost > COST_MAX { COST_MAX } else { cost };
        let round = (1u64 << (self.shift & 63)) - 1;
        let step = (cost * self.multiplier).wrapping_add(round) >> (self.shift & 63);
        if step == 0 { 1 } else { step }
    }

    /// How far the TAT may lie ahead of the clock for a charge of `cost` to be admitted still, in
    /// nanoseconds: whoever is refused one owes more, unless the cost is above the whole burst.
    #[inline(always)]
    #[must_use]
    pub const fn slack_ns(&self, cost: u64) -> u64 {
        self.tolerance_ns.saturating_sub(self.increment(cost))
    }

    /// Decides one charge without writing: the new TAT, or the nanoseconds to wait.
    ///
    /// # Errors
    /// The wait after which the same charge alone would be admitted.
    #[inline(always)]
    pub const fn decide(&self, tat: u64, now: u64, increment: u64) -> Result<u64, u64> {
        // Tolerance, increment and clock stay below 2^62, 2^63 and 2^62, so that none of these
        // additions wraps; saturating ones cost the kernel two branches each.
        let ahead = tat.saturating_sub(now);
        let ceiling = self.tolerance_ns.wrapping_add(DEBT_NS_MAX);
        let ahead = if ahead > ceiling { ceiling } else { ahead };
        let new = ahead.wrapping_add(increment);
        if new > self.tolerance_ns {
            // A cost above the whole burst is never admitted; then the wait is from an idle bucket.
            Err(new - self.tolerance_ns)
        } else {
            Ok(now.wrapping_add(new))
        }
    }

    /// Charges `cost` at `now`, retrying until it wins every race: the daemon's way.
    #[inline]
    pub fn charge<W: Word>(&self, tat: &W, now: u64, cost: u64) -> Charge {
        let increment = self.increment(cost);
        let mut before = tat.load();
        loop {
            let after = match self.decide(before, now, increment) {
                Ok(after) => after,
                Err(wait_ns) => return Charge::Limited { wait_ns },
            };
            match tat.compare_exchange(before, after) {
                Ok(_) => return Charge::Admitted { before, after },
                Err(found) => before = found,
            }
        }
    }

    /// Adds `debt_ns` to what the word owes, up to `most_ns` beyond a full bucket, and returns how
    /// far beyond a full bucket it is then; zero means that it still admits. Retries until it wins
    /// every race. A charge is refused until the debt beyond a full bucket has passed: nothing has
    /// to lift it. More than [`DEBT_NS_MAX`] is never owed, and what is owed never shrinks.
    #[inline]
    pub fn add_debt<W: Word>(&self, tat: &W, now: u64, debt_ns: u64, most_ns: u64) -> u64 {
        let most = self.tolerance_ns.wrapping_add(most_ns.min(DEBT_NS_MAX));
        let debt = debt_ns.min(most);
        let mut before = tat.load();
        loop {
            let ahead = before.saturating_sub(now);
            let owed = ahead.saturating_add(debt).min(most);
            if owed <= ahead {
                return ahead.saturating_sub(self.tolerance_ns).min(DEBT_NS_MAX);
            }
            match tat.compare_exchange(before, now.wrapping_add(owed)) {
                Ok(_) => return owed.saturating_sub(self.tolerance_ns),
                Err(found) => before = found,
            }
        }
    }

    /// Charges `cost` at `now` within a bounded number of races: the kernel's way. After the last
    /// lost race the charge is admitted *and still paid*, by addition, so that a hot word never
    /// admits more than it would have.
    #[inline(always)]
    pub fn charge_bounded<W: Word>(&self, tat: &W, now: u64, cost: u64) -> Charge {
        let increment = self.increment(cost);
        let mut before = tat.load();
        let mut races = 0;
        while races < KERNEL_RACES_MAX {
            let after = match self.decide(before, now, increment) {
                Ok(after) => after,
                Err(wait_ns) => return Charge::Limited { wait_ns },
            };
            match tat.compare_exchange(before, after) {
                Ok(_) => return Charge::Admitted { before, after },
                Err(found) => before = found,
            }
            races += 1;
        }
        tat.add(increment);
        Charge::AdmittedAfterRaces
    }
}

#[cfg(test)]
#[path = "limit_tests.rs"]
mod tests;
