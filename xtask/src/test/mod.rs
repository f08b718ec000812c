//! `cargo xtask test`: everything that can be tested on this machine.
//!
//! Every step runs, whatever became of those before it. What was skipped is named with its reason
//! at the end; `GATEWAY_KERNEL_TESTS=require` makes a skip a failure. The closing line, alone on
//! its line, is `N passed, N failed`, followed by `, N skipped` if there are any: the sums over
//! all test programs, and one failure for each step that failed without a failed test (formatting,
//! lints, a program that did not compile or died).
//!
//! A last step holds `docs/semantics.md` against what ran: each test that it names has to be among
//! those that passed.

mod semantics;
mod tally;

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, ExitCode, Stdio};

use anyhow::Context as _;

use crate::process::{self, say, shown};
pub(crate) use tally::Tally;

/// The variable that turns a skip into a failure.
const KERNEL_TESTS: &str = "GATEWAY_KERNEL_TESTS";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Options for the test programs, such as a part of the names of those to run. Formatting,
    /// lints, models and semantics are then left out, and named as skipped.
    #[arg(last = true)]
    tests: Vec<OsString>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut tally = Tally::default();
    if arguments.tests.is_empty() {
        step(
            &mut tally,
            "formatting",
            process::cargo()?.args(["fmt", "--all", "--check"]),
        )?;
        let lints = [
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "--deny",
            "warnings",
        ];
        step(&mut tally, "lints", process::cargo()?.args(lints))?;
        step(&mut tally, "models", &mut models()?)?;
    } else {
        for left_out in ["formatting", "lints", "models", semantics::STEP] {
            tally.skip(left_out, "only some tests were asked for");
        }
    }
    let tests = [
        "test",
        "--workspace",
        "--no-fail-fast",
        "--",
        "--show-output",
    ];
    step(
        &mut tally,
        "tests",
        process::cargo()?.args(tests).args(&arguments.tests),
    )?;

    if arguments.tests.is_empty() {
        semantics::check(&mut tally)?;
    }

    if std::env::var_os(KERNEL_TESTS).is_some_and(|value| value == "require") {
        tally.refuse_skips();
    }
    say(&tally.to_string())?;
    Ok(tally.exit_code())
}

/// The exhaustive search through the interleavings of the bucket table. Its atomics are loom's, so
/// it is a build of its own, in a directory of its own.
fn models() -> anyhow::Result<Command> {
    let mut command = process::cargo()?;
    command
        .args([
            "test",
            "--package",
            "gateway-common",
            "--release",
            "--test",
            "loom",
            "--",
            "--show-output",
        ])
        .env("RUSTFLAGS", "--cfg loom")
        .env(
            "CARGO_TARGET_DIR",
            process::target_directory()?.join("loom"),
        );
    Ok(command)
}

/// Runs one step to its end and counts what it reports.
pub(crate) fn step(tally: &mut Tally, name: &str, command: &mut Command) -> anyhow::Result<()> {
    let shown = shown(command);
    say(&format!("\n== {name}: {shown}"))?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting `{shown}`"))?;
    let stdout = child
        .stdout
        .take()
        .context("the step has no standard output")?;
    let before = tally.failed();
    let mut program = tally.program();
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line.with_context(|| format!("reading what `{shown}` prints"))?;
        let line = String::from_utf8_lossy(&line);
        if program.line(&line) {
            say(&line)?;
        }
    }
    let status = child
        .wait()
        .with_context(|| format!("waiting for `{shown}`"))?;
    if !status.success() && tally.failed() == before {
        tally.fail(name, &format!("`{shown}` ended with {status}"));
    }
    Ok(())
}
