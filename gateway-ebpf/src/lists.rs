//! What the lists say about a source.
//!
//! A filter answers for almost everybody. Only where it does not rule the source out are the exact
//! entry and the entry of the longest prefix asked; what either says holds. Management comes
//! before allowed, allowed before denied, denied before what is only monitored.

use gateway_common::address::Address;
use gateway_common::capacity::{LIST_IPV4_FILTER_WORDS, LIST_IPV6_FILTER_BITS};
use gateway_common::list::{self, FilterBit, LIST_MANAGEMENT, ListEntry};
use gateway_common::settings::{FLAG_LIST_IPV6_SHORT, Settings};
use gateway_common::trace::{Step, Topic};
use gateway_common::word::Word;

use crate::limits::Subject;
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

/// What the lists say, and which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What they say.
    pub standing: Standing,
    /// Number of the list that decides; zero where none does.
    pub list: u16,
}

impl Listed {
    /// On no list.
    pub const NOT: Self = Self {
        standing: Standing::Unlisted,
        list: 0,
    };

    /// Both as one number.
    #[inline(always)]
    #[must_use]
    pub const fn number(self) -> u64 {
        (self.list as u64) << 8 | self.standing as u64
    }

    /// Back from [`Self::number`].
    #[inline(always)]
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        let [standing, low, high, ..] = number.to_le_bytes();
        let standing = match standing {
            1 => Standing::Management,
            2 => Standing::Allowed,
            3 => Standing::Denied,
            4 => Standing::Monitored,
            _ => Standing::Unlisted,
        };
        Self {
            standing,
            list: u16::from_le_bytes([low, high]),
        }
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
    subject: &Subject,
    considered: Considered,
) -> Result<Listed, Fault> {
    let generation = settings.list_generation & 1;
    let suspect = if subject.is_ipv4 != 0 {
        ipv4_suspect(tables, generation, subject.address)?
    } else {
        ipv6_suspect(tables, settings, generation, subject.address)?
    };
    if !suspect {
        tables.note(|| Step {
            topic: Topic::Lists as u32,
            ..Step::default()
        });
        return Ok(Listed::NOT);
    }
    tables.ask_lists(subject, generation, considered)
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
    subject: &Subject,
    generation: u32,
    considered: Considered,
) -> Result<Listed, Fault> {
    let address = subject.address;
    let entries = if subject.is_ipv4 != 0 {
        let key = ipv4_key(address);
        [
            tables.list_ipv4_exact(generation, &key),
            tables.list_ipv4_prefix(generation, &key),
        ]
    } else {
        let key = (u128::from(address.high) << 64 | u128::from(address.low)).to_be_bytes();
        [
            tables.list_ipv6_exact(generation, &key),
            tables.list_ipv6_prefix(generation, &key),
        ]
    };
    let now = tables.now()?;
    let found = first(&entries, |entry| {
        (considered.has(Standing::Management) && entry.is_management()).then_some((
            Standing::Management,
            LIST_MANAGEMENT,
            list::NEVER,
        ))
    })
    .or_else(|| {
        first(&entries, |entry| {
            (considered.has(Standing::Allowed) && entry.allows(now)).then_some((
                Standing::Allowed,
                entry.allow_list,
                entry.allow_until_ns,
            ))
        })
    })
    .or_else(|| {
        first(&entries, |entry| {
            (considered.has(Standing::Denied) && entry.denies(now)).then_some((
                Standing::Denied,
                entry.deny_list,
                entry.deny_until_ns,
            ))
        })
    })
    .or_else(|| {
        first(&entries, |entry| {
            (considered.has(Standing::Monitored) && entry.would_deny(now)).then_some((
                Standing::Monitored,
                entry.monitor_list,
                entry.monitor_until_ns,
            ))
        })
    });
    let (standing, list, until) = found.unwrap_or((Standing::Unlisted, 0, 0));
    if standing != Standing::Unlisted {
        tables.count_list(u32::from(list), subject.bytes);
    }
    tables.note(|| Step {
        topic: Topic::Lists as u32,
        outcome: standing as u32,
        first: u64::from(list),
        second: until,
    });
    Ok(Listed { standing, list })
}

type Decision = (Standing, u16, u64);

/// What the first entry says that says anything; it is counted with it.
#[inline(always)]
fn first<W: Word>(
    entries: &[Option<&ListEntry<W>>; 2],
    says: impl Fn(&ListEntry<W>) -> Option<Decision>,
) -> Option<Decision> {
    entries.iter().flatten().find_map(|entry| {
        let decision = says(entry)?;
        entry.hits.add(1);
        Some(decision)
    })
}
