//! What the daemon tells the XDP program.
//!
//! The settings are double-buffered: the daemon writes the spare copy whole, together with the
//! spare generation of every table it changes, and then moves one word ([`Control::active`]). A
//! packet sees the old settings or the new ones, never a mixture.

use crate::address::KIND_COUNT;
use crate::limit::Limit;

/// The one word that says which settings are in force.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// Index of the active [`Settings`], 0 or 1.
    pub active: u32,
    /// Zero.
    pub reserved: u32,
}

/// Headers that cannot be reached pass instead of being dropped.
pub const FLAG_UNPARSED_PASS: u32 = 1 << 0;
/// The deny list has entries.
pub const FLAG_DENY: u32 = 1 << 1;
/// The deny list has an IPv6 prefix shorter than /32, for which the filter says nothing.
pub const FLAG_DENY_IPV6_SHORT: u32 = 1 << 2;
/// The interface list is active at all; without it everything passes.
pub const FLAG_LISTENERS: u32 = 1 << 3;

/// The limit of one kind for sources and for their aggregates.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceLimit {
    /// Per source.
    pub source: Limit,
    /// Per aggregate, charged only when a source finds its line full.
    pub aggregate: Limit,
    /// Non-zero: read the clock for every charge, because the burst is worth less than four ticks.
    pub precise: u64,
}

/// One copy of the settings.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Key of source tags and table indexes; random, drawn once when the maps are created.
    pub seed: u64,
    /// Seed under which every endpoint line holds its entries.
    pub endpoint_seed: u64,
    /// Generation of the endpoint table, 0 or 1.
    pub endpoint_generation: u32,
    /// Generation of the deny list, 0 or 1.
    pub deny_generation: u32,
    /// `FLAG_*`.
    pub flags: u32,
    /// Zero.
    pub reserved: u32,
    /// Limits by kind, see [`crate::address`].
    pub limits: [SourceLimit; KIND_COUNT],
}

const _: () = assert!(size_of::<SourceLimit>() == 56);
const _: () = assert!(size_of::<Settings>() == 32 + 56 * KIND_COUNT);
