//! `gateway deployments`.

use std::process::ExitCode;

use super::orders;
use super::output::Output;
use super::target::TargetArguments;
use super::time::moment;
use crate::daemon::deployment_report::{ApiReport, DeploymentReport};

/// Options of `gateway deployments`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Name or id of the API.
    api: String,
    /// Print one JSON array on one line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArguments,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> anyhow::Result<ExitCode> {
    let target = arguments.target.resolve()?;
    let api = orders::api(&target, &arguments.api, output)?;
    if arguments.json {
        output.line(&serde_json::to_string(&api.deployments)?);
    } else {
        output.line(&table(&api));
    }
    Ok(ExitCode::SUCCESS)
}

fn table(api: &ApiReport) -> String {
    let mut rows = vec![format!(
        "{:>6} {:<20} {:<24} {}",
        "NUMBER", "MADE", "STAGES", "DESCRIPTION"
    )];
    rows.extend(api.deployments.iter().map(|deployment| {
        let DeploymentReport {
            number,
            created_unix_seconds,
            description,
            digest: _,
            stages,
        } = deployment;
        let stages = match stages.as_slice() {
            [] => "-".to_owned(),
            stages => stages.join(","),
        };
        let row = format!(
            "{number:>6} {:<20} {stages:<24} {}",
            moment(*created_unix_seconds),
            description.as_deref().unwrap_or_default()
        );
        row.trim_end().to_owned()
    }));
    rows.join("\n")
}
