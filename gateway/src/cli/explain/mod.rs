//! `gateway explain`: what would become of a packet or of a request, and why.

mod described;
mod packet;
mod recent;
mod request;
mod words;

use std::process::ExitCode;

use clap::Subcommand;

use super::output::Output;

/// Arguments of `gateway explain`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    request: request::RequestArguments,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Explain one packet, described here or taken from a capture.
    Packet(Box<packet::PacketArguments>),
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> anyhow::Result<ExitCode> {
    match &arguments.what {
        Some(What::Packet(arguments)) => packet::run(arguments, output),
        None => match &arguments.request.request_id {
            Some(id) => recent::run(id, &arguments.request, output),
            None => request::run(&arguments.request, output),
        },
    }
}
