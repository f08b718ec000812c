//! The lists that are kept by hand: entries with ends, and changes that wait to be confirmed.

use std::collections::BTreeMap;
use std::time::Duration;

use gateway_common::list::{LIST_ALLOW, LIST_OPERATOR};
use serde::{Deserialize, Serialize};

use super::error::ListError;
use super::moment::{Expiry, Moment, end_ns};
use super::table::Table;
use crate::model::Prefix;

/// Entries that a list kept by hand may have. The list is saved whole with every change.
pub const BY_HAND_MAX: usize = 1 << 16;

/// A list that is kept by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ByHand {
    /// Who is kept out; its name in statistics is `operator`.
    Deny,
    /// Who is let in without limits.
    Allow,
}

impl ByHand {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Deny, Self::Allow];

    /// The number of the list in the kernel's tables.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::Deny => LIST_OPERATOR,
            Self::Allow => LIST_ALLOW,
        }
    }

    /// The word of the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Allow => "allow",
        }
    }

    /// What it makes of a source.
    #[must_use]
    pub const fn participle(self) -> &'static str {
        match self {
            Self::Deny => "denied",
            Self::Allow => "allowed",
        }
    }
}

/// Each prefix with its end, `None` for none.
pub(super) type Entries = BTreeMap<Prefix, Option<Expiry>>;

/// A change that is taken back unless it is confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) list: ByHand,
    pub(super) prefix: Prefix,
    /// The entry before the change; `None` where there was none.
    pub(super) before: Option<Option<Expiry>>,
    /// When it is taken back.
    pub(super) until: Expiry,
}

/// Both lists and what waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) deny: Entries,
    pub(super) allow: Entries,
    pub(super) pending: Vec<Pending>,
}

/// What is to happen to one entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edit {
    pub(super) list: ByHand,
    pub(super) prefix: Prefix,
    /// The entry from now on; `None` takes it off.
    pub(super) entry: Option<Option<Expiry>>,
    /// Taken back after this time unless it is confirmed; `None` is for good.
    pub(super) confirm_within: Option<Duration>,
}

impl Kept {
    pub(super) const fn entries(&self, list: ByHand) -> &Entries {
        match list {
            ByHand::Deny => &self.deny,
            ByHand::Allow => &self.allow,
        }
    }

    const fn entries_mut(&mut self, list: ByHand) -> &mut Entries {
        match list {
            ByHand::Deny => &mut self.deny,
            ByHand::Allow => &mut self.allow,
        }
    }

    /// One list as it is enforced.
    pub(super) fn table(&self, list: ByHand) -> Table {
        let entries = self.entries(list).iter();
        Table::ending(entries.map(|(prefix, expiry)| (*prefix, end_ns(*expiry))))
    }

    /// Changes one entry of a list that may have `max`; returns what it was before.
    pub(super) fn edit(
        &mut self,
        edit: &Edit,
        max: usize,
        now: Moment,
    ) -> Result<Option<Option<Expiry>>, ListError> {
        let before = self.put(edit.list, edit.prefix, edit.entry);
        if self.entries(edit.list).len() > max && before.is_none() {
            return Err(ListError::TooMany { max });
        }
        let is_same =
            |pending: &Pending| (pending.list, pending.prefix) == (edit.list, edit.prefix);
        let waiting = self.pending.iter().position(is_same);
        // Whoever changes an entry again has seen it; what is gone back to is the last state that
        // somebody stood by.
        let stood_by = waiting.map_or(before, |index| self.pending.remove(index).before);
        if let Some(time) = edit.confirm_within {
            self.pending.push(Pending {
                list: edit.list,
                prefix: edit.prefix,
                before: stood_by,
                until: now.after(time).ok_or(ListError::TooLong(edit.prefix))?,
            });
        }
        Ok(before)
    }

    /// Takes back what nobody has confirmed in time; returns what was.
    pub(super) fn take_back(&mut self, now: Moment) -> Vec<Pending> {
        let (due, waiting): (Vec<_>, Vec<_>) = self
            .pending
            .iter()
            .partition(|pending| pending.until.is_over(now));
        self.pending = waiting;
        for pending in &due {
            self.put(pending.list, pending.prefix, pending.before);
        }
        due
    }

    /// Forgets what has ended; returns what it was.
    pub(super) fn sweep(&mut self, now: Moment) -> Vec<(ByHand, Prefix)> {
        let mut gone = Vec::new();
        for list in ByHand::ALL {
            self.entries_mut(list).retain(|prefix, expiry| {
                let is_over = expiry.is_some_and(|expiry| expiry.is_over(now));
                if is_over {
                    gone.push((list, *prefix));
                }
                !is_over
            });
        }
        gone
    }

    /// Whether [`Self::take_back`] or [`Self::sweep`] would find anything.
    pub(super) fn is_due(&self, now: Moment) -> bool {
        let ended = |expiry: &Option<Expiry>| expiry.is_some_and(|expiry| expiry.is_over(now));
        self.pending
            .iter()
            .any(|pending| pending.until.is_over(now))
            || self.deny.values().any(ended)
            || self.allow.values().any(ended)
    }

    fn put(
        &mut self,
        list: ByHand,
        prefix: Prefix,
        entry: Option<Option<Expiry>>,
    ) -> Option<Option<Expiry>> {
        let entries = self.entries_mut(list);
        match entry {
            Some(expiry) => entries.insert(prefix, expiry),
            None => entries.remove(&prefix),
        }
    }
}

impl Kept {
    /// The prefixes whose entry in one list is another than in `before`.
    pub(super) fn differing(&self, before: &Self, list: ByHand) -> Vec<Prefix> {
        let (now, then) = (self.entries(list), before.entries(list));
        let changed = now
            .iter()
            .filter(|(prefix, expiry)| then.get(prefix) != Some(expiry));
        let gone = then.keys().filter(|prefix| !now.contains_key(prefix));
        changed
            .map(|(prefix, _)| prefix)
            .chain(gone)
            .copied()
            .collect()
    }
}
