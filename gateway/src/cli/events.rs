//! `gateway events`: a sample of what the kernel edge drops, packet by packet.
//!
//! Reads the pinned ring itself, so it works while no gateway runs. While it runs the program makes
//! events, and no longer.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Context as _;
use gateway_common::reason::Reason;
use serde::Serialize;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::names;
use super::output::Output;
use super::target::TargetArguments;
use crate::clock;
use crate::daemon::names::Names;
use crate::model::Prefix;
use crate::packet::Headers;
use crate::packet::capture::Writer;
use crate::xdp::events::{Dropped, POLL, Sampling, Watch};

/// The file name that means standard output.
const STANDARD_OUTPUT: &str = "-";

/// Arguments of `gateway events`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    target: TargetArguments,
    /// Show one drop in N, a power of two, and the first of every source besides.
    #[arg(long, value_name = "N", default_value = "1", value_parser = parse_sampling)]
    sample: Sampling,
    /// Show drops of this reason only, such as denied or packet_rate; may be repeated.
    #[arg(long, value_name = "REASON", value_parser = parse_reason)]
    reason: Vec<Reason>,
    /// Show drops from this address or prefix only.
    #[arg(long, value_name = "PREFIX")]
    source: Option<Prefix>,
    /// Print one JSON object per event, each on its line.
    #[arg(long)]
    json: bool,
    /// Write the frames to a capture as well, which tcpdump and Wireshark read; `-` writes it to
    /// standard output instead of the events.
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
    /// Stop after so many events.
    #[arg(long, value_name = "COUNT")]
    count: Option<u64>,
}

#[derive(Serialize)]
struct Report<'a> {
    time: String,
    verdict: &'static str,
    reason: &'static str,
    family: &'static str,
    interface: String,
    listener: Option<String>,
    list: Option<String>,
    source: Option<String>,
    source_port: Option<u16>,
    destination: Option<String>,
    destination_port: Option<u16>,
    protocol: Option<String>,
    tcp_flags: Option<String>,
    fragment_offset: Option<u32>,
    vlans: &'a [u16],
    bytes: u32,
    stands_for: u32,
    new_source: bool,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> anyhow::Result<ExitCode> {
    let target = arguments.target.resolve()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the event loop")?;
    // From before the watch begins, so that no signal leaves it behind.
    let mut ending = {
        let _entered = runtime.enter();
        Ending::install().context("signals")?
    };
    let mut watch = Watch::start(&target.instance, arguments.sample).with_context(|| {
        let instance = &target.instance;
        format!("cannot watch the kernel edge of `{instance}` (this needs root)")
    })?;
    let mut show = Show {
        arguments,
        names: names::of(&target, output),
        capture: arguments.pcap.as_ref().map(capture).transpose()?,
        shown: 0,
        is_abandoned: false,
    };
    output.error(&format!(
        "watching what instance `{}` drops, until interrupted",
        target.instance
    ));
    runtime.block_on(follow(&mut watch, &mut show, &mut ending, output))?;
    let missed = watch.missed()?;
    drop(watch);
    output.error(&format!(
        "{} shown; {} more were due and beyond the budget of their second, {} found the ring full",
        show.shown, missed.skipped, missed.lost
    ));
    Ok(ExitCode::SUCCESS)
}

/// The signals that end a watch.
struct Ending {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Ending {
    /// Takes them over; must be called within a runtime.
    fn install() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn came(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

/// Shows events until a signal, the reader of our output, the count or the instance ends it.
async fn follow(
    watch: &mut Watch,
    show: &mut Show<'_>,
    ending: &mut Ending,
    output: &mut Output,
) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval(POLL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = ending.came() => return Ok(()),
            _ = ticks.tick() => {}
        }
        if let Err(ended) = watch.renew() {
            output.error(&ended.to_string());
            return Ok(());
        }
        while let Some(dropped) = watch.next_event() {
            if show.is_enough(output) {
                return Ok(());
            }
            show.event(&dropped, output)?;
        }
        if show.is_enough(output) {
            return Ok(());
        }
    }
}

/// Where a capture goes.
fn capture(path: &PathBuf) -> anyhow::Result<Writer<Box<dyn Write>>> {
    let file: Box<dyn Write> = if path.as_os_str() == STANDARD_OUTPUT {
        Box::new(std::io::stdout())
    } else {
        Box::new(File::create(path).with_context(|| cannot_write(path))?)
    };
    Writer::new(file).with_context(|| cannot_write(path))
}

fn cannot_write(path: &std::path::Path) -> String {
    format!("cannot write `{}`", path.display())
}

struct Show<'a> {
    arguments: &'a Arguments,
    names: Names,
    capture: Option<Writer<Box<dyn Write>>>,
    shown: u64,
    /// Nobody reads the capture any more.
    is_abandoned: bool,
}

impl Show<'_> {
    fn is_enough(&self, output: &Output) -> bool {
        output.is_closed()
            || self
                .arguments
                .count
                .is_some_and(|count| self.shown >= count)
    }

    fn event(&mut self, dropped: &Dropped, output: &mut Output) -> anyhow::Result<()> {
        let Arguments {
            reason,
            source,
            json,
            pcap,
            ..
        } = self.arguments;
        let headers = Headers::of(&dropped.bytes);
        let is_wanted = (reason.is_empty() || reason.contains(&dropped.reason))
            && source.is_none_or(|prefix| {
                headers
                    .source
                    .is_some_and(|address| prefix.contains(address))
            });
        if !is_wanted {
            return Ok(());
        }
        self.shown += 1;
        let ago = Duration::from_nanos(clock::monotonic_ns().saturating_sub(dropped.time_ns));
        let time = clock::wall().checked_sub(ago).unwrap_or(UNIX_EPOCH);
        if let (Some(capture), Some(path)) = (&mut self.capture, pcap) {
            let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
            match capture.add(since_1970, &dropped.bytes, dropped.frame_bytes) {
                Ok(()) => {}
                // Whoever we write to has gone, as in `--pcap - | tcpdump -c 1 -r -`.
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                    self.is_abandoned = true;
                    return Ok(());
                }
                Err(error) => return Err(error).with_context(|| cannot_write(path)),
            }
            if path.as_os_str() == STANDARD_OUTPUT {
                return Ok(());
            }
        }
        let time = humantime::format_rfc3339_millis(time).to_string();
        let report = self.report(dropped, &headers, time);
        if *json {
            output.line(&serde_json::to_string(&report)?);
        } else {
            output.line(&text(&report, &headers));
        }
        Ok(())
    }

    fn report<'a>(&self, dropped: &Dropped, headers: &'a Headers, time: String) -> Report<'a> {
        let (source_port, destination_port) = headers.ports.unzip();
        Report {
            time,
            verdict: dropped.verdict.name(),
            reason: dropped.reason.name(),
            family: dropped.family.name(),
            interface: names::interface(dropped.interface),
            listener: dropped
                .listener
                .map(|number| self.names.listener(number).into_owned()),
            list: dropped
                .list
                .map(|number| self.names.list(number).into_owned()),
            source: headers.source.map(|address| address.to_string()),
            source_port,
            destination: headers.destination.map(|address| address.to_string()),
            destination_port,
            protocol: headers.protocol_name(),
            tcp_flags: headers.flag_letters(),
            fragment_offset: headers.fragment.map(|fragment| fragment.offset),
            vlans: &headers.vlans,
            bytes: dropped.frame_bytes,
            stands_for: dropped.stands_for,
            new_source: dropped.is_new_offender,
        }
    }
}

/// One event on one line.
fn text(report: &Report<'_>, headers: &Headers) -> String {
    let mut line = format!(
        "{} {:<10} {:<16} {headers}, {} bytes on {}",
        report.time, report.verdict, report.reason, report.bytes, report.interface
    );
    if let Some(listener) = &report.listener {
        line.push_str(&format!(" for {listener}"));
    }
    if let Some(list) = &report.list {
        line.push_str(&format!(", list {list}"));
    }
    if report.new_source {
        line.push_str(", new source");
    }
    if report.stands_for > 1 {
        line.push_str(&format!(", stands for {}", report.stands_for));
    }
    line
}

fn parse_sampling(text: &str) -> Result<Sampling, String> {
    let count: u32 = text
        .parse()
        .map_err(|_not_a_number| format!("`{text}` is no number"))?;
    Sampling::one_in(count).map_err(|error| error.to_string())
}

fn parse_reason(text: &str) -> Result<Reason, String> {
    let mut all = Reason::ALL.iter();
    all.find(|reason| reason.name() == text)
        .copied()
        .ok_or_else(|| {
            let names: Vec<&str> = Reason::ALL.iter().map(|reason| reason.name()).collect();
            format!("there is no such reason; there are {}", names.join(", "))
        })
}
