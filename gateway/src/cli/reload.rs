//! `gateway reload`

use std::process::ExitCode;

use super::output::Output;
use super::target::TargetArguments;
use crate::daemon::protocol::{Request, Response, call};

/// Make a running gateway read its configuration again.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    target: TargetArguments,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> anyhow::Result<ExitCode> {
    let target = arguments.target.resolve()?;
    match call(&target.admin_socket, &Request::Reload)? {
        Response::Done { message } => {
            output.line(&message);
            Ok(ExitCode::SUCCESS)
        }
        Response::Refused { message } => {
            output.error(&message);
            Ok(ExitCode::FAILURE)
        }
        _ => anyhow::bail!("the gateway answered another question"),
    }
}
