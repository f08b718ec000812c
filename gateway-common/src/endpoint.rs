//! Which destinations are ours: the listeners, expanded over the host's local addresses.
//!
//! The daemon writes one entry per (address, protocol, port) that a listener answers on, plus one
//! with port 0 per (address, protocol), which decides for fragments and unreadable headers. It
//! searches a seed under which no line holds more than two entries, so that the program finds any
//! destination with one array lookup and two comparisons.

use crate::address::Address;
use crate::bucket::mix;

/// Entries in a line.
pub const ENTRIES: usize = 2;

/// One destination of ours.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// Local address.
    pub address: Address,
    /// [`key`] of protocol and port; zero means empty.
    pub key: u64,
    /// Number of the listener in the configuration's order, counted from one. Of an [`INTERFACE`]
    /// entry the treatment of other traffic, see [`crate::settings::OtherTraffic`].
    pub listener: u32,
    /// Zero.
    pub reserved: u32,
}

/// Two entries in one cache line.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default)]
pub struct EndpointLine {
    /// The entries; empty ones have key zero.
    pub entries: [Endpoint; ENTRIES],
}

const _: () = assert!(size_of::<EndpointLine>() == 64);

/// The key of an entry that says: this address is one of this host's. There are such entries only
/// where other traffic is not simply passed.
pub const LOCAL: u64 = 2 << 32;

/// The key of an entry that says how an interface treats other traffic; its address is
/// [`interface`].
pub const INTERFACE: u64 = 3 << 32;

/// The address under which an interface is entered, by its index. No packet carries it: a mapped
/// address has zeros in its upper half.
#[inline(always)]
#[must_use]
pub const fn interface(index: u32) -> Address {
    Address {
        high: index as u64,
        low: u64::MAX,
    }
}

/// The key of a protocol (6 TCP, 17 UDP) and port; port 0 stands for "any of ours". Never zero.
#[inline(always)]
#[must_use]
pub const fn key(protocol: u8, port: u16) -> u64 {
    1 << 32 | (protocol as u64) << 16 | port as u64
}

/// The line of a destination in a table of `1 << bits` lines.
#[inline(always)]
#[must_use]
pub const fn line_index(address: Address, key: u64, seed: u64, bits: u32) -> u32 {
    let folded = address.high.rotate_left(29) ^ address.low ^ key.rotate_left(43);
    (mix(folded, seed) >> (64 - bits)) as u32
}

impl EndpointLine {
    /// The entry of a destination, if it is ours.
    #[inline(always)]
    #[must_use]
    pub fn find(&self, address: Address, key: u64) -> Option<&Endpoint> {
        self.entries.iter().find(|entry| {
            entry.key == key
                && entry.address.low == address.low
                && entry.address.high == address.high
        })
    }
}
