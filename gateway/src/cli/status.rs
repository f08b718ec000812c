//! `gateway status`: what every stage serves.

use std::process::ExitCode;

use super::orders;
use super::output::Output;
use super::target::TargetArguments;
use crate::daemon::deployment_report::{ApiReport, StageReport};

/// Options of `gateway status`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Print one JSON array on one line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArguments,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> anyhow::Result<ExitCode> {
    let target = arguments.target.resolve()?;
    let apis = orders::known(&target, output)?;
    if arguments.json {
        output.line(&serde_json::to_string(&apis)?);
    } else {
        output.line(&table(&apis));
    }
    Ok(ExitCode::SUCCESS)
}

fn table(apis: &[ApiReport]) -> String {
    let mut rows = vec![format!(
        "{:<24} {:<16} {:>10}  {:<20} {}",
        "API", "STAGE", "DEPLOYMENT", "FILE", "CANARY"
    )];
    for api in apis.iter().filter(|api| api.gone_unix_seconds.is_none()) {
        for stage in &api.stages {
            let file = if stage.differs_from_file {
                "says something else"
            } else {
                "says the same"
            };
            rows.push(format!(
                "{:<24} {:<16} {:>10}  {file:<20} {}",
                api.api,
                stage.stage,
                stage.deployment,
                canary(stage)
            ));
            let promoted = stage.promoted_variables.iter();
            rows.extend(promoted.map(|(name, value)| {
                format!("  {name}={value}, which a promoted canary brought along")
            }));
        }
    }
    rows.join("\n")
}

fn canary(stage: &StageReport) -> String {
    match &stage.canary {
        None => "-".to_owned(),
        Some(canary) => {
            let variables = canary.variables.iter();
            let variables = variables.map(|(name, value)| format!(", {name}={value}"));
            format!(
                "{} % get deployment {}{}",
                canary.percent,
                canary.deployment,
                variables.collect::<String>()
            )
        }
    }
}
