//! `gateway penalties`: who is penalised, and changing that by hand.

use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;

use super::output::Output;
use super::target::TargetArguments;
use super::time::{parse_time, spoken};
use crate::daemon::penalties::PenaltyReport;
use crate::daemon::protocol::{CallError, Request, Response, call};

/// Arguments of `gateway penalties`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the penalties that have not ended, the longest first.
    List {
        /// Print one JSON array on one line.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Forget what a source has done, and let it open connections again.
    Pardon {
        /// Its address.
        source: IpAddr,
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Have a source open no new connection for a while, but for the trickle.
    Add {
        /// Its address.
        source: IpAddr,
        /// For how long, such as `90s` or `10m`, which is the longest.
        #[arg(long = "for", value_name = "TIME", value_parser = parse_time)]
        length: Duration,
        #[command(flatten)]
        target: TargetArguments,
    },
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> anyhow::Result<ExitCode> {
    let (request, target) = match &arguments.action {
        Action::List { json, target } => {
            let target = target.resolve()?;
            let Response::Penalties {
                penalties, more, ..
            } = call(&target.admin_socket, &Request::Penalties)?
            else {
                return Err(CallError::OtherAnswer.into());
            };
            if *json {
                output.line(&serde_json::to_string(&penalties)?);
            } else {
                output.line(&table(&penalties));
            }
            if more > 0 {
                output.error(&format!("{more} more are not listed, which end sooner"));
            }
            return Ok(ExitCode::SUCCESS);
        }
        Action::Pardon { source, target } => {
            let source = source.to_string();
            (Request::PenaltyPardon { source }, target)
        }
        Action::Add {
            source,
            length,
            target,
        } => {
            let (source, seconds) = (source.to_string(), length.as_secs());
            (Request::PenaltyAdd { source, seconds }, target)
        }
    };
    let answer = call(&target.resolve()?.admin_socket, &request)?;
    output.line(&answer.done()?);
    Ok(ExitCode::SUCCESS)
}

fn table(penalties: &[PenaltyReport]) -> String {
    if penalties.is_empty() {
        return "nobody is penalised".to_owned();
    }
    let mut rows = vec![format!(
        "{:<40} {:<8} {:<12} {}",
        "SOURCE", "STEP", "LEFT", "KEY"
    )];
    rows.extend(penalties.iter().map(|penalty| {
        let key = penalty.key.as_deref().unwrap_or("-");
        let left = spoken(penalty.left_seconds);
        let (source, step) = (penalty.source.to_string(), &penalty.step);
        format!("{source:<40} {step:<8} {left:<12} {key}")
    }));
    rows.join("\n")
}
