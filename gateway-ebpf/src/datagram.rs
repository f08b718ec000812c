//! What the IP and transport headers of one packet say, as far as a judgement needs it.

use gateway_common::address::Address;

/// IP protocol number of TCP.
pub const TCP: u8 = 6;
/// IP protocol number of UDP.
pub const UDP: u8 = 17;

/// One packet towards TCP or UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// Whom the payload is for.
    pub target: Target,
    /// What the payload is.
    pub content: Content,
    /// Bytes of the whole frame, as far as known.
    pub bytes: usize,
}

/// Whom a payload is for, by what could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// This protocol and destination port.
    Port(u8, u16),
    /// This protocol; the port is out of reach.
    Protocol(u8),
    /// Not even the protocol could be read.
    Unknown,
}

/// What a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A TCP SYN without ACK: it asks for a new connection.
    Opening,
    /// Any other well-formed segment or datagram.
    Ordinary,
    /// A fragment that carries no whole transport header.
    Fragment,
    /// Headers that continue beyond what can be read.
    OutOfReach,
    /// Lengths, flags or addresses that no honest stack sends.
    Malformed,
}

/// The payload of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Whom it is for.
    pub target: Target,
    /// What it is.
    pub content: Content,
}

impl Payload {
    /// Shorthand.
    #[inline(always)]
    #[must_use]
    pub const fn new(target: Target, content: Content) -> Self {
        Self { target, content }
    }
}

/// What was made of a packet behind its link header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// TCP or UDP, or possibly so.
    Datagram(Datagram),
    /// A protocol that no listener speaks.
    OtherProtocol,
    /// The IP header itself is cut off, so nobody knows whom it was for.
    NoHeader,
}
