//! What a benchmark prints: a table for people, or one line of JSON.

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

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
    /// What it may come to.
    #[serde(skip)]
    pub(crate) budget: Option<Budget>,
}

/// What a case may come to.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case", untagged)]
pub(crate) enum Budget {
    /// At most the larger of `ratio` times the baseline and `increment` more than the baseline.
    Over {
        /// Times the baseline.
        ratio: f64,
        /// In the case's unit.
        increment: f64,
    },
    /// At most this.
    AtMost {
        /// In the case's unit.
        most: f64,
    },
    /// At least this part of the baseline.
    Keeps {
        /// Times the baseline.
        keeps: f64,
    },
}

/// All cases of one benchmark.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Report {
    /// The cases, in the order of the table.
    pub(crate) cases: Vec<Case>,
    /// What else there is to say, line by line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
    /// Runs that say nothing, because something else than what they measure was the limit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) void: Vec<String>,
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
            // Nothing counted is nothing spread.
            spread: if value == 0.0 {
                0.0
            } else {
                (largest - smallest) / value
            },
            budget: None,
        })
    }

    /// Compares it with a figure of the same run.
    pub(crate) fn compare(&mut self, baseline: f64) {
        self.baseline = Some(baseline);
        self.ratio = Some(self.value / baseline);
    }

    /// The budget as a bound on the value, and whether the value keeps it.
    fn verdict(&self) -> Option<(f64, bool)> {
        let baseline = self.baseline.unwrap_or(0.0);
        let (bound, holds) = match self.budget? {
            Budget::Over { ratio, increment } => {
                let most = (baseline * ratio).max(baseline + increment);
                (most, self.value <= most)
            }
            Budget::AtMost { most } => (most, self.value <= most),
            Budget::Keeps { keeps } => (baseline * keeps, self.value >= baseline * keeps),
        };
        Some((bound, holds))
    }
}

impl Report {
    /// Prints the table, or with `json` exactly one line.
    ///
    /// # Errors
    /// When a figure is not a number.
    pub(crate) fn print(self, json: bool) -> anyhow::Result<Self> {
        let text = if json {
            serde_json::to_string(&self).context("a report is numbers and text")?
        } else {
            self.table()
        };
        say(&text);
        Ok(self)
    }

    /// Cases beyond their budget, and runs that were void.
    pub(crate) fn failures(&self) -> Vec<String> {
        let missed = self.cases.iter().filter_map(|case| match case.verdict()? {
            (_, true) => None,
            (bound, false) => Some(format!(
                "{} is {:.1}, budget {bound:.1}",
                case.name, case.value
            )),
        });
        missed.chain(self.void.iter().cloned()).collect()
    }

    fn table(&self) -> String {
        let mut lines = vec![format!(
            "{:<30} {:>10} {:<6} {:>10} {:>7} {:>7} {:>7} {:>10}",
            "case", "value", "unit", "baseline", "over", "ratio", "spread", "budget"
        )];
        for case in &self.cases {
            let optional = |value: Option<f64>, digits: usize| {
                value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
            };
            let over = case.baseline.map(|baseline| case.value - baseline);
            let (bound, remark) = match case.verdict() {
                Some((bound, true)) => (Some(bound), ""),
                Some((bound, false)) => (Some(bound), " MISSED"),
                None => (None, ""),
            };
            lines.push(format!(
                "{:<30} {:>10.1} {:<6} {:>10} {:>7} {:>7} {:>6.0}% {:>10}{remark}",
                case.name,
                case.value,
                case.unit,
                optional(case.baseline, 1),
                optional(over, 1),
                optional(case.ratio, 2),
                case.spread * 100.0,
                optional(bound, 1),
            ));
        }
        lines.extend(self.notes.iter().cloned());
        lines.extend(self.void.iter().map(|run| format!("void: {run}")));
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
            notes: Vec::new(),
            void: Vec::new(),
        };
        let cases = "\"cases\":[{\"name\":\"pass_hot\",\"value\":30.0,\"unit\":\"ns\",\
                     \"baseline\":15.0,\"ratio\":2.0,\"spread\":0.6666666666666666}]";
        let json = |report: &Report| serde_json::to_string(report).unwrap();
        assert_eq!(json(&report), format!("{{{cases}}}"));
        let report = Report {
            notes: vec!["for people".to_owned()],
            void: vec!["the sender was the limit".to_owned()],
            ..report
        };
        assert_eq!(
            json(&report),
            format!(
                "{{{cases},\"notes\":[\"for people\"],\"void\":[\"the sender was the limit\"]}}"
            )
        );
        assert!(
            report
                .table()
                .contains("for people\nvoid: the sender was the limit")
        );
        assert_eq!(report.failures(), ["the sender was the limit"]);
    }

    #[test]
    fn the_larger_bound_of_a_budget_holds() {
        let case = Case::new("pass_hot", "ns", &[20.0], Some(&[5.0])).unwrap();
        let bound = |ratio, increment| Case {
            budget: Some(Budget::Over { ratio, increment }),
            ..case.clone()
        };
        assert_eq!(bound(2.0, 25.0).verdict(), Some((30.0, true)));
        assert_eq!(bound(2.0, 5.0).verdict(), Some((10.0, false)));
        let keeps = Case {
            budget: Some(Budget::Keeps { keeps: 4.5 }),
            ..case.clone()
        };
        assert_eq!(keeps.verdict(), Some((22.5, false)));
        assert_eq!(case.verdict(), None);
        let report = Report {
            cases: vec![bound(2.0, 25.0), bound(2.0, 5.0)],
            ..Report::default()
        };
        assert_eq!(report.failures(), ["pass_hot is 20.0, budget 10.0"]);
    }
}
