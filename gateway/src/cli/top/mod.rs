//! `gateway top`: who is being judged, live.
//!
//! Three parts that know little of each other: [`sample`] reads the maps, [`state`] turns two
//! samples and the keys that were pressed into what is to be seen, and [`render`] draws that.
//! Only [`terminal`] touches the terminal. Nothing is changed by looking.

mod amount;
mod sample;
mod peers;
mod rows;
mod state;
mod keys;
mod render;
mod terminal;

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::output::Output;
use super::target::TargetArguments;
use sample::Sampler;
use state::State;

/// Columns and lines of the frame that `--once` prints.
const FRAME: (u16, u16) = (120, 48);
/// Bounds of `--interval`.
const INTERVAL: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(60);

/// Arguments of `gateway top`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    target: TargetArguments,
    /// Time between two readings, from 100ms to 1m.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_interval)]
    interval: Duration,
    /// Print one frame as text, after two readings, instead of taking over the terminal.
    #[arg(long)]
    once: bool,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> anyhow::Result<ExitCode> {
    let is_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if !arguments.once && !is_terminal {
        bail!(
            "`gateway top` needs a terminal as its input and output: use `gateway stats --watch` \
             here, or `gateway top --once` for one frame as text"
        );
    }
    let mut sampler = Sampler::new(arguments.target.resolve()?);
    let mut state = State::new(sampler.take()?);
    if arguments.once {
        std::thread::sleep(arguments.interval);
        state.show(sampler.take()?);
        output.line(&frame(&state)?);
    } else {
        terminal::live(&mut state, &mut sampler, arguments.interval)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// One frame as text.
fn frame(state: &State) -> anyhow::Result<String> {
    let mut terminal = Terminal::new(TestBackend::new(FRAME.0, FRAME.1))?;
    terminal.draw(|frame| render::render(frame, state))?;
    let buffer = terminal.backend().buffer();
    let cells: Vec<&str> = buffer.content().iter().map(|cell| cell.symbol()).collect();
    let lines: Vec<String> = cells
        .chunks(usize::from(buffer.area.width.max(1)))
        .map(|line| line.concat().trim_end().to_owned())
        .collect();
    Ok(lines.join("\n").trim_end().to_owned())
}

fn parse_interval(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .ok()
        .filter(|interval| INTERVAL.contains(interval))
        .ok_or_else(|| format!("`{text}` is not a time from 100ms to 1m, such as 500ms or 2s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_have_bounds() {
        for (text, expected) in [
            ("100ms", Some(100)),
            ("1m", Some(60_000)),
            ("99ms", None),
            ("61s", None),
            ("1", None),
            ("", None),
        ] {
            let found = parse_interval(text).ok();
            assert_eq!(found, expected.map(Duration::from_millis), "{text}");
        }
    }
}
