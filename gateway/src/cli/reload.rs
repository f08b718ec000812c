//! `gateway reload`

use std::process::ExitCode;

use super::output::Output;
use super::target::TargetArguments;
use crate::daemon::protocol::{Request, call};

/// Make a running gateway read its configuration again.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    target: TargetArguments,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> anyhow::Result<ExitCode> {
    let target = arguments.target.resolve()?;
    let answer = call(&target.admin_socket, &Request::Reload)?;
    output.line(&answer.done()?);
    Ok(ExitCode::SUCCESS)
}
