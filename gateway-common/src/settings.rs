//! What the daemon tells the XDP program.
//!
//! The settings are double-buffered: the daemon writes the spare copy whole, together with the
//! spare generation of every table it changes, and then moves one word ([`Control::active`]). A
//! packet sees the old settings or the new ones, never a mixture.

use crate::address::Class;
use crate::capacity::RULES_COUNT;
use crate::limit::Limit;

/// The words that change from moment to moment.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// Index of the active [`Settings`] and generation of the [`Rules`], 0 or 1.
    pub active: u64,
    /// Non-zero: under attack. Sources that are not vouched for share the budgets of
    /// [`Settings::newcomers`].
    pub attack: u64,
    /// Rows in the flow table; zero: nobody looks there.
    pub penalties: u64,
    /// Zero: no events. Otherwise how densely drops are sampled and until when: see
    /// [`crate::event::watch`].
    pub events: u64,
}

/// Words of [`Control`], in its order.
pub const CONTROL_WORDS: usize = size_of::<Control>() / size_of::<u64>();

/// Headers that cannot be reached pass instead of being dropped.
pub const FLAG_UNPARSED_PASS: u32 = 1 << 0;
/// The lists have entries.
pub const FLAG_LISTS: u32 = 1 << 1;
/// A list has an IPv6 prefix shorter than /32, for which the filter says nothing.
pub const FLAG_LIST_IPV6_SHORT: u32 = 1 << 2;
/// There are listeners; without them everything passes.
pub const FLAG_LISTENERS: u32 = 1 << 3;
/// Some interface does not simply pass other traffic.
pub const FLAG_OTHER_TRAFFIC: u32 = 1 << 4;
/// Under attack, SYNs beyond the newcomers' budget are answered with a SYN cookie.
pub const FLAG_COOKIES: u32 = 1 << 5;

/// What becomes of traffic to this host that is for no listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u32)]
pub enum Treatment {
    /// It passes.
    #[default]
    Pass = 0,
    /// It passes within [`Settings::other`] per source.
    Limit = 1,
    /// It is dropped.
    Drop = 2,
}

/// The treatment of one interface by protocol, two bits each: TCP (SYN without ACK only), UDP (all
/// but replies), and the rest (all but ICMP errors and neighbour discovery).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OtherTraffic(pub u32);

impl OtherTraffic {
    /// Packs three treatments.
    #[must_use]
    pub const fn new(tcp: Treatment, udp: Treatment, rest: Treatment) -> Self {
        Self(tcp as u32 | (udp as u32) << 2 | (rest as u32) << 4)
    }

    /// The two bits of a protocol number, as a number: see [`Treatment`].
    #[inline(always)]
    #[must_use]
    pub const fn of(self, protocol: u8) -> u32 {
        let shift = match protocol {
            6 => 0,
            17 => 2,
            _ => 4,
        };
        self.0 >> shift & 3
    }
}

/// The limit of one class for sources and for their aggregates.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceLimit {
    /// Per source.
    pub source: Limit,
    /// Per aggregate, charged only when a source finds its line full.
    pub aggregate: Limit,
    /// Whose buckets are charged.
    pub class: Class,
    /// How much a source may owe, whatever it is charged for, to give way to a newcomer under this
    /// limit, in nanoseconds. At most the increment of one unit of this limit, and the least slack
    /// ([`Limit::slack_ns`]) of all limits that share the table.
    pub yields_ns: u64,
    /// Non-zero: read the clock for every charge, because the burst is worth less than four ticks.
    pub precise: u64,
}

/// A limit that many share, in one word.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SharedLimit {
    /// The limit; off means that nothing is held back.
    pub limit: Limit,
    /// As [`SourceLimit::precise`].
    pub precise: u64,
}

/// What newcomers share under attack, by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Newcomers {
    /// SYNs without ACK.
    Connections = 0,
    /// All other packets.
    Packets = 1,
}

/// Number of shared budgets.
pub const NEWCOMERS_COUNT: usize = 2;

/// UDP source ports whose packets count as replies.
pub const UDP_REPLY_PORTS_MAX: usize = 8;

/// One copy of the settings: what holds for every listener.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Key of source tags and table indexes; random, drawn once when the maps are created.
    pub seed: u64,
    /// Seed under which every endpoint line holds its entries.
    pub endpoint_seed: u64,
    /// Generation of the endpoint table, 0 or 1.
    pub endpoint_generation: u32,
    /// Generation of the lists, 0 or 1.
    pub list_generation: u32,
    /// `FLAG_*`.
    pub flags: u32,
    /// Events per second and CPU.
    pub events_per_second: u32,
    /// Source ports of UDP that count as replies; zeros fill up.
    pub udp_reply_ports: [u16; UDP_REPLY_PORTS_MAX],
    /// Packets per source to this host that are for no listener, where they are limited.
    pub other: SourceLimit,
    /// SYNs that a penalised source keeps. Asked only when the connection word holds more debt
    /// than a full bucket, which charges alone never do.
    pub trickle: SourceLimit,
    /// What newcomers share, by [`Newcomers`].
    pub newcomers: [SharedLimit; NEWCOMERS_COUNT],
}

/// Kinds that each listener has limits for: connections, packets and bytes, numbered as in
/// [`crate::address`].
pub const RULE_KINDS: usize = 3;

/// The rules of one listener; the first of a generation are those of the host itself, for what no
/// listener can be named for.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Limits by kind.
    pub limits: [SourceLimit; RULE_KINDS],
    /// Set of the reasons ([`crate::reason::Reason::bit`]) that are only monitored: what they
    /// would drop passes, is counted as `would_drop`, and is then judged by enforced rules alone.
    pub monitor: u64,
}

/// The index of the rules of a listener, or of the host (0), in a generation.
#[inline(always)]
#[must_use]
pub const fn rules_index(generation: u32, listener: u32) -> u32 {
    generation * RULES_COUNT as u32 + listener
}

const _: () = assert!(size_of::<SourceLimit>() == 80);
const _: () = assert!(size_of::<SharedLimit>() == 32);
const _: () = assert!(size_of::<Settings>() == 48 + 2 * 80 + NEWCOMERS_COUNT * 32);
const _: () = assert!(size_of::<Rules>() == 80 * RULE_KINDS + 8);
