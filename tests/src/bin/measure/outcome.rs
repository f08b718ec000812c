//! What was measured, as one JSON object on one line.

use serde_json::{Value, json};

/// What a case may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Budget {
    /// The larger of `ratio` times the baseline and `increment` more than the baseline.
    Over {
        /// Times the baseline.
        ratio: f64,
        /// In the case's unit.
        increment: f64,
    },
    /// No more than this.
    AtMost(f64),
    /// No less than this part of the baseline.
    Keeps(f64),
}

/// One measured case.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    /// One value for each window.
    pub(crate) windows: Vec<f64>,
    /// What each window was compared with; empty where it is compared with nothing.
    pub(crate) baseline: Vec<f64>,
    pub(crate) budget: Option<Budget>,
}

impl Case {
    /// A case with a value only.
    pub(crate) fn value(name: &str, unit: &'static str, value: f64) -> Self {
        Self {
            name: name.to_owned(),
            unit,
            windows: vec![value],
            baseline: Vec::new(),
            budget: None,
        }
    }

    /// The same within a budget.
    pub(crate) const fn within(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self
    }

    fn json(&self) -> Value {
        let budget = self.budget.map(|budget| match budget {
            Budget::Over { ratio, increment } => json!({"ratio": ratio, "increment": increment}),
            Budget::AtMost(most) => json!({"most": most}),
            Budget::Keeps(part) => json!({"keeps": part}),
        });
        json!({
            "name": self.name,
            "unit": self.unit,
            "windows": self.windows,
            "baseline": self.baseline,
            "budget": budget,
        })
    }
}

/// Everything that one run has to say.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) cases: Vec<Case>,
    /// For people, line by line.
    pub(crate) notes: Vec<String>,
    /// Runs that say nothing, because something else than what they measure was the limit.
    pub(crate) void: Vec<String>,
}

impl Outcome {
    /// The whole as JSON.
    pub(crate) fn json(&self) -> Value {
        let cases: Vec<_> = self.cases.iter().map(Case::json).collect();
        json!({"cases": cases, "notes": self.notes, "void": self.void})
    }
}
