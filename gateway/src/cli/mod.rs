//! One command, one file. [`output`] is the only place that prints.

mod output;
mod target;
mod source;
mod run;
mod penalties;
mod reload;
mod check;
mod schema;
mod import;
mod export;
mod orders;
mod deploy;
mod deployments;
mod rollback;
mod canary;
mod status;
mod diff;
mod stats;
mod time;
mod by_hand;
mod confirm;
mod session;
mod keys;
mod lists;
mod usage;
mod top;
mod names;
mod events;
mod explain;
mod xdp;
mod xdp_status;
mod doctor;
mod attack;
mod cache;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::store::list::ByHand;
use output::Output;

/// A self-hosted API gateway with a kernel edge.
#[derive(Debug, Parser)]
#[command(name = "gateway", version, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the gateway.
    Run(run::Arguments),
    /// Make a running gateway read its configuration again, all or nothing.
    Reload(reload::Arguments),
    /// Read a configuration and report every error in it.
    Check(check::Arguments),
    /// Say what becomes of an OpenAPI definition, part by part.
    Import(import::Arguments),
    /// Freeze what the configuration says an API does, and have a stage serve it.
    Deploy(deploy::Arguments),
    /// Show the deployments of APIs.
    Deployments(deployments::Arguments),
    /// Have a stage serve an older deployment.
    Rollback(rollback::Arguments),
    /// Change, promote and stop what a stage tries on a share of its requests.
    Canary(canary::Arguments),
    /// Show what every stage serves, and whether that is what the configuration says.
    Status(status::Arguments),
    /// Show what changes between deployments of an API, or against the configuration.
    Diff(diff::Arguments),
    /// Write an API back as an OpenAPI definition.
    Export(export::Arguments),
    /// Print the JSON Schema of the configuration, for editors.
    Schema(schema::Arguments),
    /// Show what the kernel edge and the buckets counted.
    Stats(stats::Arguments),
    /// Show and change the list of sources that are kept out.
    Deny(by_hand::Arguments),
    /// Show and change the list of sources that are let in without limits.
    Allow(by_hand::Arguments),
    /// Make, list, change and import API keys.
    Keys(keys::Arguments),
    /// Show every list, those from files included.
    Lists(lists::Arguments),
    /// Show what API keys have used, for bills, and say what is left to one.
    Usage(usage::Arguments),
    /// Show live who is being judged: reasons, sources, throttles.
    Top(top::Arguments),
    /// Show a sample of what the kernel edge drops, packet by packet.
    Events(events::Arguments),
    /// Say what would become of a request or a packet, step by step.
    Explain(explain::Arguments),
    /// Attach, detach and look at the kernel edge.
    Xdp(xdp::Arguments),
    /// Examine this host for the kernel edge: what is missing, and what changes it.
    Doctor(doctor::Arguments),
    /// Show and say whether the gateway is under attack.
    Attack(attack::Arguments),
    /// Show who is penalised for ignoring limits, pardon a source, or cut one off.
    Penalties(penalties::Arguments),
    /// Forget what is remembered of callers.
    Cache(cache::Arguments),
}

/// Runs the command line of this process. Exit codes: 0 done, 1 refused or failed, 2 wrong usage.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut output = Output::standard();
    let outcome = match arguments.command {
        Command::Run(arguments) => run::run(&arguments, &mut output),
        Command::Reload(arguments) => reload::run(&arguments, &mut output),
        Command::Check(arguments) => check::run(&arguments, &mut output),
        Command::Import(arguments) => import::run(&arguments, &mut output),
        Command::Deploy(arguments) => deploy::run(&arguments, &mut output),
        Command::Deployments(arguments) => deployments::run(&arguments, &mut output),
        Command::Rollback(arguments) => rollback::run(&arguments, &mut output),
        Command::Canary(arguments) => canary::run(&arguments, &mut output),
        Command::Status(arguments) => status::run(&arguments, &mut output),
        Command::Diff(arguments) => diff::run(&arguments, &mut output),
        Command::Export(arguments) => export::run(&arguments, &mut output),
        Command::Schema(arguments) => schema::run(&arguments, &mut output),
        Command::Stats(arguments) => stats::run(&arguments, &mut output),
        Command::Deny(arguments) => by_hand::run(ByHand::Deny, &arguments, &mut output),
        Command::Allow(arguments) => by_hand::run(ByHand::Allow, &arguments, &mut output),
        Command::Keys(arguments) => keys::run(&arguments, &mut output),
        Command::Lists(arguments) => lists::run(&arguments, &mut output),
        Command::Usage(arguments) => usage::run(&arguments, &mut output),
        Command::Top(arguments) => top::run(&arguments, &mut output),
        Command::Events(arguments) => events::run(&arguments, &mut output),
        Command::Explain(arguments) => explain::run(&arguments, &mut output),
        Command::Xdp(arguments) => xdp::run(&arguments, &mut output),
        Command::Doctor(arguments) => doctor::run(&arguments, &mut output),
        Command::Attack(arguments) => attack::run(&arguments, &mut output),
        Command::Penalties(arguments) => penalties::run(&arguments, &mut output),
        Command::Cache(arguments) => cache::run(&arguments, &mut output),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            output.error(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
