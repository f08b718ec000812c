//! A sample of what was dropped, with its headers.

/// Bytes of the frame that an event carries at most: Ethernet, four tags, IPv6 and TCP with
/// options fit.
pub const EVENT_BYTES: usize = 128;

/// One dropped frame, or one that monitored rules would have dropped.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// `CLOCK_MONOTONIC` (ns).
    pub time_ns: u64,
    /// Bytes of the whole frame.
    pub frame_bytes: u32,
    /// Bytes of it in [`Self::bytes`]; the rest is zero.
    pub captured_bytes: u32,
    /// Index of the interface it came in on.
    pub interface: u32,
    /// Listener, as in the endpoint table; zero for none.
    pub listener: u32,
    /// Number of the list that decided, where one did.
    pub list: u32,
    /// This event stands for so many drops on its CPU, this one included.
    pub stands_for: u32,
    /// [`crate::reason::Verdict`] by number.
    pub verdict: u8,
    /// [`crate::reason::Reason`] by number.
    pub reason: u8,
    /// [`crate::reason::Family`] by number.
    pub family: u8,
    /// Non-zero: the first drop of a source that was not seen lately.
    pub is_new_offender: u8,
    /// Zero.
    pub reserved: u32,
    /// The start of the frame.
    pub bytes: [u8; EVENT_BYTES],
}

const _: () = assert!(size_of::<Event>() == 40 + EVENT_BYTES);

/// Sources that one CPU remembers having reported, direct-mapped.
pub const OFFENDERS: usize = 1024;

/// What one CPU knows about its events.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampler {
    /// Second of `CLOCK_MONOTONIC` that [`Self::spent`] speaks of.
    pub second: u64,
    /// Events in that second.
    pub spent: u32,
    /// Drops since the last event.
    pub since: u32,
    /// Tags of sources reported lately.
    pub offenders: [u64; OFFENDERS],
}
