//! Penalised flows: connections that TLS hides a key in, and that key's debt.
//!
//! The daemon knows which key a connection carries; the program does not. While a key is penalised,
//! the daemon keeps a row for the flow, and the program drops its packets as long as the offence
//! word that the row points at is in debt.

use crate::address::Address;

/// A flow, as its packets arrive here.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey {
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// `source port << 16 | destination port`.
    pub ports: u32,
    /// IP protocol number.
    pub protocol: u32,
}

/// What a flow is held to.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowRow {
    /// Tag of the offence; where its line no longer holds it, the row holds nobody back.
    pub tag: u64,
    /// How far the offence's word may lie ahead of the clock before it is in debt: the tolerance of
    /// its limit less the increment of one unit. In debt means that a charge of one unit would be
    /// refused now.
    pub slack_ns: u64,
    /// Line of the offence.
    pub line: u32,
    /// Zero.
    pub reserved: u32,
}

const _: () = assert!(size_of::<FlowKey>() == 40);
const _: () = assert!(size_of::<FlowRow>() == 24);
