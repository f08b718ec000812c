//! Cases as a table for people or as one line of JSON for programs.

use serde_json::json;

use crate::process::say;

/// One measured thing.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// Median of its windows.
    pub(crate) value: f64,
    pub(crate) unit: String,
    /// Median of the baseline's windows, where there is one.
    pub(crate) baseline: Option<f64>,
    /// Distance from the least to the greatest window as a share of the median.
    pub(crate) spread: f64,
}

/// What one benchmark found.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) cases: Vec<Case>,
}

impl Report {
    pub(crate) fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            let cases: Vec<_> = self.cases.iter().map(Case::json).collect();
            return say(&json!({ "cases": cases }).to_string());
        }
        say(&format!(
            "{:<24}{:>12}{:>12}{:>8}{:>9}  unit",
            "case", "value", "baseline", "ratio", "spread"
        ))?;
        for case in &self.cases {
            let shown = |number: Option<f64>| {
                number.map_or_else(|| "none".to_owned(), |number| format!("{number:.2}"))
            };
            say(&format!(
                "{:<24}{:>12.2}{:>12}{:>8}{:>8.1}%  {}",
                case.name,
                case.value,
                shown(case.baseline),
                shown(case.ratio()),
                case.spread * 100.0,
                case.unit
            ))?;
        }
        Ok(())
    }
}

impl Case {
    fn ratio(&self) -> Option<f64> {
        self.baseline.map(|baseline| self.value / baseline)
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "baseline": self.baseline,
            "ratio": self.ratio(),
            "spread": self.spread,
        })
    }
}
