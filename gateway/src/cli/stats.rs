//! `gateway stats`: what the kernel edge and the buckets counted.
//!
//! Reads the pinned maps itself, so it works while no gateway runs. Without a kernel edge it reads
//! the mapped file, and says so.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::Serialize;

use super::output::Output;
use super::target::{Target, TargetArguments};
use crate::store::bucket::{BootId, FILE_NAME, read_file};
use crate::xdp::stats::{Pinned, Snapshot, family_name, open_pinned, verdict_name};

/// Time between two readings of `--watch`.
const PERIOD: Duration = Duration::from_secs(1);

/// Arguments of `gateway stats`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    target: TargetArguments,
    /// Print one JSON object on one line.
    #[arg(long)]
    json: bool,
    /// Print again every second, until interrupted.
    #[arg(long)]
    watch: bool,
}

/// Names of the sources in the output.
const KERNEL: &str = "kernel";
const FILE: &str = "file";
const STALE_FILE: &str = "stale_file";

/// Where the figures come from.
enum Source {
    Kernel(Box<Pinned>),
    File(std::path::PathBuf),
}

#[derive(Serialize)]
struct Report<'a> {
    instance: &'a str,
    source: &'static str,
    attachments: Vec<ReportedAttachment>,
    verdicts: Vec<ReportedVerdict>,
    incidents: BTreeMap<&'static str, u64>,
    slots: ReportedSlots,
}

#[derive(Serialize)]
struct ReportedAttachment {
    interface: String,
    mode: &'static str,
}

#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
struct ReportedVerdict {
    verdict: &'static str,
    reason: &'static str,
    family: &'static str,
    packets: u64,
    bytes: u64,
}

/// The slots in use, and what they counted together.
#[derive(Default, Serialize)]
struct ReportedSlots {
    used: usize,
    admitted: u64,
    rejected: u64,
    shed: u64,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> anyhow::Result<ExitCode> {
    let target = arguments.target.resolve()?;
    let source = find(&target)?;
    let mut before: Option<Vec<ReportedVerdict>> = None;
    loop {
        let report = read(&source, target.instance.as_str())?;
        if arguments.json {
            output.line(&serde_json::to_string(&report)?);
        } else {
            output.line(&text(&report, before.as_deref()));
        }
        if !arguments.watch || output.is_closed() {
            return Ok(ExitCode::SUCCESS);
        }
        before = Some(report.verdicts);
        std::thread::sleep(PERIOD);
    }
}

fn find(target: &Target) -> anyhow::Result<Source> {
    let instance = &target.instance;
    let pinned = open_pinned(instance).with_context(|| {
        format!("cannot read the kernel edge of `{instance}`: run as root or as the gateway's user")
    })?;
    let path = target.runtime_directory.join(FILE_NAME);
    let has_file = match std::fs::symlink_metadata(&path) {
        Ok(_) => true,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => return Err(unreadable(&path, error)),
    };
    match pinned {
        // Maps that no program feeds are of an earlier run where accept counts now.
        Some(pinned) if !(has_file && pinned.attachments.is_empty()) => {
            Ok(Source::Kernel(Box::new(pinned)))
        }
        _ if has_file => Ok(Source::File(path)),
        _ => bail!(
            "instance `{instance}` has neither pinned maps nor `{}`: start it with `gateway run`, \
             or name another one with --instance or --config",
            path.display()
        ),
    }
}

fn unreadable(path: &Path, error: std::io::Error) -> anyhow::Error {
    anyhow::Error::new(error).context(format!(
        "cannot read `{}`: run as root or as the gateway's user",
        path.display()
    ))
}

fn read<'a>(source: &Source, instance: &'a str) -> anyhow::Result<Report<'a>> {
    match source {
        Source::Kernel(pinned) => {
            let attachments = pinned.attachments.iter();
            let attachments = attachments.map(|attachment| ReportedAttachment {
                interface: attachment.interface.clone(),
                mode: attachment.mode.name(),
            });
            let snapshot = pinned.statistics.read()?;
            Ok(report(instance, KERNEL, attachments.collect(), &snapshot))
        }
        Source::File(path) => {
            let reading = read_file(path).map_err(|error| unreadable(path, error))?;
            let is_of_this_boot = BootId::current().is_ok_and(|boot| boot == reading.boot);
            let source = if is_of_this_boot { FILE } else { STALE_FILE };
            Ok(report(instance, source, Vec::new(), &reading.into()))
        }
    }
}

fn report<'a>(
    instance: &'a str,
    source: &'static str,
    attachments: Vec<ReportedAttachment>,
    snapshot: &Snapshot,
) -> Report<'a> {
    let mut slots = ReportedSlots::default();
    for slot in &snapshot.slots {
        slots.used += 1;
        slots.admitted = slots.admitted.wrapping_add(slot.admitted);
        slots.rejected = slots.rejected.wrapping_add(slot.rejected);
        slots.shed = slots.shed.wrapping_add(slot.shed);
    }
    let verdicts = snapshot.verdicts.iter().map(|count| ReportedVerdict {
        verdict: verdict_name(count.verdict),
        reason: count.reason.name(),
        family: family_name(count.family),
        packets: count.counter.packets,
        bytes: count.counter.bytes,
    });
    let incidents = snapshot.incidents.iter();
    Report {
        instance,
        source,
        attachments,
        verdicts: verdicts.collect(),
        incidents: incidents
            .map(|(incident, count)| (incident.name(), *count))
            .collect(),
        slots,
    }
}

/// A table for people. With the figures of a second ago it shows the rates as well.
fn text(report: &Report<'_>, before: Option<&[ReportedVerdict]>) -> String {
    let mut lines = vec![heading(report)];
    lines.push(format!(
        "{:<10} {:<16} {:<6} {:>16} {:>18} {:>12}",
        "verdict", "reason", "family", "packets", "bytes", "packets/s"
    ));
    for row in &report.verdicts {
        let rate = before.map_or_else(String::new, |before| {
            let same = |old: &&ReportedVerdict| {
                (old.verdict, old.reason, old.family) == (row.verdict, row.reason, row.family)
            };
            let old = before.iter().find(same).map_or(0, |old| old.packets);
            row.packets.saturating_sub(old).to_string()
        });
        let line = format!(
            "{:<10} {:<16} {:<6} {:>16} {:>18} {rate:>12}",
            row.verdict, row.reason, row.family, row.packets, row.bytes
        );
        lines.push(line.trim_end().to_owned());
    }
    let incidents: Vec<String> = report
        .incidents
        .iter()
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    lines.push(format!("incidents: {}", incidents.join(", ")));
    let slots = &report.slots;
    lines.push(format!(
        "throttles: {} in use, {} requests admitted, {} rejected, {} shed",
        slots.used, slots.admitted, slots.rejected, slots.shed
    ));
    lines.join("\n")
}

fn heading(report: &Report<'_>) -> String {
    let instance = report.instance;
    let at_accept = "no kernel edge, so these are connections counted at accept";
    if report.source == FILE {
        return format!("instance {instance}: {at_accept}");
    }
    if report.source == STALE_FILE {
        return format!("instance {instance}: {at_accept} before the last boot");
    }
    let attachments: Vec<String> = report
        .attachments
        .iter()
        .map(|attachment| format!("{} ({})", attachment.interface, attachment.mode))
        .collect();
    if attachments.is_empty() {
        format!(
            "instance {instance}: its program is attached to no interface of this network namespace"
        )
    } else {
        format!(
            "instance {instance}: attached to {}",
            attachments.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_shows_rates_once_there_are_two_readings() {
        let row = |packets| ReportedVerdict {
            verdict: "drop",
            reason: "denied",
            family: "ipv4",
            packets,
            bytes: packets * 60,
        };
        let report = Report {
            instance: "blue",
            source: "kernel",
            attachments: vec![ReportedAttachment {
                interface: "eth0".to_owned(),
                mode: "native",
            }],
            verdicts: vec![row(150)],
            incidents: BTreeMap::from([("line_full", 0)]),
            slots: ReportedSlots::default(),
        };
        let first = text(&report, None);
        assert!(
            first.starts_with("instance blue: attached to eth0 (native)\n"),
            "{first}"
        );
        let line = |text: &str| {
            text.lines()
                .nth(2)
                .unwrap()
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(line(&first), ["drop", "denied", "ipv4", "150", "9000"]);
        let second = text(&report, Some(&[row(100)]));
        assert_eq!(
            line(&second),
            ["drop", "denied", "ipv4", "150", "9000", "50"]
        );
    }
}
