//! Numbers in few columns.

/// A count in at most five columns: three digits and a unit.
pub(super) fn count(value: u64) -> String {
    const UNITS: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];
    let mut scaled = value;
    let mut rest = 0;
    let mut unit = 0;
    while scaled >= 1_000 {
        rest = scaled % 1_000;
        scaled /= 1_000;
        unit += 1;
    }
    let unit = UNITS.get(unit).copied().unwrap_or_default();
    match (unit, scaled) {
        ("", _) | (_, 100..) => format!("{scaled}{unit}"),
        (_, 10..) => format!("{scaled}.{}{unit}", rest / 100),
        _ => format!("{scaled}.{:02}{unit}", rest / 10),
    }
}

/// A time in at most six columns.
pub(super) fn time(ns: u64) -> String {
    let ms = ns / 1_000_000;
    match ms {
        0 => format!("{}us", ns / 1_000),
        1..1_000 => format!("{ms}ms"),
        1_000..60_000 => format!("{}.{}s", ms / 1_000, ms % 1_000 / 100),
        60_000..3_600_000 => format!("{}m{}s", ms / 60_000, ms / 1_000 % 60),
        _ => format!("{}h", ms / 3_600_000),
    }
}

/// `value` as bars of `width` columns, the latest at the right; the highest fills its column.
pub(super) fn sparkline(values: impl DoubleEndedIterator<Item = u64>, width: usize) -> String {
    const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let mut shown: Vec<u64> = values.rev().take(width).collect();
    shown.reverse();
    let highest = shown.iter().copied().max().unwrap_or(0).max(1);
    let bars = shown.iter().map(|&value| {
        // Anything at all is seen.
        let eighths = (u128::from(value) * 8).div_ceil(u128::from(highest));
        let bar = usize::try_from(eighths).unwrap_or(0);
        BARS.get(bar).copied().unwrap_or(' ')
    });
    let bars: String = bars.collect();
    format!("{bars:>width$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_keep_three_digits() {
        for (value, expected) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1.00k"),
            (1_239, "1.23k"),
            (12_390, "12.3k"),
            (123_900, "123k"),
            (999_999, "999k"),
            (1_000_000, "1.00M"),
            (u64::MAX, "18.4E"),
        ] {
            assert_eq!(count(value), expected);
        }
    }

    #[test]
    fn times_fit_their_column() {
        for (ns, expected) in [
            (0, "0us"),
            (999_999, "999us"),
            (1_000_000, "1ms"),
            (12_345_000_000, "12.3s"),
            (61_000_000_000, "1m1s"),
            (7_200_000_000_000, "2h"),
        ] {
            assert_eq!(time(ns), expected);
        }
    }

    #[test]
    fn a_sparkline_ends_with_the_latest_and_shows_the_smallest() {
        assert_eq!(sparkline([0, 1, 400, 800].into_iter(), 4), " ▁▄█");
        assert_eq!(sparkline([9, 5, 5].into_iter(), 2), "██");
        assert_eq!(sparkline([1].into_iter(), 3), "  █");
        assert_eq!(sparkline([0, 0].into_iter(), 2), "  ");
    }
}
