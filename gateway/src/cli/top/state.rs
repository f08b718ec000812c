//! What is to be seen, and how keys and samples change it. No terminal, no maps, no clock.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};

use super::keys::Action;
use super::rows::{KeyRow, Rows, SourceRow, TrafficRow, class_name};
use super::sample::Sample;
use crate::daemon::penalties::PenaltyReport;

/// Rates that a sparkline can show.
const HISTORY: usize = 60;
/// Characters of a filter.
const FILTER_MAX: usize = 64;

/// Everything the screen depends on.
#[derive(Debug)]
pub(super) struct State {
    /// The latest sample.
    pub(super) sample: Sample,
    pub(super) rows: Rows,
    /// Packets per second of late, by the table and name of a row.
    history: HashMap<(Table, String), VecDeque<u64>>,
    /// What the first panel shows.
    pub(super) table: Table,
    /// The panel that keys speak of.
    pub(super) focus: Panel,
    pub(super) views: [View; Panel::ALL.len()],
    pub(super) is_paused: bool,
    pub(super) shows_help: bool,
    pub(super) is_typing: bool,
    /// Why there is no newer sample.
    pub(super) trouble: Option<String>,
}

/// A part of the screen with rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Panel {
    Traffic,
    Penalties,
    Sources,
    Keys,
}

/// What the first panel can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Table {
    Reasons,
    Listeners,
    Lists,
}

/// How one panel is looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct View {
    /// Column to sort by, see [`Panel::sorts`].
    pub(super) sort: usize,
    pub(super) is_reversed: bool,
    pub(super) filter: String,
    /// Rows above the first that is shown.
    pub(super) offset: usize,
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Continue,
    Quit,
}

impl Panel {
    pub(super) const ALL: [Self; 4] = [Self::Traffic, Self::Penalties, Self::Sources, Self::Keys];

    /// What its rows can be sorted by, in the order of the key; numbers come largest first.
    pub(super) const fn sorts(self) -> &'static [&'static str] {
        match self {
            Self::Traffic => &["packets/s", "bytes/s", "packets", "name"],
            Self::Penalties => &["owes", "step", "source", "key"],
            Self::Sources => &["fill", "owes", "charged/s", "source"],
            Self::Keys => &["rejected/s", "admitted/s", "owes", "name"],
        }
    }
}

impl Table {
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Reasons => "reasons",
            Self::Listeners => "listeners",
            Self::Lists => "lists",
        }
    }

    const fn next(self) -> Self {
        match self {
            Self::Reasons => Self::Listeners,
            Self::Listeners => Self::Lists,
            Self::Lists => Self::Reasons,
        }
    }
}

impl State {
    /// Before anything can be said about rates.
    pub(super) fn new(sample: Sample) -> Self {
        Self {
            rows: Rows::between(&sample, &sample),
            sample,
            history: HashMap::new(),
            table: Table::Reasons,
            focus: Panel::Traffic,
            views: Default::default(),
            is_paused: false,
            shows_help: false,
            is_typing: false,
            trouble: None,
        }
    }

    /// Takes the next sample in, unless paused.
    pub(super) fn show(&mut self, sample: Sample) {
        self.trouble = None;
        if self.is_paused {
            return;
        }
        self.rows = Rows::between(&self.sample, &sample);
        self.sample = sample;
        self.remember();
    }

    /// Says why there is no newer sample.
    pub(super) fn fail(&mut self, why: String) {
        self.trouble = Some(why);
    }

    fn remember(&mut self) {
        let tables = [
            (Table::Reasons, &self.rows.reasons),
            (Table::Listeners, &self.rows.listeners),
            (Table::Lists, &self.rows.lists),
        ];
        let mut kept = HashMap::new();
        for (table, rows) in tables {
            for row in rows {
                let key = (table, history_name(row));
                let mut rates = self.history.remove(&key).unwrap_or_default();
                if rates.len() == HISTORY {
                    rates.pop_front();
                }
                rates.push_back(row.packets_per_second);
                kept.insert(key, rates);
            }
        }
        // Rows that are gone are forgotten with what is left in the old one.
        self.history = kept;
    }

    /// Packets per second of late of a row of the first panel, the latest last.
    pub(super) fn history(&self, row: &TrafficRow) -> impl DoubleEndedIterator<Item = u64> {
        let key = (self.table, history_name(row));
        self.history.get(&key).into_iter().flatten().copied()
    }

    /// The view of a panel.
    pub(super) fn view(&self, panel: Panel) -> &View {
        let [traffic, penalties, sources, keys] = &self.views;
        match panel {
            Panel::Traffic => traffic,
            Panel::Penalties => penalties,
            Panel::Sources => sources,
            Panel::Keys => keys,
        }
    }

    fn view_mut(&mut self) -> &mut View {
        let [traffic, penalties, sources, keys] = &mut self.views;
        match self.focus {
            Panel::Traffic => traffic,
            Panel::Penalties => penalties,
            Panel::Sources => sources,
            Panel::Keys => keys,
        }
    }

    /// The rows of the first panel, filtered and sorted.
    pub(super) fn traffic(&self) -> Vec<&TrafficRow> {
        let rows = match self.table {
            Table::Reasons => &self.rows.reasons,
            Table::Listeners => &self.rows.listeners,
            Table::Lists => &self.rows.lists,
        };
        let view = self.view(Panel::Traffic);
        arrange(rows, view, history_name, |row| match view.sort {
            0 => (Reverse(row.packets_per_second), &row.name),
            1 => (Reverse(row.bytes_per_second), &row.name),
            2 => (Reverse(row.total.packets), &row.name),
            _ => (Reverse(0), &row.name),
        })
    }

    /// The penalties, filtered and sorted.
    pub(super) fn penalties(&self) -> Vec<&PenaltyReport> {
        let view = self.view(Panel::Penalties);
        let key = |row: &PenaltyReport| row.key.clone().unwrap_or_default();
        arrange(
            &self.sample.penalties.penalties,
            view,
            |row| format!("{} {} {}", row.source, row.step, key(row)),
            |row| match view.sort {
                0 => (Reverse(row.left_seconds), String::new(), row.source),
                1 => (Reverse(0), row.step.clone(), row.source),
                2 => (Reverse(0), String::new(), row.source),
                _ => (Reverse(0), key(row), row.source),
            },
        )
    }

    /// The rows of the sources, filtered and sorted.
    pub(super) fn sources(&self) -> Vec<&SourceRow> {
        let view = self.view(Panel::Sources);
        let names = &self.sample.names;
        arrange(
            &self.rows.sources,
            view,
            |row| format!("{} {}", row.source, class_name(row.class, names)),
            |row| match view.sort {
                0 => (Reverse(row.debt.fill.unwrap_or(0)), row.source),
                1 => (Reverse(row.debt.owed_ns), row.source),
                2 => {
                    let charged = row.charged.map_or(0, |charged| charged.per_second);
                    (Reverse(charged), row.source)
                }
                _ => (Reverse(0), row.source),
            },
        )
    }

    /// The rows of the throttles and callers, filtered and sorted.
    pub(super) fn keys(&self) -> Vec<&KeyRow> {
        let view = self.view(Panel::Keys);
        arrange(
            &self.rows.keys,
            view,
            |row| row.name.clone(),
            |row| {
                let requests = row.requests.unwrap_or_default();
                match view.sort {
                    0 => (Reverse(requests.rejected), &row.name),
                    1 => (Reverse(requests.admitted), &row.name),
                    2 => (Reverse(row.debt.owed_ns), &row.name),
                    _ => (Reverse(0), &row.name),
                }
            },
        )
    }

    fn row_count(&self) -> usize {
        match self.focus {
            Panel::Traffic => self.traffic().len(),
            Panel::Penalties => self.penalties().len(),
            Panel::Sources => self.sources().len(),
            Panel::Keys => self.keys().len(),
        }
    }

    /// Does what a key asks for.
    pub(super) fn act(&mut self, action: Action) -> Flow {
        let last = self.row_count().saturating_sub(1);
        match action {
            Action::Quit => return Flow::Quit,
            Action::Help => self.shows_help = !self.shows_help,
            Action::Pause => self.is_paused = !self.is_paused,
            Action::NextPanel => self.move_focus(true),
            Action::PreviousPanel => self.move_focus(false),
            Action::NextTable => {
                self.table = self.table.next();
                self.focus = Panel::Traffic;
                self.view_mut().offset = 0;
            }
            Action::NextSort => {
                let count = self.focus.sorts().len();
                let view = self.view_mut();
                view.sort = (view.sort + 1) % count;
            }
            Action::Reverse => {
                let view = self.view_mut();
                view.is_reversed = !view.is_reversed;
            }
            Action::Up(rows) => {
                let view = self.view_mut();
                view.offset = view.offset.saturating_sub(rows);
            }
            Action::Down(rows) => {
                let view = self.view_mut();
                view.offset = view.offset.saturating_add(rows).min(last);
            }
            Action::First => self.view_mut().offset = 0,
            Action::Last => self.view_mut().offset = last,
            Action::Filter => self.is_typing = true,
            Action::Type(character) => {
                let view = self.view_mut();
                if view.filter.chars().count() < FILTER_MAX && !character.is_control() {
                    view.filter.push(character);
                    view.offset = 0;
                }
            }
            Action::Erase => {
                let view = self.view_mut();
                view.filter.pop();
                view.offset = 0;
            }
            Action::Accept => self.is_typing = false,
            Action::Escape if self.shows_help => self.shows_help = false,
            Action::Escape => {
                self.is_typing = false;
                let view = self.view_mut();
                view.filter.clear();
                view.offset = 0;
            }
        }
        Flow::Continue
    }

    /// Moves to the next or the previous panel of those that are there: that of penalties is while somebody is
    /// penalised.
    fn move_focus(&mut self, is_forward: bool) {
        let is_there = |panel: &Panel| {
            *panel != Panel::Penalties || !self.sample.penalties.penalties.is_empty()
        };
        let panels: Vec<Panel> = Panel::ALL.into_iter().filter(is_there).collect();
        let place = panels.iter().position(|panel| *panel == self.focus);
        let steps = if is_forward { 1 } else { panels.len() - 1 };
        let next = (place.unwrap_or(0) + steps) % panels.len();
        self.focus = panels.get(next).copied().unwrap_or(self.focus);
    }
}

/// The name under which a row is remembered and found.
fn history_name(row: &TrafficRow) -> String {
    let verdict = row.verdict.map_or("", |verdict| verdict.name());
    format!("{} {verdict}", row.name)
}

/// Rows whose text contains the filter, in the order of their keys.
fn arrange<'a, R, K: Ord>(
    rows: &'a [R],
    view: &View,
    text: impl Fn(&R) -> String,
    key: impl Fn(&'a R) -> K,
) -> Vec<&'a R> {
    let wanted = view.filter.to_lowercase();
    // Texts are made where they are needed only: there may be very many rows.
    let is_shown = |row: &&R| wanted.is_empty() || text(row).to_lowercase().contains(&wanted);
    let mut shown: Vec<&R> = rows.iter().filter(is_shown).collect();
    shown.sort_by_cached_key(|row| key(row));
    if view.is_reversed {
        shown.reverse();
    }
    shown
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
