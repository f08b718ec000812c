//! Everything there is to do with this repository, as `cargo xtask <command>`.

mod process;
mod ebpf;
mod run;
mod test;
mod bench;
mod soak;

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
    /// Run the long proofs in full.
    Soak(soak::Arguments),
}

fn main() -> anyhow::Result<ExitCode> {
    match Arguments::parse().command {
        Command::Run(arguments) => run::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Test(arguments) => test::run(&arguments),
        Command::Ebpf(arguments) => ebpf::run(arguments).map(|()| ExitCode::SUCCESS),
        Command::Bench(arguments) => bench::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Soak(arguments) => soak::run(&arguments),
    }
}
