//! Commands of the binary, beside a gateway and without one.

use std::path::Path;
use std::process::{Command, Output};

use crate::gateway::{BINARY, Gateway};
use crate::process::output;

/// Runs a command with this configuration to its end.
///
/// # Panics
/// If the binary cannot be started, or does not end.
#[must_use]
pub fn run(config: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(&*BINARY);
    command.args(arguments).arg("--config").arg(config);
    output(&mut command).expect("the binary runs")
}

/// Runs a command beside `gateway`, whose answers may need this thread's runtime.
///
/// # Panics
/// As [`run`].
pub async fn ask(gateway: &Gateway, arguments: &[&str]) -> Output {
    let config = gateway.config_path();
    let arguments: Vec<String> = arguments.iter().map(|&text| text.to_owned()).collect();
    let run = tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        run(&config, &arguments)
    });
    run.await.expect("the command ends")
}

/// What a command that went well says.
///
/// # Panics
/// If it failed.
#[must_use]
#[track_caller]
pub fn told(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    text.trim_end().to_owned()
}

/// What a command that failed says, and nothing besides.
///
/// # Panics
/// If it went well or printed a result.
#[must_use]
#[track_caller]
pub fn refused(output: &Output) -> String {
    assert!(!output.status.success(), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    let errors = String::from_utf8_lossy(&output.stderr);
    errors.trim_end().to_owned()
}
