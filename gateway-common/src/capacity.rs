//! How much every map holds, what that costs, and what happens when it is full.

/// Lines of the source table as a power of two: 65,536 lines of four ways, 4 MiB. A full line
/// charges the aggregate.
pub const SOURCE_LINE_BITS: u32 = 16;
/// Words of the aggregate table as a power of two: 16,384 words, 128 KiB. Aggregates that share a
/// word share its rate.
pub const AGGREGATE_BITS: u32 = 14;
/// Slots for what the configuration names: 65,536 lines, 4 MiB. A configuration that needs more is
/// refused.
pub const SLOT_COUNT: u32 = 1 << 16;
/// Lines of the caller table (header values, token claims) as a power of two: 65,536 lines of four
/// ways, 4 MiB. A full line charges the throttle's own slot.
pub const CALLER_LINE_BITS: u32 = 16;
/// Lines of one generation of the endpoint table as a power of two: 16,384 lines, 1 MiB.
pub const ENDPOINT_LINE_BITS: u32 = 14;
/// Endpoints that one configuration may expand to; more are refused.
pub const ENDPOINT_MAX: usize = 2_048;
/// Listeners a configuration may have.
pub const LISTENER_MAX: usize = 64;
/// Sets of rules in one generation: one per listener, and the first for the host itself.
pub const RULES_COUNT: usize = LISTENER_MAX + 1;
/// Lists there may be: three that always are, and those that the configuration names.
pub const LIST_MAX: usize = 64;
/// Lines of vouched sources as a power of two: 16,384 lines of four ways, 1 MiB. Where a line is
/// full the newcomer is not vouched for, and counted.
pub const VOUCHED_LINE_BITS: u32 = 14;
/// Flows that are penalised at once; preallocated, about 2 MiB. A full table refuses the new row.
pub const FLOW_MAX: usize = 1 << 14;
/// Lines of offences as a power of two: 4,096 lines of four ways, 256 KiB. A full line refuses the
/// new offence.
pub const OFFENCE_LINE_BITS: u32 = 12;
/// Bytes of the ring of events; a full ring loses the new event, and counts it.
pub const EVENT_RING_BYTES: u32 = 1 << 20;
/// Words of one generation of the IPv4 filter of the lists: 2^24 bits, 2 MiB.
pub const LIST_IPV4_FILTER_WORDS: u32 = 1 << 18;
/// Bits of one generation of the IPv6 filter of the lists as a power of two: 2^22 bits, 512 KiB.
pub const LIST_IPV6_FILTER_BITS: u32 = 22;
/// Exact addresses of one family in one generation; allocated as used, about 110 bytes each. A full
/// map refuses the new entry and says so.
pub const LIST_EXACT_MAX: u32 = 1 << 20;
/// Prefixes of one family in one generation; allocated as used, about 130 bytes each. A full map
/// refuses the new entry and says so.
pub const LIST_PREFIX_MAX: u32 = 1 << 20;
