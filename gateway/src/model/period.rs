//! Days, and the periods that quotas are for.
//!
//! All of them are of UTC, and days have 86,400 seconds, as in the time that computers count. Each has a
//! number, which grows by one from each to the next, so that two are compared without a calendar. What lies
//! beyond the year 9999 counts as its last day.

use std::fmt;
use std::str::FromStr;

use time::{Date, Month};

const SECONDS: u64 = 86_400;
/// 31 December 9999, the last day that the calendar knows.
const LAST: u32 = 2_932_896;
/// 1 January 1970 in the count of days that the calendar's crate has.
const EPOCH_JULIAN: i32 = 2_440_588;
/// 1970 began on a Thursday, and weeks begin on Sundays.
const DAYS_OF_THE_FIRST_WEEK: u32 = 4;
const MONTHS: u32 = 12;
const FIRST_YEAR: u32 = 1970;

/// A day of UTC, from 1970 to 9999, written `2026-11-23`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(u32);

/// A text that is no day.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no day from 1970 on: write it like 2026-11-23")]
pub struct DayError(String);

/// What a quota is for: every day, week or month has one of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// From 00:00 UTC.
    Day,
    /// From Sunday, 00:00 UTC.
    Week,
    /// From its first day, 00:00 UTC.
    Month,
}

/// One day, week or month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its number among those of its period, from 0 for the one with the first second of 1970.
    pub number: u32,
    /// Its first second, since 1970; 0 for what had begun by then.
    pub begin: u64,
    /// The first second behind it.
    pub end: u64,
}

impl Day {
    /// The one with this second since 1970.
    #[must_use]
    pub fn of(unix_seconds: u64) -> Self {
        let number = u32::try_from(unix_seconds / SECONDS);
        Self::numbered(number.unwrap_or(LAST))
    }

    /// The one with this number; the last one where there is none.
    #[must_use]
    pub const fn numbered(number: u32) -> Self {
        Self(if number < LAST { number } else { LAST })
    }

    /// Days since 1 January 1970.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Its first second, since 1970.
    #[must_use]
    pub const fn begin(self) -> u64 {
        self.0 as u64 * SECONDS
    }

    /// The day that is so many days before it; the first of all where there is none.
    #[must_use]
    pub const fn before(self, days: u32) -> Self {
        Self(self.0.saturating_sub(days))
    }

    /// The first day of its month.
    #[must_use]
    pub fn first_of_month(self) -> Self {
        Self::of(Period::Month.span(self.begin()).begin)
    }

    fn date(self) -> Date {
        // Numbers are kept small enough for the calendar.
        let days = i32::try_from(self.0).unwrap_or(0);
        Date::from_julian_day(EPOCH_JULIAN + days).unwrap_or(Date::MAX)
    }

    fn of_date(date: Date) -> Option<Self> {
        let days = date.to_julian_day().checked_sub(EPOCH_JULIAN)?;
        u32::try_from(days).ok().map(Self::numbered)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date().to_calendar_date();
        write!(f, "{year:04}-{:02}-{day:02}", u8::from(month))
    }
}

impl FromStr for Day {
    type Err = DayError;

    fn from_str(text: &str) -> Result<Self, DayError> {
        let mut parts = text.split('-');
        let mut number = |digits: usize| -> Option<u16> {
            let part = parts.next()?;
            let is_number = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| part.parse().ok()).flatten()
        };
        let mut read = || {
            let (year, month, day) = (number(4)?, number(2)?, number(2)?);
            let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
            let date = Date::from_calendar_date(year.into(), month, u8::try_from(day).ok()?);
            Self::of_date(date.ok()?)
        };
        let day = read();
        let is_whole = parts.next().is_none();
        let day = day.filter(|_| is_whole);
        day.ok_or_else(|| DayError(text.to_owned()))
    }
}

impl Period {
    /// The one with this second since 1970.
    #[must_use]
    pub fn span(self, unix_seconds: u64) -> Span {
        self.numbered(self.number(unix_seconds))
    }

    /// The number of the one with this second since 1970.
    #[must_use]
    pub fn number(self, unix_seconds: u64) -> u32 {
        let day = Day::of(unix_seconds);
        match self {
            Self::Day => day.0,
            Self::Week => (day.0 + DAYS_OF_THE_FIRST_WEEK) / 7,
            Self::Month => {
                let date = day.date();
                // The calendar's years are from 1970 on.
                let year = u32::try_from(date.year()).unwrap_or(FIRST_YEAR);
                let month = u32::from(u8::from(date.month()));
                year.saturating_sub(FIRST_YEAR) * MONTHS + month - 1
            }
        }
    }

    /// The one with this number.
    #[must_use]
    pub fn numbered(self, number: u32) -> Span {
        Span {
            number,
            begin: self.begin(number),
            end: self.begin(number.saturating_add(1)),
        }
    }

    /// The first second of the one with this number.
    fn begin(self, number: u32) -> u64 {
        let days = match self {
            Self::Day => u64::from(number),
            Self::Week => (u64::from(number) * 7).saturating_sub(DAYS_OF_THE_FIRST_WEEK.into()),
            Self::Month => first_day(number).map_or_else(|| u64::from(LAST) + 1, u64::from),
        };
        days * SECONDS
    }
}

/// The first day of the month with this number; `None` where the calendar has ended.
fn first_day(number: u32) -> Option<u32> {
    let year = i32::try_from(FIRST_YEAR + number / MONTHS).ok()?;
    let month = Month::try_from(u8::try_from(number % MONTHS + 1).ok()?).ok()?;
    let date = Date::from_calendar_date(year, month, 1).ok()?;
    Day::of_date(date).map(Day::number)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::*;

    /// Seconds since 1970, by another crate than that of the calendar.
    fn at(text: &str) -> u64 {
        let time = humantime::parse_rfc3339(text).unwrap();
        time.duration_since(UNIX_EPOCH).unwrap().as_secs()
    }

    #[track_caller]
    fn check(period: Period, second: &str, begin: &str, end: &str) {
        let span = period.span(at(second));
        assert_eq!((span.begin, span.end), (at(begin), at(end)), "{second}");
        assert_eq!(period.numbered(span.number), span);
    }

    #[test]
    fn periods_begin_and_end_where_the_calendar_says() {
        let check_day = |second, begin, end| check(Period::Day, second, begin, end);
        check_day(
            "2026-11-23T00:00:00Z",
            "2026-11-23T00:00:00Z",
            "2026-11-24T00:00:00Z",
        );
        check_day(
            "2026-12-31T23:59:59Z",
            "2026-12-31T00:00:00Z",
            "2027-01-01T00:00:00Z",
        );
        // 22 November 2026 is a Sunday.
        let check_week = |second, begin, end| check(Period::Week, second, begin, end);
        check_week(
            "2026-11-21T23:59:59Z",
            "2026-11-15T00:00:00Z",
            "2026-11-22T00:00:00Z",
        );
        check_week(
            "2026-11-22T00:00:00Z",
            "2026-11-22T00:00:00Z",
            "2026-11-29T00:00:00Z",
        );
        check_week(
            "2027-01-01T12:00:00Z",
            "2026-12-27T00:00:00Z",
            "2027-01-03T00:00:00Z",
        );
        check_week(
            "1970-01-03T00:00:00Z",
            "1970-01-01T00:00:00Z",
            "1970-01-04T00:00:00Z",
        );
        let check_month = |second, begin, end| check(Period::Month, second, begin, end);
        check_month(
            "2028-02-29T23:59:59Z",
            "2028-02-01T00:00:00Z",
            "2028-03-01T00:00:00Z",
        );
        check_month(
            "2026-12-31T23:59:59Z",
            "2026-12-01T00:00:00Z",
            "2027-01-01T00:00:00Z",
        );
        check_month(
            "1970-01-01T00:00:00Z",
            "1970-01-01T00:00:00Z",
            "1970-02-01T00:00:00Z",
        );
        check_month(
            "2100-02-28T23:59:59Z",
            "2100-02-01T00:00:00Z",
            "2100-03-01T00:00:00Z",
        );
    }

    #[test]
    fn the_calendar_ends_without_an_error() {
        for period in [Period::Day, Period::Week, Period::Month] {
            let last = period.span(u64::MAX);
            assert!(last.begin <= Day(LAST).begin() && last.end > Day(LAST).begin());
        }
        assert_eq!(Day::of(u64::MAX).to_string(), "9999-12-31");
        assert_eq!(
            Period::Month.numbered(u32::MAX).begin,
            (u64::from(LAST) + 1) * SECONDS
        );
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for text in [
            "",
            "2026",
            "2026-11",
            "2026-11-31",
            "2026-13-01",
            "26-11-23",
            "2026-11-23-",
            "+026-11-23",
            "2026-11-3",
            "1969-12-31",
            " 2026-11-23",
            "2026/11/23",
        ] {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
        assert_eq!("1970-01-01".parse(), Ok(Day(0)));
        assert_eq!("9999-12-31".parse(), Ok(Day(LAST)));
    }

    proptest! {
        /// Days are those of another implementation, and months follow from what days are called.
        #[test]
        fn days_are_called_as_elsewhere(seconds in 0..u64::from(LAST + 1) * SECONDS) {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            let text = humantime::format_rfc3339_seconds(time).to_string();
            let called = text.split('T').next().unwrap();
            let day = Day::of(seconds);
            prop_assert_eq!(day.to_string(), called);
            prop_assert_eq!(called.parse(), Ok(day));
            let month = called.get(..7).unwrap();
            prop_assert_eq!(day.first_of_month().to_string(), format!("{month}-01"));
            let before = day.first_of_month().begin().checked_sub(1);
            let is_of_another = before.is_none_or(|it| !Day::of(it).to_string().starts_with(month));
            prop_assert!(is_of_another);
        }

        /// Spans have no gap and no overlap, and numbers count them.
        #[test]
        fn every_second_is_in_one_span(
            seconds in 0..4_102_444_800_u64,
            period in prop::sample::select(vec![Period::Day, Period::Week, Period::Month]),
        ) {
            let span = period.span(seconds);
            prop_assert!(span.begin <= seconds && seconds < span.end);
            prop_assert_eq!(period.span(span.begin), span);
            prop_assert_eq!(period.span(span.end - 1), span);
            let next = period.span(span.end);
            prop_assert_eq!((next.number, next.begin), (span.number + 1, span.end));
        }
    }
}
