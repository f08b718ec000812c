//! The prefixes of one list, immutable: a change makes another table.

use std::net::IpAddr;

use gateway_common::list::NEVER;

use super::index::Index;
use super::span::{number, span};
use crate::model::Prefix;

/// Prefixes in order, each once, covering ones first, with their ends.
#[derive(Debug, Default)]
pub struct Table {
    prefixes: Box<[Prefix]>,
    /// Empty where nothing ends.
    ends: Box<[u64]>,
    index: Index,
    room: Room,
    /// Lengths that occur, as a bit set, by family: IPv4, IPv6. A prefix of length 128 is a host
    /// and covers nothing but itself.
    lengths: [u128; 2],
}

/// How many entries of each kind there are, as the kernel's tables count them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// IPv4 addresses.
    pub ipv4_hosts: usize,
    /// IPv4 prefixes.
    pub ipv4_prefixes: usize,
    /// IPv6 addresses.
    pub ipv6_hosts: usize,
    /// IPv6 prefixes.
    pub ipv6_prefixes: usize,
}

impl Room {
    pub(super) fn count(&mut self, prefix: Prefix) {
        let kind = match (prefix.network().is_ipv4(), prefix.is_host()) {
            (true, true) => &mut self.ipv4_hosts,
            (true, false) => &mut self.ipv4_prefixes,
            (false, true) => &mut self.ipv6_hosts,
            (false, false) => &mut self.ipv6_prefixes,
        };
        *kind += 1;
    }

    pub(super) const fn plus(self, other: Self) -> Self {
        Self {
            ipv4_hosts: self.ipv4_hosts + other.ipv4_hosts,
            ipv4_prefixes: self.ipv4_prefixes + other.ipv4_prefixes,
            ipv6_hosts: self.ipv6_hosts + other.ipv6_hosts,
            ipv6_prefixes: self.ipv6_prefixes + other.ipv6_prefixes,
        }
    }
}

/// A run of a table, in order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run<'a> {
    prefixes: &'a [Prefix],
    ends: &'a [u64],
}

impl<'a> Run<'a> {
    /// The first entry.
    pub(super) fn first(&self) -> Option<(Prefix, u64)> {
        let prefix = self.prefixes.first()?;
        Some((*prefix, self.ends.first().copied().unwrap_or(NEVER)))
    }

    /// Leaves the first entry out.
    pub(super) fn advance(&mut self) {
        self.prefixes = self.prefixes.get(1..).unwrap_or_default();
        self.ends = self.ends.get(1..).unwrap_or_default();
    }
}

impl Table {
    /// A list whose entries stay until they are removed. Duplicates count once.
    #[must_use]
    pub fn lasting(mut prefixes: Vec<Prefix>) -> Self {
        prefixes.sort_unstable();
        prefixes.dedup();
        Self::build(prefixes.into_boxed_slice(), Box::default())
    }

    /// A list from entries in the order of their prefixes, each once, with their ends.
    pub(super) fn ending(entries: impl Iterator<Item = (Prefix, u64)>) -> Self {
        let (prefixes, ends): (Vec<_>, Vec<_>) = entries.unzip();
        Self::build(prefixes.into_boxed_slice(), ends.into_boxed_slice())
    }

    fn build(prefixes: Box<[Prefix]>, ends: Box<[u64]>) -> Self {
        let end_of = |index: usize| ends.get(index).copied().unwrap_or(NEVER);
        let entries = prefixes.iter().enumerate();
        let index = Index::build(entries.map(|(index, prefix)| (*prefix, end_of(index))));
        let mut room = Room::default();
        let [mut ipv4, mut ipv6] = [0_u128; 2];
        for prefix in &prefixes {
            room.count(*prefix);
            let lengths = if prefix.network().is_ipv4() {
                &mut ipv4
            } else {
                &mut ipv6
            };
            *lengths |= 1_u128.checked_shl(prefix.length().into()).unwrap_or(0);
        }
        Self {
            prefixes,
            ends,
            index,
            room,
            lengths: [ipv4, ipv6],
        }
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.prefixes.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.prefixes.is_empty()
    }

    /// Memory it occupies, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.prefixes) + size_of_val(&*self.ends) + self.index.bytes()
    }

    /// Entries by kind.
    #[must_use]
    pub const fn room(&self) -> Room {
        self.room
    }

    /// Every prefix, in order.
    #[must_use]
    pub fn prefixes(&self) -> &[Prefix] {
        &self.prefixes
    }

    /// Until when `address`, which is no mapped one, is listed; `None` where it is not.
    pub(super) fn end_of(&self, address: IpAddr) -> Option<u64> {
        self.index.end_of(address)
    }

    /// Whether an IPv6 prefix is shorter than `length`.
    pub(super) const fn has_ipv6_below(&self, length: u8) -> bool {
        let [_, ipv6] = self.lengths;
        ipv6.trailing_zeros() < length as u32
    }

    /// The entries inside `prefix`, itself included.
    pub(super) fn within(&self, prefix: Prefix) -> Run<'_> {
        let last = span(prefix).last;
        let is_ipv4 = prefix.network().is_ipv4();
        let first = self.prefixes.partition_point(|entry| *entry < prefix);
        let behind = self.prefixes.partition_point(|entry| {
            let network = entry.network();
            match (network.is_ipv4(), is_ipv4) {
                (true, false) => true,
                (false, true) => false,
                _ => number(network) <= last,
            }
        });
        self.run(first, behind.max(first))
    }

    /// The latest end of the entries that cover `prefix`, itself left out; `None` where none does.
    pub(super) fn end_around(&self, prefix: Prefix) -> Option<u64> {
        let [ipv4, ipv6] = self.lengths;
        let network = prefix.network();
        let mut shorter = if network.is_ipv4() { ipv4 } else { ipv6 };
        shorter &= 1_u128
            .checked_shl(prefix.length().into())
            .map_or(u128::MAX, |bit| bit - 1);
        let mut latest = None;
        while shorter != 0 {
            let length = u8::try_from(shorter.trailing_zeros()).unwrap_or(u8::MAX);
            shorter &= shorter - 1;
            latest = latest.max(self.end_at(Prefix::containing(network, length)));
        }
        latest
    }

    /// The end of an entry as it was written.
    fn end_at(&self, prefix: Prefix) -> Option<u64> {
        let index = self.prefixes.binary_search(&prefix).ok()?;
        Some(self.ends.get(index).copied().unwrap_or(NEVER))
    }

    fn run(&self, first: usize, behind: usize) -> Run<'_> {
        Run {
            prefixes: self.prefixes.get(first..behind).unwrap_or_default(),
            ends: self.ends.get(first..behind).unwrap_or_default(),
        }
    }
}
