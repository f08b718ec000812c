//! `gateway canary set|promote|stop`.

use std::process::ExitCode;

use clap::Subcommand;

use super::orders;
use super::output::Output;
use super::target::TargetArguments;
use crate::store::deployment::Order;

/// Options of `gateway canary`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Change its share, its variables or what it serves.
    Set {
        #[command(flatten)]
        stage: Stage,
        /// Its share of the stage's requests, in percent.
        #[arg(long, value_name = "PERCENT")]
        percent: Option<String>,
        /// Number of the deployment that it is to serve.
        #[arg(long, value_name = "NUMBER", value_parser = orders::deployment)]
        to: Option<u32>,
        /// Stage variable that it has instead of the stage's.
        #[arg(long = "variable", value_name = "NAME=VALUE", value_parser = orders::variable)]
        variables: Vec<(String, String)>,
        /// Stage variable that it has no more instead of the stage's.
        #[arg(long, value_name = "NAME")]
        unset: Vec<String>,
    },
    /// Have the stage serve everybody what its canary serves. The canary stays, with 0 percent.
    Promote {
        #[command(flatten)]
        stage: Stage,
    },
    /// Take it away: everybody gets what the stage serves.
    Stop {
        #[command(flatten)]
        stage: Stage,
    },
}

#[derive(Debug, clap::Args)]
struct Stage {
    /// Name or id of the API.
    api: String,
    /// The stage. Default: the only one.
    #[arg(long)]
    stage: Option<String>,
    #[command(flatten)]
    target: TargetArguments,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> anyhow::Result<ExitCode> {
    let (stage, order) = match &arguments.action {
        Action::Set {
            stage,
            percent,
            to,
            variables,
            unset,
        } => {
            if percent.is_none() && to.is_none() && variables.is_empty() && unset.is_empty() {
                anyhow::bail!("nothing is to change: name --percent, --to, --variable or --unset");
            }
            let order = Order::SetCanary {
                stage: stage.stage.clone(),
                percent: percent.clone(),
                to: *to,
                variables: orders::variables(variables),
                unset: unset.clone(),
            };
            (stage, order)
        }
        Action::Promote { stage } => {
            let order = Order::PromoteCanary {
                stage: stage.stage.clone(),
            };
            (stage, order)
        }
        Action::Stop { stage } => {
            let order = Order::StopCanary {
                stage: stage.stage.clone(),
            };
            (stage, order)
        }
    };
    let target = stage.target.resolve()?;
    orders::send(&target, &stage.api, order, output)?;
    Ok(ExitCode::SUCCESS)
}
