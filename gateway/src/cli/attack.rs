//! `gateway attack`: whether the gateway is under attack.

use std::process::ExitCode;

use clap::Subcommand;

use super::output::Output;
use super::target::TargetArguments;
use crate::daemon::protocol::{AttackMode, Request, call};

/// Arguments of `gateway attack`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say that the gateway is under attack, until `off` or `auto`.
    On(TargetArguments),
    /// Say that it is not, until `on` or `auto`.
    Off(TargetArguments),
    /// Leave it to the configured threshold, as after every start.
    Auto(TargetArguments),
    /// Print whether it is, who says so, and how many new connections there are.
    Status(TargetArguments),
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> anyhow::Result<ExitCode> {
    let set = |mode| Request::Attack { mode };
    let (request, target) = match &arguments.action {
        Action::On(target) => (set(AttackMode::On), target),
        Action::Off(target) => (set(AttackMode::Off), target),
        Action::Auto(target) => (set(AttackMode::Auto), target),
        Action::Status(target) => (Request::AttackStatus, target),
    };
    let answer = call(&target.resolve()?.admin_socket, &request)?;
    output.line(&answer.done()?);
    Ok(ExitCode::SUCCESS)
}
