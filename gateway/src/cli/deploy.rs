//! `gateway deploy API`.

use std::process::ExitCode;

use super::orders;
use super::output::Output;
use super::target::TargetArguments;
use crate::store::deployment::{NewCanary, Order};

/// Options of `gateway deploy`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Name or id of the API.
    api: String,
    /// Stage that is to serve it. Default: none, it is only kept.
    #[arg(long)]
    stage: Option<String>,
    /// What to say of it in `gateway deployments`.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Share of the stage's requests that get it, in percent; the others get what the stage serves
    /// now. REST APIs only.
    #[arg(long, value_name = "PERCENT", requires = "stage")]
    canary: Option<String>,
    /// Stage variable that the canary has instead of the stage's.
    #[arg(long = "variable", value_name = "NAME=VALUE", requires = "canary", value_parser = orders::variable)]
    variables: Vec<(String, String)>,
    #[command(flatten)]
    target: TargetArguments,
}

/// The configuration is read again for it, all of it, as by `gateway reload`.
pub(super) fn run(arguments: &Arguments, output: &mut Output) -> anyhow::Result<ExitCode> {
    let target = arguments.target.resolve()?;
    let canary = arguments.canary.as_ref().map(|percent| NewCanary {
        percent: percent.clone(),
        variables: orders::variables(&arguments.variables),
    });
    let order = Order::Deploy {
        stage: arguments.stage.clone(),
        description: arguments.description.clone(),
        canary,
    };
    orders::send(&target, &arguments.api, order, output)?;
    Ok(ExitCode::SUCCESS)
}
