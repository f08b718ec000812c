//! Changes that are taken back unless somebody says `yes`.
//!
//! A running gateway takes them back by itself, whatever became of the session. Without one this
//! command does, and outlives its terminal for that.

use std::io::BufRead as _;
use std::process::ExitCode;
use std::sync::mpsc::{self, SyncSender};
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::signal::{SigSet, Signal};

use super::output::Output;
use super::target::Target;
use super::time::spoken;
use crate::clock;
use crate::daemon::protocol::{Request, call};
use crate::store::list::{ByHand, Lists};

/// Events that may wait; whoever reports more waits too.
const EVENTS_MAX: usize = 16;

/// Who takes the change back.
#[derive(Debug)]
pub(super) enum Undo<'a> {
    /// The gateway.
    Gateway(&'a Target),
    /// This command.
    Here(&'a Lists, Signals),
}

/// Signals that would end this command, held back.
#[derive(Debug)]
pub(super) struct Signals(SigSet);

impl Signals {
    /// Holds them back from this thread and those it starts.
    pub(super) fn hold() -> anyhow::Result<Self> {
        let mut set = SigSet::empty();
        for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM] {
            set.add(signal);
        }
        set.thread_block().context("holding signals back")?;
        Ok(Self(set))
    }
}

enum Event {
    Line(String),
    /// Nobody is there to type.
    Closed,
    /// Whoever runs this wants it to end.
    Interrupted,
}

/// Asks for `yes` for at most `time`.
pub(super) fn ask(
    time: Duration,
    list: ByHand,
    undo: Undo<'_>,
    output: &mut Output,
) -> anyhow::Result<ExitCode> {
    let deadline_ns = clock::monotonic_ns().saturating_add(nanos(time));
    let name = list.name();
    output.error(&format!(
        "this is in force now and is taken back after {} unless you type `yes`{}",
        spoken(time.as_secs()),
        match undo {
            Undo::Gateway(_) => format!(" here or run `gateway {name} confirm`"),
            Undo::Here(..) => " here".to_owned(),
        }
    ));
    let (events, received) = mpsc::sync_channel(EVENTS_MAX);
    listen(events.clone());
    if let Undo::Here(_, Signals(set)) = &undo {
        await_signals(*set, events);
    }
    loop {
        let left = Duration::from_nanos(deadline_ns.saturating_sub(clock::monotonic_ns()));
        // Neither sender going away nor time running out is a `yes`.
        match received.recv_timeout(left) {
            Ok(Event::Line(line)) if line.trim() == "yes" => return confirm(&undo, output),
            Ok(Event::Line(_)) => output.error("type `yes` to keep the change"),
            Ok(Event::Closed) => match undo {
                Undo::Gateway(_) => {
                    output.error("nobody can type here: the gateway waits for its confirmation");
                    return Ok(ExitCode::SUCCESS);
                }
                Undo::Here(..) => {}
            },
            Ok(Event::Interrupted) | Err(_) => return give_up(&undo, deadline_ns, output),
        }
    }
}

fn confirm(undo: &Undo<'_>, output: &mut Output) -> anyhow::Result<ExitCode> {
    match undo {
        Undo::Gateway(target) => {
            let answer = call(&target.admin_socket, &Request::ListConfirm)?;
            output.line(&answer.done()?);
        }
        Undo::Here(lists, _) => {
            lists.confirm()?;
            output.line("confirmed: the change stays");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn give_up(undo: &Undo<'_>, deadline_ns: u64, output: &mut Output) -> anyhow::Result<ExitCode> {
    match undo {
        Undo::Gateway(_) => output.error("not confirmed: the gateway takes the change back"),
        Undo::Here(lists, _) => {
            // First of all: the terminal may be gone, and speaking to it may end this command.
            lists.take_back()?;
            let early = if clock::monotonic_ns() < deadline_ns {
                "interrupted"
            } else {
                "not confirmed"
            };
            output.error(&format!("{early}: the change is taken back"));
        }
    }
    Ok(ExitCode::FAILURE)
}

/// Passes on what is typed.
fn listen(events: SyncSender<Event>) {
    drop(std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            if events.send(Event::Line(line)).is_err() {
                return;
            }
        }
        // Whoever asked may have left already.
        drop(events.send(Event::Closed));
    }));
}

/// Passes on that somebody wants this to end; a terminal that hangs up does not.
fn await_signals(set: SigSet, events: SyncSender<Event>) {
    drop(std::thread::spawn(move || {
        while let Ok(signal) = set.wait() {
            if signal != Signal::SIGHUP && events.send(Event::Interrupted).is_err() {
                return;
            }
        }
    }));
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
