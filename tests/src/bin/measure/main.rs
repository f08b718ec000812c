//! Measurements that need the harness of the suites. `cargo xtask bench` is the only caller: it
//! builds this program optimised, runs it and makes a table of what it prints.

mod outcome;
mod auth;
mod place;
mod edge;
mod daemon;
mod filter;
mod calls;
mod flood;
mod drops;
mod honest;
mod penalised;

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "measure", about, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What it costs to let a caller in.
    Auth {
        /// Windows for each case.
        #[arg(long)]
        windows: u16,
    },
    /// Nanoseconds per packet in the kernel, and what else the edge is measured by.
    Edge {
        /// Windows for each case.
        #[arg(long)]
        windows: u16,
        /// The object with the entry point that varies sources.
        #[arg(long)]
        varying: Option<PathBuf>,
    },
    /// What limits cost: a charge, and attempts of those who are penalised.
    Throttle {
        /// Windows for each case.
        #[arg(long)]
        windows: u16,
    },
    /// Goodput and latency of honest clients under floods, without and with the edge.
    Flood {
        /// Windows for each flood.
        #[arg(long)]
        windows: u16,
    },
}

fn main() -> anyhow::Result<()> {
    let outcome = match Arguments::parse().command {
        Command::Auth { windows } => auth::run(windows)?,
        Command::Edge { windows, varying } => edge::run(windows, varying.as_deref())?,
        Command::Throttle { windows } => {
            let mut outcome = outcome::Outcome::default();
            daemon::measure_charges(windows, &mut outcome)?;
            penalised::measure(windows, &mut outcome)?;
            outcome
        }
        Command::Flood { windows } => {
            // One thread, which stays on one processor.
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(flood::run(windows))?
        }
    };
    writeln!(std::io::stdout(), "{}", outcome.json()).context("standard output")
}
