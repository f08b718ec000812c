//! The terminal: taken over, drawn to, listened to, and given back.
//!
//! It is given back however this ends: by a key, by a signal, by an error or by a panic.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::keys;
use super::render::render;
use super::sample::Sampler;
use super::state::{Flow, State};
use crate::clock;

/// Longest wait for a key, after which signals are looked at again.
const WAIT: Duration = Duration::from_millis(100);

/// Shows `state` with a new sample every `interval`, until a key or a signal ends it.
///
/// # Errors
/// The terminal's.
pub(super) fn live(
    state: &mut State,
    sampler: &mut Sampler,
    interval: Duration,
) -> anyhow::Result<()> {
    let signalled = Arc::new(AtomicBool::new(false));
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&signalled)).context("signal handler")?;
    }
    let terminal = ratatui::try_init().context("cannot take over the terminal")?;
    // A panic gives it back as well: that hook is part of taking it over.
    let outcome = run(terminal, state, sampler, interval, &signalled);
    ratatui::try_restore().context("cannot give the terminal back: run `reset`")?;
    outcome
}

fn run(
    mut terminal: DefaultTerminal,
    state: &mut State,
    sampler: &mut Sampler,
    interval: Duration,
    signalled: &AtomicBool,
) -> anyhow::Result<()> {
    let interval_ns = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
    let mut due_ns = clock::monotonic_ns().saturating_add(interval_ns);
    let mut is_stale = true;
    while !signalled.load(Ordering::Relaxed) {
        if is_stale {
            let drawn = terminal.draw(|frame| render(frame, state));
            drawn.context("cannot draw")?;
            is_stale = false;
        }
        let left = Duration::from_nanos(due_ns.saturating_sub(clock::monotonic_ns()));
        if event::poll(left.min(WAIT)).context("cannot read keys")? {
            // Every event draws anew, a resize among them.
            is_stale = true;
            if let Event::Key(key) = event::read().context("cannot read keys")?
                && let Some(action) = keys::action(key, state.is_typing)
                && state.act(action) == Flow::Quit
            {
                break;
            }
        }
        if clock::monotonic_ns() >= due_ns {
            match sampler.take() {
                Ok(sample) => state.show(sample),
                Err(error) => state.fail(format!("{error:#}")),
            }
            is_stale = true;
            due_ns = clock::monotonic_ns().saturating_add(interval_ns);
        }
    }
    Ok(())
}
