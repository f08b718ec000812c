//! The command line, as operators and scripts meet it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail them by panicking, as tests do"
)]

mod check;
mod doctor;
mod explain;
mod help;
mod keys;
mod keys_at_once;
mod lists;
mod reload;
mod run;
mod top;
mod usage;

use std::process::{Command, Output};

use gateway_tests::gateway::BINARY;
use gateway_tests::process::output;

/// Runs the binary to its end.
fn gateway(arguments: &[&str]) -> Output {
    let mut command = Command::new(&*BINARY);
    command.args(arguments).env("COLUMNS", "100");
    output(&mut command).expect("the binary runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
