//! Drawing the state. Nothing is decided here but where things go.

use gateway_common::reason::Verdict;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Row, Table, Wrap};

use super::amount::{count, sparkline, time};
use super::keys::HELP;
use super::rows::{Debt, KeyRow, SourceRow, TrafficRow, class_name};
use super::state::{Panel, State};
use crate::cli::source::Origin;
use crate::daemon::penalties::PenaltyReport;

/// Below this width sources and keys stand below each other.
const SIDE_BY_SIDE: u16 = 110;
/// Lines of the heading.
const HEADING: u16 = 2;
/// Lines around the rows of a panel: border and column names.
const AROUND_ROWS: u16 = 3;

/// Penalties that are shown at once.
const PENALTY_ROWS_MAX: u16 = 5;

/// Draws everything.
pub(super) fn render(frame: &mut Frame<'_>, state: &State) {
    let area = frame.area();
    let rows = u16::try_from(state.traffic().len()).unwrap_or(u16::MAX);
    let traffic = rows
        .saturating_add(AROUND_ROWS)
        .clamp(AROUND_ROWS + 2, (area.height * 2 / 5).max(AROUND_ROWS + 2));
    let penalised = u16::try_from(state.sample.penalties.penalties.len()).unwrap_or(u16::MAX);
    let penalties = match penalised {
        0 => 0,
        rows => rows.min(PENALTY_ROWS_MAX).saturating_add(AROUND_ROWS),
    };
    let [heading, top, middle, bottom, footer] = Layout::vertical([
        Constraint::Length(HEADING),
        Constraint::Length(traffic),
        Constraint::Length(penalties),
        Constraint::Min(0),
        Constraint::Length(1),
    ])
    .areas(area);
    let below = if area.width >= SIDE_BY_SIDE {
        Layout::horizontal([Constraint::Percentage(55), Constraint::Percentage(45)])
    } else {
        Layout::vertical([Constraint::Percentage(55), Constraint::Percentage(45)])
    };
    let [sources, keys] = below.areas(bottom);
    frame.render_widget(Paragraph::new(self::heading(state)), heading);
    draw_traffic(frame, top, state);
    if penalised > 0 {
        draw_penalties(frame, middle, state);
    }
    draw_sources(frame, sources, state);
    draw_keys(frame, keys, state);
    frame.render_widget(Paragraph::new(self::footer(state)), footer);
    if state.shows_help {
        draw_help(frame, area);
    }
}

fn heading(state: &State) -> Vec<Line<'_>> {
    let sample = &state.sample;
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let place = match sample.origin {
        Origin::Kernel if sample.attachments.is_empty() => "attached to no interface".to_owned(),
        Origin::Kernel => {
            let attachments = sample.attachments.iter();
            let names = attachments.map(|found| format!("{} {}", found.interface, found.mode));
            names.collect::<Vec<_>>().join(", ")
        }
        Origin::File => "no kernel edge: connections counted at accept".to_owned(),
        Origin::StaleFile => "no kernel edge: counted before the last reboot".to_owned(),
    };
    let mut first = vec![
        Span::styled(format!("gateway {}", sample.instance), bold),
        Span::raw(format!("  {place}  ")),
    ];
    if let Some(posture) = sample.counted.posture {
        first.push(if posture.is_under_attack {
            Span::styled("UNDER ATTACK", Style::new().fg(Color::White).bg(Color::Red))
        } else {
            Span::styled("calm", Style::new().fg(Color::Green))
        });
        first.push(Span::raw(format!(
            "  {} flows penalised",
            posture.flow_rows
        )));
    }
    let taken = sample.penalties.counts.enforced.iter();
    for (step, count) in taken.filter(|(_, count)| **count > 0) {
        first.push(Span::raw(format!("  {step} {count}")));
    }
    if state.is_paused {
        let style = Style::new().fg(Color::Black).bg(Color::Yellow);
        first.extend([Span::raw("  "), Span::styled("PAUSED", style)]);
    }
    let mut second = Vec::new();
    let mut bytes: u64 = 0;
    for verdict in Verdict::ALL {
        let row = state.rows.verdicts.iter();
        let row = row.clone().find(|row| row.verdict == Some(verdict));
        let rate = row.map_or(0, |row| row.packets_per_second);
        bytes = bytes.saturating_add(row.map_or(0, |row| row.bytes_per_second));
        let text = format!("{} {}/s  ", verdict.name(), count(rate));
        second.push(Span::styled(text, Style::new().fg(color(verdict))));
    }
    second.push(Span::raw(format!("{}B/s", count(bytes))));
    vec![Line::from(first), Line::from(second)]
}

const fn color(verdict: Verdict) -> Color {
    match verdict {
        Verdict::Pass => Color::Green,
        Verdict::Drop => Color::Red,
        Verdict::Transmit => Color::Cyan,
        Verdict::WouldDrop => Color::Yellow,
    }
}

fn footer(state: &State) -> Line<'_> {
    if state.is_typing {
        let filter = &state.view(state.focus).filter;
        return Line::from(format!("show only: {filter}_   Enter keep  Esc all"));
    }
    if let Some(trouble) = &state.trouble {
        let style = Style::new().fg(Color::Red);
        return Line::from(Span::styled(trouble.as_str(), style));
    }
    Line::from("? help  Tab panel  t table  s sort  r reverse  / filter  p pause  q leave")
}

/// One panel: what is in it and in which columns.
struct Listing<'a, R> {
    panel: Panel,
    name: &'static str,
    rows: Vec<&'a R>,
    columns: &'static [&'static str],
    widths: &'static [Constraint],
}

impl<R> Listing<'_, R> {
    /// Draws the rows that fit, from the first that is to be shown.
    fn draw(
        &self,
        frame: &mut Frame<'_>,
        area: Rect,
        state: &State,
        cells: impl Fn(&R) -> Row<'static>,
    ) {
        let height = usize::from(area.height.saturating_sub(AROUND_ROWS));
        let last = self.rows.len().saturating_sub(1);
        let offset = state.view(self.panel).offset.min(last);
        let shown = self.rows.iter().skip(offset).take(height);
        let heading = Row::new(self.columns.to_vec()).style(Style::new().fg(Color::Gray));
        let table = Table::new(shown.map(|row| cells(row)), self.widths)
            .header(heading)
            .block(self.frame(state));
        frame.render_widget(table, area);
    }

    /// The border, which says what is in it, how it is sorted, and what of it is shown.
    fn frame(&self, state: &State) -> Block<'static> {
        let view = state.view(self.panel);
        let sort = self.panel.sorts().get(view.sort).unwrap_or(&"");
        let reverse = if view.is_reversed { "reverse " } else { "" };
        let filter = if view.filter.is_empty() {
            String::new()
        } else {
            format!(", with `{}`", view.filter)
        };
        let (name, count) = (self.name, self.rows.len());
        let title = format!(" {name} {count}, {reverse}by {sort}{filter} ");
        let style = if state.focus == self.panel {
            Style::new().add_modifier(Modifier::BOLD)
        } else {
            Style::new()
        };
        Block::bordered().title(Span::styled(title, style))
    }
}

fn draw_traffic(frame: &mut Frame<'_>, area: Rect, state: &State) {
    const BARS: usize = 30;
    let listing = Listing {
        panel: Panel::Traffic,
        name: state.table.title(),
        rows: state.traffic(),
        columns: &[
            "verdict",
            "name",
            "packets/s",
            "bytes/s",
            "packets",
            "bytes",
            "of late",
        ],
        widths: &[
            Constraint::Length(10),
            Constraint::Min(20),
            Constraint::Length(9),
            Constraint::Length(8),
            Constraint::Length(8),
            Constraint::Length(8),
            Constraint::Length(30),
        ],
    };
    listing.draw(frame, area, state, |row: &TrafficRow| {
        let verdict = row.verdict.map_or("", |verdict| verdict.name());
        let style = row
            .verdict
            .map_or_else(Style::new, |verdict| Style::new().fg(color(verdict)));
        Row::new(vec![
            verdict.to_owned(),
            row.name.clone(),
            count(row.packets_per_second),
            count(row.bytes_per_second),
            count(row.total.packets),
            count(row.total.bytes),
            sparkline(state.history(row), BARS),
        ])
        .style(style)
    });
}

fn draw_penalties(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let listing = Listing {
        panel: Panel::Penalties,
        name: "penalties",
        rows: state.penalties(),
        columns: &["source", "step", "owes", "key"],
        widths: &[
            Constraint::Min(18),
            Constraint::Length(8),
            Constraint::Length(7),
            Constraint::Min(18),
        ],
    };
    listing.draw(frame, area, state, |row: &PenaltyReport| {
        Row::new(vec![
            row.source.to_string(),
            row.step.clone(),
            time(row.left_seconds.saturating_mul(1_000_000_000)),
            row.key.clone().unwrap_or_default(),
        ])
        .style(Style::new().fg(Color::Magenta))
    });
}

fn draw_sources(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let listing = Listing {
        panel: Panel::Sources,
        name: "sources in debt",
        rows: state.sources(),
        columns: &["source", "counts", "fill", "owes", "charged/s"],
        widths: &[
            Constraint::Min(18),
            Constraint::Length(18),
            Constraint::Length(5),
            Constraint::Length(7),
            Constraint::Length(10),
        ],
    };
    listing.draw(frame, area, state, |row: &SourceRow| {
        let charged = row.charged.map_or_else(
            || "?".to_owned(),
            |charged| {
                let sign = if charged.at_most { "<" } else { "" };
                format!("{sign}{}", count(charged.per_second))
            },
        );
        Row::new(vec![
            row.source.to_string(),
            class_name(row.class, &state.sample.names),
            fill(row.debt),
            time(row.debt.owed_ns),
            charged,
        ])
        .style(alarm(row.debt))
    });
}

fn draw_keys(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let listing = Listing {
        panel: Panel::Keys,
        name: "throttles and callers",
        rows: state.keys(),
        columns: &["name", "admitted/s", "rejected/s", "fill", "owes"],
        widths: &[
            Constraint::Min(18),
            Constraint::Length(10),
            Constraint::Length(10),
            Constraint::Length(5),
            Constraint::Length(7),
        ],
    };
    listing.draw(frame, area, state, |row: &KeyRow| {
        let rate = |rate: Option<u64>| rate.map_or_else(String::new, count);
        Row::new(vec![
            row.name.clone(),
            rate(row.requests.map(|requests| requests.admitted)),
            rate(row.requests.map(|requests| requests.rejected)),
            fill(row.debt),
            time(row.debt.owed_ns),
        ])
        .style(alarm(row.debt))
    });
}

fn fill(debt: Debt) -> String {
    debt.fill.map_or_else(
        || "?".to_owned(),
        |percent| format!("{}%", percent.min(999)),
    )
}

/// A full bucket refuses; one beyond full is penalised.
fn alarm(debt: Debt) -> Style {
    match debt.fill {
        Some(101..) => Style::new().fg(Color::Magenta),
        Some(90..) => Style::new().fg(Color::Red),
        Some(50..) => Style::new().fg(Color::Yellow),
        Some(_) | None => Style::new(),
    }
}

fn draw_help(frame: &mut Frame<'_>, area: Rect) {
    let keys = HELP
        .iter()
        .map(|(keys, what)| Line::from(format!("{keys:<26} {what}")));
    let notes = [
        "",
        "A source is in debt as long as it has not paid for what was charged; at 100 % it is",
        "refused, beyond that it is penalised. `<` means: at most, because a bucket that was idle",
        "in between cannot be told from a busy one. IPv6 sources without a connection are known by",
        "a tag alone. Callers are shown by a keyed mix of what they sent.",
    ];
    let lines: Vec<Line<'_>> = keys.chain(notes.map(Line::from)).collect();
    let height = u16::try_from(lines.len()).unwrap_or(0).saturating_add(2);
    let [place] = Layout::vertical([Constraint::Length(height)]).areas(area);
    frame.render_widget(Clear, place);
    let help = Paragraph::new(lines).wrap(Wrap { trim: false });
    frame.render_widget(
        help.block(Block::bordered().title(" keys, Esc closes ")),
        place,
    );
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
