//! `gateway cache`: what a running gateway remembers of authorizers and lookups.

use std::process::ExitCode;

use clap::Subcommand;

use super::output::Output;
use super::target::TargetArguments;
use crate::daemon::protocol::{Request, call};

/// Arguments of `gateway cache`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Forget what is remembered: no request from then on is answered by it.
    Flush {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        target: TargetArguments,
    },
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Whose {
    /// Decisions of the authorizer of this name, and of what deployments keep of it.
    #[arg(long, value_name = "NAME")]
    authorizer: Option<String>,
    /// Records that the lookup of this name found.
    #[arg(long, value_name = "NAME")]
    lookup: Option<String>,
    /// Decisions about this caller, by the name that the access log calls it, and the records of this key.
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> anyhow::Result<ExitCode> {
    let Action::Flush { whose, target } = &arguments.action;
    let request = Request::CacheFlush {
        authorizer: whose.authorizer.clone(),
        lookup: whose.lookup.clone(),
        principal: whose.principal.clone(),
    };
    let answer = call(&target.resolve()?.admin_socket, &request)?;
    output.line(&answer.done()?);
    Ok(ExitCode::SUCCESS)
}
