//! Times as people write and read them.

use std::time::{Duration, SystemTime};

/// `90s`, `10m`, `2h`, `7d`: at least a second.
pub(super) fn parse_time(text: &str) -> Result<Duration, String> {
    let expected = || format!("`{text}` is no time: write it like 90s, 10m, 2h or 7d");
    let unit = text.chars().last().ok_or_else(expected)?;
    let seconds_per_unit = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(expected()),
    };
    let digits = text.strip_suffix(unit).unwrap_or_default();
    let number: u64 = digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())
        .flatten()
        .ok_or_else(expected)?;
    match number.checked_mul(seconds_per_unit) {
        Some(0) => Err("this is no time at all: at least 1s".to_owned()),
        Some(seconds) => Ok(Duration::from_secs(seconds)),
        None => Err(expected()),
    }
}

/// A moment in seconds since 1970, in UTC.
pub(super) fn moment(unix_seconds: u64) -> String {
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(unix_seconds));
    time.map_or_else(
        || unix_seconds.to_string(),
        |time| humantime::format_rfc3339_seconds(time).to_string(),
    )
}

/// Seconds as people say them, in the two largest units.
pub(super) fn spoken(seconds: u64) -> String {
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3_600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    let shown: Vec<String> = parts
        .iter()
        .skip_while(|(count, _)| *count == 0)
        .take(2)
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    if shown.is_empty() {
        "0s".to_owned()
    } else {
        shown.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_numbers_with_one_unit() {
        for (text, expected) in [
            ("90s", Some(90)),
            ("10m", Some(600)),
            ("2h", Some(7_200)),
            ("7d", Some(604_800)),
            ("0s", None),
            ("10", None),
            ("m", None),
            ("-1m", None),
            ("+1m", None),
            ("1w", None),
            ("", None),
            ("10µ", None),
            ("99999999999999999999d", None),
            ("9999999999999999999d", None),
        ] {
            assert_eq!(
                parse_time(text).ok().map(|time| time.as_secs()),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn seconds_are_spoken_in_two_units() {
        for (seconds, expected) in [
            (0, "0s"),
            (59, "59s"),
            (600, "10m"),
            (3_661, "1h 1m"),
            (86_400 + 61, "1d"),
            (90_000, "1d 1h"),
        ] {
            assert_eq!(spoken(seconds), expected);
        }
    }
}
