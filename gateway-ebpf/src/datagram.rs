//! What the headers of one packet say, as far as a judgement needs it.
//!
//! One flat shape for every packet, of whichever family: the program that judges is then one, and
//! neither compiled nor verified once per way of parsing.

use gateway_common::address::Address;
use gateway_common::endpoint;

/// IP protocol number of TCP.
pub const TCP: u8 = 6;
/// IP protocol number of UDP.
pub const UDP: u8 = 17;

/// One packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Source address; all zero where the packet was not read so far.
    pub source: Address,
    /// Destination address; likewise.
    pub destination: Address,
    /// Whom it is for, and what it is.
    pub payload: Payload,
    /// Bytes of the whole frame, as far as known.
    pub bytes: usize,
}

impl Datagram {
    /// A packet whose addresses are unknown.
    #[inline(always)]
    #[must_use]
    pub const fn unaddressed(content: Content, bytes: usize) -> Self {
        let nobody = Address { high: 0, low: 0 };
        Self {
            source: nobody,
            destination: nobody,
            payload: Payload::new(Target::UNKNOWN, content),
            bytes,
        }
    }
}

/// Whom a payload is for, by what could be read: an [`endpoint::key`], or zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target(pub u64);

impl Target {
    /// Neither TCP nor UDP, or not even the protocol could be read.
    pub const UNKNOWN: Self = Self(0);

    /// This protocol and destination port.
    #[inline(always)]
    #[must_use]
    pub const fn port(protocol: u8, port: u16) -> Self {
        Self(endpoint::key(protocol, port))
    }

    /// This protocol; the port is out of reach.
    #[inline(always)]
    #[must_use]
    pub const fn protocol(protocol: u8) -> Self {
        Self(endpoint::key(protocol, 0))
    }

    /// The protocol; zero where it is [`Self::UNKNOWN`].
    #[inline(always)]
    #[must_use]
    pub const fn protocol_number(self) -> u8 {
        let [_, _, _, _, _, protocol, _, _] = self.0.to_be_bytes();
        protocol
    }

    /// The destination port; zero where it could not be read.
    #[inline(always)]
    #[must_use]
    pub const fn destination_port(self) -> u16 {
        let [_, _, _, _, _, _, high, low] = self.0.to_be_bytes();
        u16::from_be_bytes([high, low])
    }
}

/// What a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Content {
    /// A TCP SYN without ACK: it asks for a new connection.
    Opening = 0,
    /// Any other well-formed segment or datagram.
    Ordinary = 1,
    /// A fragment that carries no whole transport header.
    Fragment = 2,
    /// Headers that continue beyond what can be read.
    OutOfReach = 3,
    /// Lengths, flags or addresses that no honest stack sends.
    Malformed = 4,
    /// Neither IPv4 nor IPv6.
    NotIp = 5,
    /// More VLAN tags than are read.
    TagsTooDeep = 6,
    /// A protocol that no listener speaks.
    OtherProtocol = 7,
    /// The IP header itself is cut off, so nobody knows whom it was for.
    NoHeader = 8,
    /// An ICMP error, neighbour discovery or a report of multicast listeners: without them path
    /// MTU discovery and IPv6 itself fail, so they are never judged.
    Control = 9,
}

/// The payload of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Whom it is for.
    pub target: Target,
    /// What it is.
    pub content: Content,
    /// Source port; zero where it could not be read.
    pub source_port: u16,
}

impl Payload {
    /// What is neither TCP nor UDP.
    pub const OTHER: Self = Self::new(Target::UNKNOWN, Content::OtherProtocol);

    /// A payload whose source port is unknown.
    #[inline(always)]
    #[must_use]
    pub const fn new(target: Target, content: Content) -> Self {
        Self {
            target,
            content,
            source_port: 0,
        }
    }
}
