//! What a benchmark prints: a table for people, or one line of JSON.

use anyhow::Context as _;
use serde::Serialize;

/// One measured case.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Case {
    /// Name; stable, so that runs can be compared.
    pub(crate) name: String,
    /// Median over the windows.
    pub(crate) value: f64,
    /// Unit of value and baseline.
    pub(crate) unit: String,
    /// Median of what the case is compared with, measured in the same run.
    pub(crate) baseline: Option<f64>,
    /// Value over baseline.
    pub(crate) ratio: Option<f64>,
    /// Largest minus smallest window, over the median.
    pub(crate) spread: f64,
}

/// All cases of one benchmark.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Report {
    /// The cases, in the order of the table.
    pub(crate) cases: Vec<Case>,
    /// What else the table says, line by line.
    #[serde(skip)]
    pub(crate) notes: Vec<String>,
}

impl Case {
    /// A case from the windows of its value and of its baseline.
    ///
    /// # Errors
    /// When there is no window, or one is not a number.
    pub(crate) fn new(
        name: &str,
        unit: &str,
        windows: &[f64],
        baseline: Option<&[f64]>,
    ) -> anyhow::Result<Self> {
        let value = median(windows).with_context(|| format!("`{name}` has no windows"))?;
        let baseline = match baseline {
            Some(windows) => {
                Some(median(windows).with_context(|| format!("`{name}` has no baseline"))?)
            }
            None => None,
        };
        let largest = windows.iter().copied().fold(f64::MIN, f64::max);
        let smallest = windows.iter().copied().fold(f64::MAX, f64::min);
        Ok(Self {
            name: name.to_owned(),
            value,
            unit: unit.to_owned(),
            baseline,
            ratio: baseline.map(|baseline| value / baseline),
            spread: (largest - smallest) / value,
        })
    }
}

impl Report {
    /// Prints the table, or with `json` exactly one line.
    ///
    /// # Errors
    /// When a figure is not a number.
    pub(crate) fn print(&self, json: bool) -> anyhow::Result<()> {
        let text = if json {
            serde_json::to_string(self).context("a report is numbers and text")?
        } else {
            self.table()
        };
        say(&text);
        Ok(())
    }

    fn table(&self) -> String {
        let mut lines = vec![format!(
            "{:<22} {:>10} {:<8} {:>10} {:>7} {:>7}",
            "case", "value", "unit", "baseline", "ratio", "spread"
        )];
        for case in &self.cases {
            let optional = |value: Option<f64>, digits: usize| {
                value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
            };
            lines.push(format!(
                "{:<22} {:>10.1} {:<8} {:>10} {:>7} {:>6.0}%",
                case.name,
                case.value,
                case.unit,
                optional(case.baseline, 1),
                optional(case.ratio, 2),
                case.spread * 100.0
            ));
        }
        lines.extend(self.notes.iter().cloned());
        lines.join("\n")
    }
}

/// The middle of the windows; the mean of the middle two where their number is even.
pub(crate) fn median(windows: &[f64]) -> Option<f64> {
    let mut sorted = windows.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get(sorted.len().checked_sub(1)? / 2)?;
    let middle = f64::midpoint(lower, upper);
    middle.is_finite().then_some(middle)
}

#[expect(clippy::print_stdout, reason = "the answer of the command")]
fn say(text: &str) {
    println!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[f64::NAN]), None);
    }

    #[test]
    fn json_is_one_line_with_the_agreed_fields() {
        let case = Case::new("pass_hot", "ns", &[20.0, 30.0, 40.0], Some(&[15.0])).unwrap();
        let report = Report {
            cases: vec![case],
            notes: vec!["for people".to_owned()],
        };
        assert_eq!(
            serde_json::to_string(&report).unwrap(),
            "{\"cases\":[{\"name\":\"pass_hot\",\"value\":30.0,\"unit\":\"ns\",\
             \"baseline\":15.0,\"ratio\":2.0,\"spread\":0.6666666666666666}]}"
        );
        assert!(report.table().contains("for people"));
    }
}
