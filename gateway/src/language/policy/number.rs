//! Numbers of conditions.

use std::fmt;
use std::str::FromStr;

/// A decimal number, held exactly: at most 18 digits before the point and 18 behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number {
    /// The number times ten to the power of [`DIGITS_MAX`].
    scaled: i128,
}

/// The text is no such number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{written}` is not a number: write digits, with a point if needed, {DIGITS_MAX} at most on each side"
)]
pub struct NumberError {
    /// As written.
    pub written: String,
}

/// Digits on each side of the point. Both sides together fit into the integer behind.
const DIGITS_MAX: usize = 18;

const SCALE: i128 = 10_i128.pow(18);

impl From<i64> for Number {
    fn from(whole: i64) -> Self {
        Self {
            scaled: i128::from(whole).saturating_mul(SCALE),
        }
    }
}

impl FromStr for Number {
    type Err = NumberError;

    fn from_str(written: &str) -> Result<Self, NumberError> {
        parse(written).ok_or_else(|| NumberError {
            written: written.to_owned(),
        })
    }
}

fn parse(written: &str) -> Option<Number> {
    let (negative, digits) = match written.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, written.strip_prefix('+').unwrap_or(written)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let side = |side: &str| {
        (1..=DIGITS_MAX).contains(&side.len()) && side.bytes().all(|b| b.is_ascii_digit())
    };
    if !side(whole) || !side(fraction) {
        return None;
    }
    let fraction: i128 = format!("{fraction:0<DIGITS_MAX$}").parse().ok()?;
    let scaled = whole.parse::<i128>().ok()? * SCALE + fraction;
    Some(Number {
        scaled: if negative { -scaled } else { scaled },
    })
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.scaled.unsigned_abs();
        let scale = SCALE.unsigned_abs();
        if self.scaled < 0 {
            f.write_str("-")?;
        }
        write!(f, "{}", magnitude / scale)?;
        match magnitude % scale {
            0 => Ok(()),
            fraction => {
                let digits = format!("{fraction:0>DIGITS_MAX$}");
                write!(f, ".{}", digits.trim_end_matches('0'))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(written: &str, expected: Option<&str>) {
        let shown = written.parse::<Number>().ok().map(|n| n.to_string());
        assert_eq!(shown.as_deref(), expected, "{written}");
    }

    #[test]
    fn decimals_are_exact() {
        check("3600", Some("3600"));
        check("-0.50", Some("-0.5"));
        check("+7", Some("7"));
        check("0.1", Some("0.1"));
        check("-0", Some("0"));
        check("999999999999999999", Some("999999999999999999"));
        check("0.000000000000000001", Some("0.000000000000000001"));
        check("1000000000000000000", None);
        check("0.0000000000000000001", None);
        check("", None);
        check(".5", None);
        check("5.", None);
        check("1e3", None);
        check("--1", None);
        check("1.2.3", None);
        let number = |written: &str| written.parse::<Number>().unwrap();
        assert!(number("0.3") > number("0.2999"));
        assert!(number("-0.3") < number("-0.2999"));
        assert_eq!("12".parse::<Number>().unwrap(), Number::from(12));
    }
}
