//! `gateway explain packet`: what the kernel edge would make of a packet, and why.
//!
//! The answer is the program's own, run against the live maps without changing any of them; this
//! command only finds words for it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde::Serialize;

use super::{described, words};
use crate::cli::names;
use crate::cli::output::Output;
use crate::cli::target::{Target, TargetArguments};
use crate::packet::{Headers, capture};
use crate::xdp::explain::{Explanation, FRAME_BYTES_MIN, explain};
use crate::xdp::stats::open_pinned;

/// Options of `gateway explain packet`.
#[derive(Debug, clap::Args)]
pub(super) struct PacketArguments {
    #[command(flatten)]
    target: TargetArguments,
    #[command(flatten)]
    described: described::Arguments,
    /// Interface it comes in on; by default the one that carries the program, if it is one.
    #[arg(long, value_name = "NAME")]
    interface: Option<String>,
    /// Take the packet from this capture of tcpdump, Wireshark or `gateway events --pcap`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["src", "dst"])]
    pcap: Option<PathBuf>,
    /// Which packet of the capture, counted from one.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "pcap")]
    index: usize,
    /// Print one JSON object on one line.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    packet: String,
    bytes: usize,
    interface: Option<&'a str>,
    verdict: &'static str,
    reason: &'static str,
    family: &'static str,
    listener: Option<String>,
    steps: Vec<words::Step>,
}

pub(super) fn run(arguments: &PacketArguments, output: &mut Output) -> anyhow::Result<ExitCode> {
    let target = arguments.target.resolve()?;
    let frame = frame(arguments)?;
    let interface = interface(arguments.interface.as_deref(), &target)?;
    let index = interface.as_ref().map_or(0, |(_, index)| *index);
    let explanation =
        explain(&target.instance, &frame, index).with_context(|| cannot_ask(&target))?;
    let names = names::of(&target, output);
    let headers = Headers::of(&frame);
    let report = Report {
        packet: headers.to_string(),
        bytes: frame.len(),
        interface: interface.as_ref().map(|(name, _)| name.as_str()),
        verdict: explanation.verdict.name(),
        reason: explanation.reason.name(),
        family: explanation.family.name(),
        listener: explanation
            .listener
            .map(|number| names.listener(number).into_owned()),
        steps: words::steps(&explanation, &names, &headers),
    };
    if arguments.json {
        output.line(&serde_json::to_string(&report)?);
    } else {
        output.line(&text(&report, &explanation));
    }
    Ok(ExitCode::SUCCESS)
}

fn cannot_ask(target: &Target) -> String {
    let instance = &target.instance;
    format!("cannot ask the kernel edge of `{instance}` (this needs root)")
}

/// The frame that is asked about.
fn frame(arguments: &PacketArguments) -> anyhow::Result<Vec<u8>> {
    let Some(path) = &arguments.pcap else {
        return arguments.described.frame();
    };
    let found = capture::frame_of(path, arguments.index)
        .with_context(|| format!("cannot take a packet from `{}`", path.display()))?;
    let wire_bytes = usize::try_from(found.wire_bytes)?;
    let mut frame = found.bytes;
    if frame.len() < FRAME_BYTES_MIN {
        bail!(
            "`{}` has {} bytes of packet {}: a frame has at least {FRAME_BYTES_MIN}",
            path.display(),
            frame.len(),
            arguments.index
        );
    }
    // Lengths in the headers speak of the whole; what was not captured is data that nobody reads.
    if frame.len() < wire_bytes {
        frame.resize(wire_bytes.min(WIRE_BYTES_MAX), 0);
    }
    Ok(frame)
}

/// The largest frame that is filled up to the length it had on the wire.
const WIRE_BYTES_MAX: usize = 16_384;

/// Name and index of the interface that the packet is to have come in on.
fn interface(named: Option<&str>, target: &Target) -> anyhow::Result<Option<(String, u32)>> {
    if let Some(name) = named {
        let index = nix::net::if_::if_nametoindex(name)
            .map_err(|_unknown| anyhow::anyhow!("there is no network interface `{name}` here"))?;
        return Ok(Some((name.to_owned(), index)));
    }
    let pinned = open_pinned(&target.instance).with_context(|| cannot_ask(target))?;
    let attachments = pinned.map_or_else(Vec::new, |pinned| pinned.attachments);
    let [only] = attachments.as_slice() else {
        return Ok(None);
    };
    let index = names::index(&only.interface);
    Ok(index.map(|index| (only.interface.clone(), index)))
}

/// The whole answer for people.
fn text(report: &Report<'_>, explanation: &Explanation) -> String {
    let on = report
        .interface
        .map_or_else(String::new, |name| format!(" on {name}"));
    let mut lines = vec![format!("{}, {} bytes{on}", report.packet, report.bytes)];
    for (number, step) in (1..).zip(&report.steps) {
        lines.push(format!("{number:>3}. {}", step.says));
    }
    let (verdict, reason) = (explanation.verdict, explanation.reason);
    lines.push(format!(
        "verdict: {} ({}): {}",
        verdict.name(),
        reason.name(),
        reason.description()
    ));
    lines.join("\n")
}
