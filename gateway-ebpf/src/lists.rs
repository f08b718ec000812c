//! What the lists say about a source.
//!
//! A filter answers for almost everybody. Only where it does not rule the source out is the entry
//! of the address asked, or where it has none that of its longest prefix: either holds what all
//! prefixes around it say as well. Management comes before allowed, allowed before denied, denied
//! before what is only monitored.

use gateway_common::address::Address;
use gateway_common::capacity::{LIST_IPV4_FILTER_WORDS, LIST_IPV6_FILTER_BITS};
use gateway_common::list::{self, FilterBit, LIST_MANAGEMENT, ListEntry};
use gateway_common::settings::{FLAG_LIST_IPV6_SHORT, Settings};
use gateway_common::trace::{Step, Topic};
use gateway_common::word::Word;

use crate::reading::Reading;
use crate::tables::{Fault, Tables};

/// What the lists say, by the numbers of [`Topic::Lists`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Standing {
    /// Nothing.
    Unlisted = 0,
    /// A management prefix: never judged.
    Management = 1,
    /// Passes without limits.
    Allowed = 2,
    /// Denied.
    Denied = 3,
    /// Denied by a list that is only monitored.
    Monitored = 4,
}

/// What the lists say, and which of them: the standing in the lowest byte, the number of the list
/// above. One number, which the verifier need not look into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed(pub u64);

impl Listed {
    /// On no list.
    pub const NOT: Self = Self::new(Standing::Unlisted, 0);

    /// A standing and the list that decides.
    #[inline(always)]
    #[must_use]
    pub const fn new(standing: Standing, list: u16) -> Self {
        Self((list as u64) << 8 | standing as u64)
    }

    /// Whether this is the standing.
    #[inline(always)]
    #[must_use]
    pub const fn is(self, standing: Standing) -> bool {
        self.0 & 0xff == standing as u64
    }

    /// Number of the list that decides; zero where none does.
    #[inline(always)]
    #[must_use]
    pub const fn list(self) -> u32 {
        let [_, low, high, ..] = self.0.to_le_bytes();
        u32::from_le_bytes([low, high, 0, 0])
    }
}

/// Which standings matter to the packet: entries are asked and counted for these alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Considered(pub u64);

impl Considered {
    /// All of them.
    pub const ALL: Self = Self(u64::MAX);
    /// None but management.
    pub const MANAGEMENT: Self = Self(1 << Standing::Management as u32);

    /// Those that let a packet pass.
    pub const EXEMPT: Self = Self(Self::MANAGEMENT.0 | 1 << Standing::Allowed as u32);

    /// Without `standing`, where `condition` holds.
    #[inline(always)]
    #[must_use]
    pub const fn without(self, standing: Standing, condition: bool) -> Self {
        Self(self.0 & !((condition as u64) << standing as u32))
    }

    #[inline(always)]
    const fn has(self, standing: Standing) -> bool {
        self.0 >> standing as u32 & 1 != 0
    }
}

/// Looks a source up.
///
/// # Errors
/// [`Fault`] when a map or the clock does not answer.
#[inline(always)]
pub fn find<T: Tables>(
    tables: &T,
    settings: &Settings,
    packet: &Reading,
    considered: Considered,
) -> Result<Listed, Fault> {
    let generation = settings.list_generation & 1;
    let suspect = if packet.is_ipv4() {
        ipv4_suspect(tables, generation, packet.source)?
    } else {
        ipv6_suspect(tables, settings, generation, packet.source)?
    };
    if !suspect {
        note(tables, Listed::NOT, list::NEVER);
        return Ok(Listed::NOT);
    }
    tables.ask_lists(packet, generation, considered)
}

/// Whether the filter knows of anything that could cover an IPv4 source.
#[inline(always)]
fn ipv4_suspect<T: Tables>(tables: &T, generation: u32, source: Address) -> Result<bool, Fault> {
    let bit = list::ipv4_bit(u32::from_be_bytes(ipv4_key(source)));
    let word = tables.list_ipv4_filter(generation * LIST_IPV4_FILTER_WORDS + bit.word)?;
    Ok(word & bit.mask != 0)
}

/// Whether the filter knows of anything that could cover an IPv6 source.
#[inline(always)]
fn ipv6_suspect<T: Tables>(
    tables: &T,
    settings: &Settings,
    generation: u32,
    source: Address,
) -> Result<bool, Fault> {
    let words = 1 << (LIST_IPV6_FILTER_BITS - 6);
    let is_set = |bit: FilterBit| {
        let word = tables.list_ipv6_filter(generation * words + bit.word)?;
        Ok(word & bit.mask != 0)
    };
    let seed = settings.seed;
    Ok(settings.flags & FLAG_LIST_IPV6_SHORT != 0
        || is_set(list::ipv6_48_bit(source.high, seed, LIST_IPV6_FILTER_BITS))?
        || is_set(list::ipv6_32_bit(source.high, seed, LIST_IPV6_FILTER_BITS))?)
}

/// The lower half of a mapped address ends in the IPv4 address.
#[inline(always)]
const fn ipv4_key(source: Address) -> [u8; 4] {
    let [_, _, _, _, key @ ..] = source.low.to_be_bytes();
    key
}

/// Asks the entries themselves, and counts the packet with the entry and the list that decide.
///
/// # Errors
/// [`Fault`] when the clock does not answer.
#[inline(always)]
pub fn ask<T: Tables>(
    tables: &T,
    packet: &Reading,
    generation: u32,
    considered: Considered,
) -> Result<Listed, Fault> {
    let address = packet.source;
    // Entries of addresses count what covers them as well, so the trie is asked only without one.
    let entry = if packet.is_ipv4() {
        let key = ipv4_key(address);
        match tables.list_ipv4_exact(generation, &key) {
            Some(entry) => Some(entry),
            None => tables.list_ipv4_prefix(generation, &key),
        }
    } else {
        let key = (u128::from(address.high) << 64 | u128::from(address.low)).to_be_bytes();
        match tables.list_ipv6_exact(generation, &key) {
            Some(entry) => Some(entry),
            None => tables.list_ipv6_prefix(generation, &key),
        }
    };
    let Some(entry) = entry else {
        note(tables, Listed::NOT, list::NEVER);
        return Ok(Listed::NOT);
    };
    let listed = ask_entry(entry, tables.now()?, considered);
    if !listed.is(Standing::Unlisted) {
        entry.hits.add(1);
        tables.count_list(listed.list(), packet.bytes);
    }
    note(tables, listed, until(entry, listed));
    Ok(listed)
}

/// What one entry says at `now`.
#[inline(always)]
const fn ask_entry<W>(entry: &ListEntry<W>, now: u64, considered: Considered) -> Listed {
    let (standing, list) = if considered.has(Standing::Management) && entry.is_management() {
        (Standing::Management, LIST_MANAGEMENT)
    } else if considered.has(Standing::Allowed) && entry.allows(now) {
        (Standing::Allowed, entry.allow_list)
    } else if considered.has(Standing::Denied) && entry.denies(now) {
        (Standing::Denied, entry.deny_list)
    } else if considered.has(Standing::Monitored) && entry.would_deny(now) {
        (Standing::Monitored, entry.monitor_list)
    } else {
        (Standing::Unlisted, 0)
    };
    Listed::new(standing, list)
}

/// The end of what an entry says.
#[inline(always)]
const fn until<W>(entry: &ListEntry<W>, listed: Listed) -> u64 {
    if listed.is(Standing::Allowed) {
        entry.allow_until_ns
    } else if listed.is(Standing::Denied) {
        entry.deny_until_ns
    } else if listed.is(Standing::Monitored) {
        entry.monitor_until_ns
    } else {
        list::NEVER
    }
}

#[inline(always)]
fn note<T: Tables>(tables: &T, listed: Listed, until: u64) {
    let Listed(number) = listed;
    let [standing, ..] = number.to_le_bytes();
    tables.note(|| Step {
        topic: Topic::Lists as u32,
        outcome: u32::from(standing),
        first: u64::from(listed.list()),
        second: until,
    });
}
