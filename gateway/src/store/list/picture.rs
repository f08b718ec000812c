//! All lists at one moment, and what they come to for an address or a prefix.
//!
//! A picture is immutable and shares the tables of its lists with the pictures before and after
//! it: a change by hand copies one small table and a few references, however long the other lists
//! are.

use std::net::IpAddr;
use std::sync::Arc;

use gateway_common::list::{ENTRY_MANAGEMENT, PlainEntry};

use super::table::{Room, Run, Table};
use crate::model::Prefix;

/// What being on a list means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Never judged.
    Management,
    /// Let in without limits, whatever denies it.
    Allow,
    /// Kept out.
    Deny,
    /// Would be kept out.
    Monitor,
    /// Passes on what others send: let in by the kernel alone, which sees only its address. What its
    /// packets hold is judged where that is known.
    Proxy,
}

/// One list.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) number: u16,
    pub(super) role: Role,
    pub(super) table: Arc<Table>,
}

/// What the lists say about an address; with the number of the list that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// No list speaks of it.
    Unlisted,
    /// It is never judged.
    Management,
    /// It is let in without limits.
    Allowed(u16),
    /// It is kept out.
    Denied(u16),
    /// It would be kept out, were its list enforced.
    Monitored(u16),
}

/// A prefix with what all lists come to for it: its own entries and those that cover it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The prefix.
    pub prefix: Prefix,
    /// As the kernel's tables hold it, without hits.
    pub entry: PlainEntry,
}

/// Lengths below this are not known to the IPv6 filter.
const IPV6_FILTER_LENGTH_MIN: u8 = 32;

/// All lists. Read without a lock; never changed.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    parts: Vec<Part>,
}

impl Picture {
    /// From lists in the order of their numbers.
    pub(super) const fn new(parts: Vec<Part>) -> Self {
        Self { parts }
    }

    /// The same lists with another table for list `number`.
    pub(super) fn with(&self, number: u16, table: Arc<Table>) -> Self {
        let mut changed = self.clone();
        if let Some(part) = changed.parts.iter_mut().find(|part| part.number == number) {
            part.table = table;
        }
        changed
    }

    /// Its lists, in the order of their numbers.
    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// What the lists say about `address` at `now_ns` of `CLOCK_MONOTONIC`.
    #[must_use]
    pub fn judge(&self, address: IpAddr, now_ns: u64) -> Standing {
        let address = address.to_canonical();
        let mut standing = Standing::Unlisted;
        let mut rank = 0;
        let mut latest = 0;
        for part in &self.parts {
            let listed = part.table.end_of(address);
            let Some(end_ns) = listed.filter(|end_ns| now_ns < *end_ns) else {
                continue;
            };
            let (its_rank, its_standing) = match part.role {
                Role::Management => return Standing::Management,
                Role::Allow => (3, Standing::Allowed(part.number)),
                Role::Deny => (2, Standing::Denied(part.number)),
                Role::Monitor => (1, Standing::Monitored(part.number)),
                Role::Proxy => continue,
            };
            if (its_rank, end_ns) > (rank, latest) {
                (rank, latest, standing) = (its_rank, end_ns, its_standing);
            }
        }
        standing
    }

    /// Whether `address` is one of a proxy, whom the kernel lets in whatever the lists say.
    #[must_use]
    pub fn is_proxy(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let mut proxies = self.parts.iter().filter(|part| part.role == Role::Proxy);
        proxies.any(|part| part.table.end_of(address).is_some())
    }

    /// The entries inside `prefix`, itself included, in order, covering ones first.
    #[must_use]
    pub fn within(&self, prefix: Prefix) -> Within<'_> {
        let mut around = PlainEntry::default();
        for part in &self.parts {
            if let Some(end_ns) = part.table.end_around(prefix) {
                join(&mut around, &own(part, end_ns));
            }
        }
        let runs = self
            .parts
            .iter()
            .map(|part| (part, part.table.within(prefix)))
            .filter(|(_, run)| run.first().is_some());
        Within {
            runs: runs.collect(),
            around,
            open: Vec::new(),
        }
    }

    /// Every entry, in order, covering ones first.
    pub fn all(&self) -> impl Iterator<Item = Effective> {
        let everything = [
            Prefix::containing(std::net::Ipv4Addr::UNSPECIFIED.into(), 0),
            Prefix::containing(std::net::Ipv6Addr::UNSPECIFIED.into(), 0),
        ];
        everything
            .into_iter()
            .flat_map(|prefix| self.within(prefix))
    }

    /// Every prefix of every list, in no order, some of them twice.
    pub fn prefixes(&self) -> impl Iterator<Item = Prefix> {
        let tables = self.parts.iter().map(|part| part.table.prefixes());
        tables.flatten().copied()
    }

    /// Whether any entry covers `prefix`, itself left out.
    #[must_use]
    pub fn covers(&self, prefix: Prefix) -> bool {
        let mut tables = self.parts.iter().map(|part| &part.table);
        tables.any(|table| table.end_around(prefix).is_some())
    }

    /// Whether no list has an entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.iter().all(|part| part.table.is_empty())
    }

    /// Whether an IPv6 prefix is shorter than what the kernel's filter knows.
    #[must_use]
    pub fn has_short_ipv6(&self) -> bool {
        let short = |part: &Part| part.table.has_ipv6_below(IPV6_FILTER_LENGTH_MIN);
        self.parts.iter().any(short)
    }

    /// Memory the tables occupy, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.parts.iter().map(|part| part.table.bytes()).sum()
    }

    /// At least as many entries by kind as there are: prefixes on several lists count several
    /// times.
    pub(super) fn room_at_most(&self) -> Room {
        let rooms = self.parts.iter().map(|part| part.table.room());
        rooms.fold(Room::default(), Room::plus)
    }

    /// Entries by kind, counted out.
    pub(super) fn room(&self) -> Room {
        let mut room = Room::default();
        for effective in self.all() {
            room.count(effective.prefix);
        }
        room
    }
}

/// See [`Picture::within`].
#[derive(Debug)]
pub struct Within<'a> {
    runs: Vec<(&'a Part, Run<'a>)>,
    /// What covers everything that is still to come.
    around: PlainEntry,
    /// The entries around the current position, outermost first.
    open: Vec<Effective>,
}

impl Iterator for Within<'_> {
    type Item = Effective;

    fn next(&mut self) -> Option<Effective> {
        let firsts = self.runs.iter().filter_map(|(_, run)| run.first());
        let prefix = firsts.map(|(prefix, _)| prefix).min()?;
        let mut entry = PlainEntry::default();
        for (part, run) in &mut self.runs {
            if let Some((first, end_ns)) = run.first()
                && first == prefix
            {
                join(&mut entry, &own(part, end_ns));
                run.advance();
            }
        }
        while self
            .open
            .last()
            .is_some_and(|last| !last.prefix.covers(&prefix))
        {
            self.open.pop();
        }
        let around = self.open.last().map_or(&self.around, |last| &last.entry);
        join(&mut entry, around);
        let effective = Effective { prefix, entry };
        // An address covers nothing.
        if !prefix.is_host() {
            self.open.push(effective);
        }
        Some(effective)
    }
}

/// What one list alone says.
fn own(part: &Part, end_ns: u64) -> PlainEntry {
    let mut entry = PlainEntry {
        lists: 1 << part.number,
        ..PlainEntry::default()
    };
    match part.role {
        Role::Management => entry.flags = ENTRY_MANAGEMENT,
        Role::Allow | Role::Proxy => {
            (entry.allow_until_ns, entry.allow_list) = (end_ns, part.number);
        }
        Role::Deny => (entry.deny_until_ns, entry.deny_list) = (end_ns, part.number),
        Role::Monitor => (entry.monitor_until_ns, entry.monitor_list) = (end_ns, part.number),
    }
    entry
}

/// Adds what `other` says to `entry`: of two ends the later one, with the lowest list that has it.
fn join(entry: &mut PlainEntry, other: &PlainEntry) {
    let later = |end: (u64, u16), other: (u64, u16)| match end.0.cmp(&other.0) {
        std::cmp::Ordering::Less => other,
        std::cmp::Ordering::Equal => (end.0, end.1.min(other.1)),
        std::cmp::Ordering::Greater => end,
    };
    (entry.deny_until_ns, entry.deny_list) = later(
        (entry.deny_until_ns, entry.deny_list),
        (other.deny_until_ns, other.deny_list),
    );
    (entry.monitor_until_ns, entry.monitor_list) = later(
        (entry.monitor_until_ns, entry.monitor_list),
        (other.monitor_until_ns, other.monitor_list),
    );
    (entry.allow_until_ns, entry.allow_list) = later(
        (entry.allow_until_ns, entry.allow_list),
        (other.allow_until_ns, other.allow_list),
    );
    entry.lists |= other.lists;
    entry.flags |= other.flags;
}
