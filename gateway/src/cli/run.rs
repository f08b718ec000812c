//! `gateway run`

use std::path::PathBuf;
use std::process::ExitCode;

use super::output::Output;
use crate::daemon::{self, Options, StartError};
use crate::telemetry::operator_log;

/// Start the gateway.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Interface to attach XDP to instead of the configured ones; may be repeated.
    #[arg(long, value_name = "NAME")]
    interface: Vec<String>,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> anyhow::Result<ExitCode> {
    operator_log::install()?;
    let options = Options {
        config: arguments.config.clone(),
        interfaces: arguments.interface.clone(),
    };
    match daemon::run(options) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(StartError::Config(report)) => {
            output.error(&report.to_string());
            Ok(ExitCode::FAILURE)
        }
        Err(StartError::Setup(error)) => Err(error),
    }
}
