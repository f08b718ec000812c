//! The program that measures what needs the harness of the suites, and what it said.
//!
//! It is apart from this one so that `cargo xtask` builds in seconds, and so that it can be
//! optimised while this one is not.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use serde::Deserialize;

use super::report::{Budget, Case, Report};
use crate::process;

#[derive(Debug, Deserialize)]
struct Outcome {
    cases: Vec<Measured>,
    notes: Vec<String>,
    void: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Measured {
    name: String,
    unit: String,
    windows: Vec<f64>,
    baseline: Vec<f64>,
    budget: Option<Budget>,
}

/// Builds the program as it is shipped.
pub(super) fn build() -> anyhow::Result<PathBuf> {
    let mut command = process::cargo()?;
    command.args(["build", "--release"]);
    command.args(["--package", "gateway-tests", "--bin", "measure"]);
    process::succeed(&mut command)?;
    Ok(process::target_directory()?.join("release/measure"))
}

/// Runs it and reads what it measured.
pub(super) fn run(program: &Path, arguments: &[&str]) -> anyhow::Result<Report> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("starting `{}`", program.display()))?;
    anyhow::ensure!(
        output.status.success(),
        "nothing was measured: {}",
        output.status
    );
    let text = str::from_utf8(&output.stdout).context("what was measured")?;
    let outcome: Outcome = serde_json::from_str(text).context("what was measured")?;
    let mut report = Report {
        cases: Vec::new(),
        notes: outcome.notes,
        void: outcome.void,
    };
    for measured in outcome.cases {
        let baseline = Some(measured.baseline.as_slice()).filter(|windows| !windows.is_empty());
        let case = Case::new(&measured.name, &measured.unit, &measured.windows, baseline)?;
        report.cases.push(Case {
            budget: measured.budget,
            ..case
        });
    }
    Ok(report)
}
