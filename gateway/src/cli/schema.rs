//! `gateway schema`.

use std::process::ExitCode;

use super::output::Output;

/// Options of `gateway schema`: none yet.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

/// Prints the JSON Schema of the configuration.
#[expect(clippy::unnecessary_wraps, reason = "every command has this form")]
pub(super) fn run(_: &Arguments, output: &mut Output) -> anyhow::Result<ExitCode> {
    output.line(&format!("{:#}", crate::config::schema()));
    Ok(ExitCode::SUCCESS)
}
