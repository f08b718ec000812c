//! `gateway rollback API`.

use std::process::ExitCode;

use super::orders;
use super::output::Output;
use super::target::TargetArguments;
use crate::store::deployment::Order;

/// Options of `gateway rollback`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Name or id of the API.
    api: String,
    /// The stage. Default: the only one.
    #[arg(long)]
    stage: Option<String>,
    /// Number of the deployment that it is to serve. Default: what it served before.
    #[arg(long, value_name = "NUMBER", value_parser = orders::deployment)]
    to: Option<u32>,
    #[command(flatten)]
    target: TargetArguments,
}

/// The file is not read for it: it holds until what the file says changes.
pub(super) fn run(arguments: &Arguments, output: &mut Output) -> anyhow::Result<ExitCode> {
    let target = arguments.target.resolve()?;
    let order = Order::Rollback {
        stage: arguments.stage.clone(),
        to: arguments.to,
    };
    orders::send(&target, &arguments.api, order, output)?;
    Ok(ExitCode::SUCCESS)
}
