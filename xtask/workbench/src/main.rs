//! What the gateway is shown and measured with, as one program of its own.
//!
//! It is apart from `xtask` so that `cargo xtask` itself builds in seconds on a fresh machine and
//! the cryptography is compiled once, visibly, together with the gateway; and so that the
//! benchmark can use an optimised client and upstream while `xtask` stays unoptimised. `xtask` is
//! its only caller: the options are no interface for people.

mod credentials;
mod guard;
mod abuse;
mod load;
mod steady;
mod tether;
mod upstream;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "workbench", about, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a certificate, a key set and a token that a day makes worthless.
    Credentials(credentials::Arguments),
    /// Serve small answers on an ephemeral loopback port, which it prints.
    Upstream(upstream::Arguments),
    /// Become a program that ends with its parent.
    Tether(tether::Arguments),
    /// Run a program until it ends or standard input closes.
    Guard(guard::Arguments),
    /// Send requests over keep-alive connections for a while and print what came back.
    Load(load::Arguments),
    /// Send them at a rate, whatever became of those before, and print what came back.
    Steady(steady::Arguments),
    /// Send them without listening to what comes back, and print how many.
    Abuse(abuse::Arguments),
}

fn main() -> anyhow::Result<ExitCode> {
    let command = Arguments::parse().command;
    // One thread: the benchmark pins this process to one core, and a parent-death signal follows
    // the thread that started a child, which must therefore be the one that ends last.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match command {
        Command::Credentials(arguments) => credentials::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Upstream(arguments) => runtime
            .block_on(upstream::run(&arguments))
            .map(|()| ExitCode::SUCCESS),
        Command::Tether(arguments) => tether::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Guard(arguments) => runtime.block_on(guard::run(&arguments)),
        Command::Load(arguments) => runtime
            .block_on(load::run(&arguments))
            .map(|()| ExitCode::SUCCESS),
        Command::Steady(arguments) => runtime
            .block_on(steady::run(&arguments))
            .map(|()| ExitCode::SUCCESS),
        Command::Abuse(arguments) => runtime
            .block_on(abuse::run(&arguments))
            .map(|()| ExitCode::SUCCESS),
    }
}
