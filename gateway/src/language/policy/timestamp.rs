//! Points in time of conditions.

use std::fmt;
use std::str::FromStr;

/// A point in time. What is written lies in the years 0 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    seconds: i64,
    nanoseconds: u32,
}

/// Why a text is no point in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimestampError {
    /// Neither form.
    #[error(
        "`{0}` is not a date: write `2026-01-31T12:00:00Z`, `2026-01-31` or seconds since 1970"
    )]
    Syntax(String),
    /// A field outside its range.
    #[error("`{0}` is a day or a time that does not exist: write one that does")]
    NoSuchTime(String),
    /// Few digits, which may be meant as a date.
    #[error("`{0}` may be a year, a date or seconds since 1970: write `2026-01-31`")]
    Ambiguous(String),
    /// Many digits.
    #[error(
        "`{0}` seconds after 1970 is beyond the year 9999: write seconds, and not milliseconds"
    )]
    TooLate(String),
}

const DAY_SECONDS: i64 = 86_400;

/// The last second of the year 9999.
const SECONDS_MAX: i64 = 253_402_300_799;

/// Shorter numbers are before 1973, and as long as a year or a date without hyphens.
const EPOCH_DIGITS_MIN: usize = 9;

impl Timestamp {
    /// Whole seconds since 1970.
    #[must_use]
    pub const fn from_unix_seconds(seconds: i64) -> Self {
        Self {
            seconds,
            nanoseconds: 0,
        }
    }

    /// Whole seconds since 1970, rounded down.
    #[must_use]
    pub const fn unix_seconds(self) -> i64 {
        self.seconds
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(written: &str) -> Result<Self, TimestampError> {
        if !written.is_empty() && written.bytes().all(|b| b.is_ascii_digit()) {
            return epoch(written);
        }
        let syntax = || TimestampError::Syntax(written.to_owned());
        let (date, time) = match written.split_once('T') {
            Some((date, time)) => (date, Some(time)),
            None => (written, None),
        };
        let date = Date::read(date).ok_or_else(syntax)?;
        let time = match time {
            Some(time) => Time::read(time).ok_or_else(syntax)?,
            None => Time::default(),
        };
        if !date.exists() || !time.exists() {
            return Err(TimestampError::NoSuchTime(written.to_owned()));
        }
        Ok(Self {
            seconds: date.days() * DAY_SECONDS + time.seconds(),
            nanoseconds: time.nanoseconds,
        })
    }
}

fn epoch(digits: &str) -> Result<Timestamp, TimestampError> {
    if digits.len() < EPOCH_DIGITS_MIN {
        return Err(TimestampError::Ambiguous(digits.to_owned()));
    }
    digits
        .parse()
        .ok()
        .filter(|&seconds| seconds <= SECONDS_MAX)
        .map(Timestamp::from_unix_seconds)
        .ok_or_else(|| TimestampError::TooLate(digits.to_owned()))
}

struct Date {
    year: i64,
    month: i64,
    day: i64,
}

impl Date {
    fn read(text: &str) -> Option<Self> {
        let mut fields = text.split('-');
        let date = Self {
            year: number(fields.next()?, 4)?,
            month: number(fields.next()?, 2)?,
            day: number(fields.next()?, 2)?,
        };
        fields.next().is_none().then_some(date)
    }

    fn exists(&self) -> bool {
        let leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        let days = match self.month {
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            1..=12 => 31,
            _ => 0,
        };
        (1..=days).contains(&self.day)
    }

    /// Days since 1970. Years are counted from March, so that the leap day is their last one and
    /// the months before it have lengths that repeat: 153 days in five months.
    fn days(&self) -> i64 {
        let (year, month) = if self.month > 2 {
            (self.year, self.month - 3)
        } else {
            (self.year - 1, self.month + 9)
        };
        let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
        let in_year = (153 * month + 2) / 5 + self.day - 1;
        // From 1 March of year 0 to 1 January 1970.
        year * 365 + leap_days + in_year - 719_468
    }

    /// The date `days` after 1970.
    fn of_days(days: i64) -> Self {
        // 400 years have 146097 days. The year is guessed from below and corrected upward.
        let since = days + 719_468;
        let mut year = since * 400 / 146_097 - 1;
        let start = |year: i64| {
            let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
            year * 365 + leap_days
        };
        while start(year + 1) <= since {
            year += 1;
        }
        let in_year = since - start(year);
        let month = (5 * in_year + 2) / 153;
        let day = in_year - (153 * month + 2) / 5 + 1;
        if month < 10 {
            Self {
                year,
                month: month + 3,
                day,
            }
        } else {
            Self {
                year: year + 1,
                month: month - 9,
                day,
            }
        }
    }
}

#[derive(Default)]
struct Time {
    hour: i64,
    minute: i64,
    second: i64,
    nanoseconds: u32,
    zone: Zone,
}

/// How far local time is ahead of UTC.
#[derive(Default)]
struct Zone {
    sign: i64,
    hours: i64,
    minutes: i64,
}

impl Time {
    /// `hh:mm`, `hh:mm:ss` or `hh:mm:ss.fff`, and then `Z`, `+hh:mm` or `+hhmm`.
    fn read(text: &str) -> Option<Self> {
        let (clock, zone) = Zone::split(text)?;
        let mut fields = clock.split(':');
        let hour = number(fields.next()?, 2)?;
        let minute = number(fields.next()?, 2)?;
        let (second, nanoseconds) = match fields.next() {
            None => (0, 0),
            Some(second) => match second.split_once('.') {
                None => (number(second, 2)?, 0),
                Some((second, fraction)) => (number(second, 2)?, nanoseconds(fraction)?),
            },
        };
        fields.next().is_none().then_some(Self {
            hour,
            minute,
            second,
            nanoseconds,
            zone,
        })
    }

    fn exists(&self) -> bool {
        let zone = self.zone.hours < 24 && self.zone.minutes < 60;
        self.hour < 24 && self.minute < 60 && self.second < 60 && zone
    }

    fn seconds(&self) -> i64 {
        let ahead = self.zone.sign * (self.zone.hours * 3600 + self.zone.minutes * 60);
        self.hour * 3600 + self.minute * 60 + self.second - ahead
    }
}

impl Zone {
    fn split(text: &str) -> Option<(&str, Self)> {
        if let Some(clock) = text.strip_suffix('Z') {
            return Some((clock, Self::default()));
        }
        let (clock, zone, sign) = match text.split_once('+') {
            Some((clock, zone)) => (clock, zone, 1),
            None => {
                let (clock, zone) = text.split_once('-')?;
                (clock, zone, -1)
            }
        };
        let (hours, minutes) = match zone.split_once(':') {
            Some(halves) => halves,
            None => zone.split_at_checked(2)?,
        };
        let zone = Self {
            sign,
            hours: number(hours, 2)?,
            minutes: number(minutes, 2)?,
        };
        Some((clock, zone))
    }
}

fn nanoseconds(fraction: &str) -> Option<u32> {
    let digits = (1..=9).contains(&fraction.len()) && fraction.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| format!("{fraction:0<9}").parse().ok())?
}

/// The number that exactly `length` digits make.
fn number(text: &str, length: usize) -> Option<i64> {
    let digits = text.len() == length && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

/// As ISO 8601 in UTC, in whole seconds.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Date { year, month, day } = Date::of_days(self.seconds.div_euclid(DAY_SECONDS));
        let in_day = self.seconds.rem_euclid(DAY_SECONDS);
        let (hour, minute, second) = (in_day / 3600, in_day / 60 % 60, in_day % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(written: &str, expected: Result<i64, fn(String) -> TimestampError>) {
        let found = written.parse::<Timestamp>().map(Timestamp::unix_seconds);
        let expected = expected.map_err(|error| error(written.to_owned()));
        assert_eq!(found, expected, "{written}");
    }

    #[test]
    fn reads_iso_8601_and_seconds() {
        check("1970-01-01T00:00:00Z", Ok(0));
        check("1969-12-31T23:59:59Z", Ok(-1));
        check("2000-02-29", Ok(951_782_400));
        check("2026-01-31T12:30Z", Ok(1_769_862_600));
        check("2026-01-31T12:30:15.25Z", Ok(1_769_862_615));
        check("2026-01-31T12:30:15+01:00", Ok(1_769_859_015));
        check("2026-01-31T12:30:15-0530", Ok(1_769_882_415));
        check("9999-12-31T23:59:59Z", Ok(SECONDS_MAX));
        check("1769862615", Ok(1_769_862_615));
        check("253402300799", Ok(SECONDS_MAX));
    }

    #[test]
    fn refuses_what_is_no_date_or_may_be_another() {
        check("2026", Err(TimestampError::Ambiguous));
        check("20260131", Err(TimestampError::Ambiguous));
        check("1769862615000", Err(TimestampError::TooLate));
        check("99999999999999999999", Err(TimestampError::TooLate));
        check("2026-02-29", Err(TimestampError::NoSuchTime));
        check("1900-02-29", Err(TimestampError::NoSuchTime));
        check("2026-13-01", Err(TimestampError::NoSuchTime));
        check("2026-01-31T24:00:00Z", Err(TimestampError::NoSuchTime));
        check("2026-01-31T12:30:60Z", Err(TimestampError::NoSuchTime));
        check("2026-01-31T12:30:00", Err(TimestampError::Syntax));
        check("2026-01-31T12Z", Err(TimestampError::Syntax));
        check("2026-1-31", Err(TimestampError::Syntax));
        check("2026-01-31T12:30:15.Z", Err(TimestampError::Syntax));
        check("2026-01-31T12:30:15+\u{fc}0", Err(TimestampError::Syntax));
        check("-1", Err(TimestampError::Syntax));
        check("", Err(TimestampError::Syntax));
        check("now", Err(TimestampError::Syntax));
    }

    #[test]
    fn fractions_order() {
        let early: Timestamp = "2026-01-31T12:30:15.2Z".parse().unwrap();
        let late: Timestamp = "2026-01-31T12:30:15.25Z".parse().unwrap();
        assert!(early < late);
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_the_same(seconds in -62_167_219_200..=SECONDS_MAX) {
            let time = Timestamp::from_unix_seconds(seconds);
            prop_assert_eq!(time.to_string().parse::<Timestamp>(), Ok(time));
        }
    }
}
