//! Rates and bursts.

use gateway_common::limit::{COST_MAX, Limit, LimitError, Rate};

use super::Lowering;
use crate::config::cursor::Cursor;

/// Rates are kept in millionths per second.
const MICRO: f64 = 1_000_000.0;

/// What a limit counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    /// The smallest cost whose rounding matters: see [`Limit::new`].
    pub(super) quantum: u16,
    /// The highest rate that can be written.
    rate_max: f64,
    /// The smallest burst that can be written.
    burst_min: u64,
}

impl Unit {
    /// Requests, connections or packets. No bucket of whole nanoseconds can keep a higher rate.
    pub(super) const ONE: Self = Self {
        quantum: 1,
        rate_max: 1e9,
        burst_min: 1,
    };

    /// Bytes, charged by the packet: a full Ethernet frame has to be exact. Beyond the rate
    /// millionths are not exact in a double; below the burst no packet of that size could ever
    /// pass.
    pub(super) const BYTE: Self = Self {
        quantum: 1_500,
        rate_max: 9e9,
        burst_min: COST_MAX + 1,
    };
}

impl Lowering<'_> {
    /// Compiles the `rate` and `burst` below `at`; quantities are requests, connections or
    /// packets. `None` where they were refused.
    pub(super) fn limit(
        &mut self,
        rate: f64,
        burst: u64,
        at: &Cursor<'_>,
    ) -> Option<(Rate, Limit)> {
        self.limit_of(rate, burst, Unit::ONE, at)
    }

    /// As [`Self::limit`], of other quantities.
    pub(super) fn limit_of(
        &mut self,
        rate: f64,
        burst: u64,
        unit: Unit,
        at: &Cursor<'_>,
    ) -> Option<(Rate, Limit)> {
        let exact = match micro_per_second(rate, unit.rate_max) {
            Ok(exact) => exact,
            Err(message) => {
                self.error(&at.key("rate"), message);
                return None;
            }
        };
        if (1..unit.burst_min).contains(&burst) {
            let min = unit.burst_min;
            let message = format!(
                "a burst of {burst} bytes would drop every larger packet: write at least {min}"
            );
            self.error(&at.key("burst"), message);
            return None;
        }
        match Limit::new(exact, burst, unit.quantum) {
            Ok(limit) => Some((exact, limit)),
            Err(error) => {
                let key = match error {
                    LimitError::RateZero
                    | LimitError::RateTooSlow
                    | LimitError::RateInexact { .. } => "rate",
                    LimitError::BurstZero | LimitError::BurstTooLarge => "burst",
                };
                self.error(&at.key(key), explain(error, rate));
                None
            }
        }
    }
}

/// Judges a rate and a burst of requests that stand in no file.
///
/// # Errors
/// What is wrong with them, and what to do about it.
pub fn request_rate(rate: f64, burst: u64) -> Result<Rate, String> {
    let exact = micro_per_second(rate, Unit::ONE.rate_max)?;
    let limit = Limit::new(exact, burst, Unit::ONE.quantum);
    limit.map_err(|error| explain(error, rate))?;
    Ok(exact)
}

fn micro_per_second(rate: f64, max: f64) -> Result<Rate, String> {
    if rate < 0.0 {
        return Err(format!("a rate of {rate} is negative: write one above 0"));
    }
    if rate > max {
        return Err(format!(
            "a rate of {rate} is too high: at most {max} per second"
        ));
    }
    let micro = rate * MICRO;
    let whole = micro.round();
    // A double holds every product in range to better than a thousandth of a millionth.
    if (micro - whole).abs() > 0.001 * (1.0 + whole * 1e-12) {
        return Err(format!(
            "a rate of {rate} has more than six decimals: round it"
        ));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole, not negative and at most 10^15"
    )]
    let micro_per_second = whole as u64;
    Ok(Rate { micro_per_second })
}

pub(super) fn explain(error: LimitError, rate: f64) -> String {
    match error {
        LimitError::RateZero => "a rate of 0 would never admit anything: write a rate above 0, \
                                 or leave the limit out"
            .to_owned(),
        LimitError::RateTooSlow => {
            format!("a rate of {rate} per second is slower than one per day: at least 0.000012")
        }
        LimitError::RateInexact { below, above } if below == above => {
            format!(
                "a rate of {rate} cannot be kept within 0.1 %: at most {}",
                shown_rate(below)
            )
        }
        LimitError::RateInexact { below, above } => format!(
            "a rate of {rate} cannot be kept within 0.1 %: write one of the nearest exact ones, {} and {}",
            shown_rate(below),
            shown_rate(above)
        ),
        LimitError::BurstZero => "a burst of 0 would never admit anything: write at least 1, \
                                  or leave the limit out"
            .to_owned(),
        LimitError::BurstTooLarge => {
            "the burst takes more than a year to refill at this rate: lower it".to_owned()
        }
    }
}

/// A rate as it is written, in units per second.
#[must_use]
pub fn shown_rate(rate: Rate) -> String {
    let (whole, micro) = (
        rate.micro_per_second / 1_000_000,
        rate.micro_per_second % 1_000_000,
    );
    let text = format!("{whole}.{micro:06}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rate: f64, expected: Result<u64, &str>) {
        let found = micro_per_second(rate, 1e9).map(|rate| rate.micro_per_second);
        assert_eq!(
            found.as_ref().map_err(String::as_str),
            expected.as_ref().map_err(|e| *e)
        );
    }

    #[test]
    fn rates_are_exact_to_the_millionth() {
        check(0.1, Ok(100_000));
        check(0.000_012, Ok(12));
        check(333_333_333.333_334, Ok(333_333_333_333_334));
        check(1e9, Ok(1_000_000_000_000_000));
        check(-1.0, Err("a rate of -1 is negative: write one above 0"));
        check(
            1e10,
            Err("a rate of 10000000000 is too high: at most 1000000000 per second"),
        );
        check(
            0.333_333_3,
            Err("a rate of 0.3333333 has more than six decimals: round it"),
        );
    }

    #[test]
    fn rates_without_a_file_are_judged_as_those_of_files() {
        assert_eq!(request_rate(0.5, 3).unwrap().micro_per_second, 500_000);
        for (rate, burst, expected) in [
            (0.0, 1, "a rate of 0 would never admit anything"),
            (-1.0, 1, "is negative"),
            (1.0, 0, "a burst of 0 would never admit anything"),
            (f64::NAN, 1, "would never admit anything"),
            (f64::INFINITY, 1, "is too high"),
        ] {
            let refused = request_rate(rate, burst).unwrap_err();
            assert!(refused.contains(expected), "{refused}");
        }
    }

    #[test]
    fn the_rates_named_as_exact_are_accepted() {
        let mut refused = 0;
        for rate in (1_000_000..200_000_000).step_by(77_777) {
            if let Err(LimitError::RateInexact { below, above }) =
                Limit::new(Rate::per_second(rate), 10, 1)
            {
                refused += 1;
                for exact in [below, above] {
                    let again = shown_rate(exact)
                        .parse()
                        .map(|rate| micro_per_second(rate, 1e9));
                    assert_eq!(again, Ok(Ok(exact)));
                    assert!(Limit::new(exact, 10, 1).is_ok(), "{rate}/s: {exact:?}");
                }
            }
        }
        assert!(refused > 100);
    }
}
