//! Durations and sizes.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::Lowering;
use crate::config::cursor::Cursor;
use crate::config::tree::shortened;
use crate::config::written::{DurationText, Size};

/// One kibibyte.
pub(super) const KIB: u64 = 1 << 10;
/// One mebibyte.
pub(super) const MIB: u64 = 1 << 20;
/// One tebibyte.
pub(super) const TIB: u64 = 1 << 40;

/// Milliseconds as a constant.
pub(super) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Seconds as a constant.
pub(super) const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const DURATION_UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

const SIZE_UNITS: [(&str, u64); 5] = [
    ("TiB", TIB),
    ("GiB", 1 << 30),
    ("MiB", MIB),
    ("KiB", KIB),
    ("B", 1),
];

impl Lowering<'_> {
    /// A duration within `range`, or `default` where none was written.
    pub(super) fn duration(
        &mut self,
        written: Option<&DurationText>,
        at: &Cursor<'_>,
        range: RangeInclusive<Duration>,
        default: Duration,
    ) -> Duration {
        let Some(DurationText(text)) = written else {
            return default;
        };
        let Some(duration) = parse_duration(text) else {
            let shown = shortened(text);
            self.error(
                at,
                format!("`{shown}` is not a duration: write `250ms`, `10s`, `5m`, `2h`"),
            );
            return default;
        };
        if !range.contains(&duration) {
            let (min, max) = (show_duration(*range.start()), show_duration(*range.end()));
            self.error(at, format!("`{text}` is out of range: {min} to {max}"));
            return default;
        }
        duration
    }

    /// A size within `range`, or `default` where none was written.
    pub(super) fn size(
        &mut self,
        written: Option<&Size>,
        at: &Cursor<'_>,
        range: RangeInclusive<u64>,
        default: u64,
    ) -> u64 {
        let parsed = match written {
            None => return default,
            Some(Size::Bytes(bytes)) => Ok(*bytes),
            Some(Size::Text(text)) => parse_size(text).ok_or_else(|| shortened(text)),
        };
        match parsed {
            Err(text) => {
                let fix = "write plain bytes or `512KiB`, `10MiB`, `1GiB`";
                self.error(at, format!("`{text}` is not a size: {fix}"));
                default
            }
            Ok(bytes) if !range.contains(&bytes) => {
                let (min, max) = (show_size(*range.start()), show_size(*range.end()));
                let shown = show_size(bytes);
                self.error(at, format!("`{shown}` is out of range: {min} to {max}"));
                default
            }
            Ok(bytes) => bytes,
        }
    }
}

/// A whole number of one unit; `0s` is zero.
pub(in crate::config) fn parse_duration(text: &str) -> Option<Duration> {
    let (number, milliseconds) = split_unit(text, &DURATION_UNITS)?;
    number.checked_mul(milliseconds).map(Duration::from_millis)
}

/// A whole number of bytes or of one unit.
pub(in crate::config) fn parse_size(text: &str) -> Option<u64> {
    let (number, bytes) = split_unit(text, &SIZE_UNITS).or_else(|| split_unit(text, &[("", 1)]))?;
    number.checked_mul(bytes)
}

/// The number before the first of `units` that ends `text`, with that unit's worth.
fn split_unit(text: &str, units: &[(&str, u64)]) -> Option<(u64, u64)> {
    units.iter().find_map(|(unit, worth)| {
        let digits = text.strip_suffix(unit)?;
        let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        is_number
            .then(|| digits.parse().ok())
            .flatten()
            .map(|number| (number, *worth))
    })
}

fn show_duration(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    let unit = DURATION_UNITS
        .iter()
        .rev()
        .find(|(_, worth)| milliseconds != 0 && milliseconds.is_multiple_of(u128::from(*worth)));
    match unit {
        Some((unit, worth)) => format!("{}{unit}", milliseconds / u128::from(*worth)),
        None => "0s".to_owned(),
    }
}

fn show_size(bytes: u64) -> String {
    match SIZE_UNITS
        .iter()
        .find(|(_, worth)| bytes != 0 && bytes.is_multiple_of(*worth))
    {
        Some((unit, worth)) if *worth > 1 => format!("{}{unit}", bytes / worth),
        _ => format!("{bytes}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_whole_numbers_of_one_unit() {
        assert_eq!(parse_duration("250ms"), Some(ms(250)));
        assert_eq!(parse_duration("10s"), Some(s(10)));
        assert_eq!(parse_duration("5m"), Some(s(300)));
        assert_eq!(parse_duration("2h"), Some(s(7200)));
        assert_eq!(parse_duration("0s"), Some(Duration::ZERO));
        for bad in [
            "",
            "s",
            "10",
            "10 s",
            "-1s",
            "+1s",
            "1.5s",
            "1d",
            "1H",
            "99999999999999999h",
        ] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn sizes_are_whole_numbers_of_bytes_or_one_binary_unit() {
        assert_eq!(parse_size("10MiB"), Some(10 * MIB));
        assert_eq!(parse_size("512KiB"), Some(512 * KIB));
        assert_eq!(parse_size("7"), Some(7));
        assert_eq!(parse_size("7B"), Some(7));
        for bad in [
            "",
            "MiB",
            "10MB",
            "10 MiB",
            "1.5MiB",
            "-1",
            "18446744073709551615TiB",
        ] {
            assert_eq!(parse_size(bad), None, "{bad}");
        }
    }

    #[test]
    fn shows_quantities_in_their_largest_whole_unit() {
        assert_eq!(show_duration(ms(1500)), "1500ms");
        assert_eq!(show_duration(s(3600)), "1h");
        assert_eq!(show_duration(Duration::ZERO), "0s");
        assert_eq!(show_size(10 * MIB), "10MiB");
        assert_eq!(show_size(1025), "1025");
        assert_eq!(show_size(0), "0");
    }
}
