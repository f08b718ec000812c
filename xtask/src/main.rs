//! Everything there is to do with this repository, as `cargo xtask <command>`.

mod process;
mod ebpf;
mod run;
mod test;
mod bench;
mod fuzz;
mod soak;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build and start the gateway: on an embedded demo, or on your own configuration.
    Run(run::Arguments),
    /// Run everything that can be tested on this machine, and name what was skipped and why.
    Test(test::Arguments),
    /// Build the BPF object from source, or check the committed one.
    Ebpf(ebpf::Arguments),
    /// Measure, as ratios to a baseline within one run.
    Bench(bench::Arguments),
    /// Search for frames, definitions and policies that parsers do not survive.
    Fuzz(fuzz::Arguments),
    /// Run the long proofs in full.
    Soak(soak::Arguments),
}

fn main() -> ExitCode {
    run(Arguments::parse().command).unwrap_or_else(|error| {
        let told = writeln!(std::io::stderr(), "error: {error:#}");
        // Standard error is gone: the exit code is what is left to say.
        drop(told);
        ExitCode::FAILURE
    })
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(arguments) => run::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Test(arguments) => test::run(&arguments),
        Command::Ebpf(arguments) => ebpf::run(arguments).map(|()| ExitCode::SUCCESS),
        Command::Bench(arguments) => bench::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Fuzz(arguments) => fuzz::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Soak(arguments) => soak::run(&arguments),
    }
}
