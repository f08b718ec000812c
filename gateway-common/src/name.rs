//! Names of maps and programs, as they appear in the object, in bpffs and in `bpftool`.
//! The kernel keeps 15 characters.

/// [`crate::settings::Control`], one entry.
pub const MAP_CONTROL: &str = "control";
/// [`crate::settings::Settings`], two entries.
pub const MAP_SETTINGS: &str = "settings";
/// [`crate::endpoint::EndpointLine`], two generations one after the other.
pub const MAP_ENDPOINTS: &str = "endpoints";
/// [`crate::bucket::Line`] of sources; mapped into memory by the daemon.
pub const MAP_SOURCES: &str = "sources";
/// Words of aggregates; mapped into memory by the daemon.
pub const MAP_AGGREGATES: &str = "aggregates";
/// [`crate::slot::Slot`] of what the configuration names; mapped into memory by the daemon.
pub const MAP_SLOTS: &str = "slots";
/// [`crate::bucket::Line`] of callers; mapped into memory by the daemon.
pub const MAP_CALLERS: &str = "callers";
/// Words of the IPv4 deny filter, two generations one after the other.
pub const MAP_DENY4_FILTER: &str = "deny4_filter";
/// Words of the IPv6 deny filter, two generations one after the other.
pub const MAP_DENY6_FILTER: &str = "deny6_filter";
/// Exact IPv4 addresses, by generation.
pub const MAP_DENY4_EXACT: [&str; 2] = ["deny4_exact_a", "deny4_exact_b"];
/// Exact IPv6 addresses, by generation.
pub const MAP_DENY6_EXACT: [&str; 2] = ["deny6_exact_a", "deny6_exact_b"];
/// IPv4 prefixes, by generation.
pub const MAP_DENY4_PREFIX: [&str; 2] = ["deny4_prefix_a", "deny4_prefix_b"];
/// IPv6 prefixes, by generation.
pub const MAP_DENY6_PREFIX: [&str; 2] = ["deny6_prefix_a", "deny6_prefix_b"];
/// [`crate::counter::Counter`] per CPU.
pub const MAP_COUNTERS: &str = "counters";
/// `u64` per CPU, by [`crate::counter::Incident`].
pub const MAP_INCIDENTS: &str = "incidents";
/// [`crate::counter::TickClock`] per CPU.
pub const MAP_CLOCK: &str = "tick_clock";
/// The program that judges packets.
pub const PROGRAM_EDGE: &str = "gateway_edge";
/// The program that passes everything: the baseline of the benchmarks.
pub const PROGRAM_EMPTY: &str = "gateway_empty";
/// The program that reports the kernel's tick, run once by test run.
pub const PROGRAM_TICK: &str = "gateway_tick";
/// The program that judges like [`PROGRAM_EDGE`] and logs every judgement. Only in objects built
/// for debugging.
pub const PROGRAM_DEBUG: &str = "gateway_debug";
