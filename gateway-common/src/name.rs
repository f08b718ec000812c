//! Names of maps and programs, as they appear in the object, in bpffs and in `bpftool`.
//! The kernel keeps 15 characters.

/// [`crate::settings::Control`], one entry; mapped into memory by the daemon.
pub const MAP_CONTROL: &str = "control";
/// [`crate::settings::Settings`], two entries.
pub const MAP_SETTINGS: &str = "settings";
/// [`crate::settings::Rules`], two generations of [`crate::capacity::RULES_COUNT`].
pub const MAP_RULES: &str = "rules";
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
/// Words of the IPv4 filter, two generations one after the other.
pub const MAP_LIST4_FILTER: &str = "list4_filter";
/// Words of the IPv6 filter, two generations one after the other.
pub const MAP_LIST6_FILTER: &str = "list6_filter";
/// Exact IPv4 addresses, by generation.
pub const MAP_LIST4_EXACT: [&str; 2] = ["list4_exact_a", "list4_exact_b"];
/// Exact IPv6 addresses, by generation.
pub const MAP_LIST6_EXACT: [&str; 2] = ["list6_exact_a", "list6_exact_b"];
/// IPv4 prefixes, by generation.
pub const MAP_LIST4_PREFIX: [&str; 2] = ["list4_prefix_a", "list4_prefix_b"];
/// IPv6 prefixes, by generation.
pub const MAP_LIST6_PREFIX: [&str; 2] = ["list6_prefix_a", "list6_prefix_b"];
/// [`crate::bucket::Line`] of vouched sources, whose words are ends; mapped by the daemon.
pub const MAP_VOUCHED: &str = "vouched";
/// [`crate::bucket::Alone`], by [`crate::settings::Newcomers`]; mapped by the daemon.
pub const MAP_NEWCOMERS: &str = "newcomers";
/// [`crate::flow::FlowRow`] by [`crate::flow::FlowKey`]: flows that are penalised.
pub const MAP_FLOWS: &str = "flows";
/// [`crate::bucket::Line`] of offences; mapped by the daemon.
pub const MAP_OFFENCES: &str = "offences";
/// Ring of [`crate::event::Event`].
pub const MAP_EVENTS: &str = "events";
/// [`crate::event::Sampler`] per CPU.
pub const MAP_SAMPLER: &str = "sampler";
/// [`crate::trace::Trace`], one entry: what the explaining program has to say. Never pinned.
pub const MAP_TRACE: &str = "trace";
/// [`crate::counter::Counter`] per CPU, by list.
pub const MAP_LIST_COUNTERS: &str = "list_counters";
/// [`crate::counter::Counter`] per CPU, by listener and verdict.
pub const MAP_LISTENER_COUNTERS: &str = "listener_counts";
/// [`crate::counter::Counter`] per CPU.
pub const MAP_COUNTERS: &str = "counters";
/// `u64` per CPU, by [`crate::counter::Incident`].
pub const MAP_INCIDENTS: &str = "incidents";
/// [`crate::counter::TickClock`] per CPU.
pub const MAP_CLOCK: &str = "tick_clock";
/// The program that judges packets.
pub const PROGRAM_EDGE: &str = "gateway_edge";
/// The program that judges one packet as [`PROGRAM_EDGE`] would, writes nothing that is shared and
/// says each step. Never attached; run by test run.
pub const PROGRAM_EXPLAIN: &str = "gateway_explain";
/// The program that passes everything: the baseline of the benchmarks.
pub const PROGRAM_EMPTY: &str = "gateway_empty";
/// The program that reports the kernel's tick, run once by test run.
pub const PROGRAM_TICK: &str = "gateway_tick";
/// The program that judges like [`PROGRAM_EDGE`] and logs every judgement. Only in objects built
/// for debugging.
pub const PROGRAM_DEBUG: &str = "gateway_debug";
/// The program that gives every packet another source and judges it like [`PROGRAM_EDGE`]. Only in
/// objects built for benchmarks.
pub const PROGRAM_BENCH: &str = "gateway_bench";
