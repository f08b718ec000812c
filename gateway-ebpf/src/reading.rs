//! What parsing learned, as plain numbers.

use gateway_common::address::Address;
use gateway_common::reason::Family;

use crate::datagram::{Content, Datagram, Target};
use crate::frame::Frame;
use crate::link::{self, Link};
use crate::{ipv4, ipv6};

/// One packet, read once. Kinds are kept by number, so that the program that judges takes one way
/// for all of them.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Source address; all zero where the packet was not read so far.
    pub source: Address,
    /// Destination address; likewise.
    pub destination: Address,
    target: u64,
    /// Bytes of the whole frame, as far as known.
    pub bytes: u64,
    content: u16,
    family: u16,
    source_port: u16,
    network: u16,
}

impl Reading {
    /// Reads a frame.
    #[inline(always)]
    pub fn new<F: Frame>(frame: &F) -> Self {
        let (network, (family, datagram)) = match link::parse(frame) {
            Link::Ipv4(offset) => (offset, (Family::Ipv4, ipv4::parse(frame, offset))),
            Link::Ipv6(offset) => (offset, (Family::Ipv6, ipv6::parse(frame, offset))),
            Link::NotIp => (0, unaddressed(frame, Content::NotIp)),
            Link::TagsTooDeep => (0, unaddressed(frame, Content::TagsTooDeep)),
        };
        // Behind at most four tags.
        let [low, high, ..] = network.to_le_bytes();
        Self::from(family, u16::from_le_bytes([low, high]), &datagram)
    }

    #[inline(always)]
    const fn from(family: Family, network: u16, datagram: &Datagram) -> Self {
        Self {
            source: datagram.source,
            destination: datagram.destination,
            target: datagram.payload.target.0,
            bytes: datagram.bytes as u64,
            content: datagram.payload.content as u16,
            family: family as u16,
            source_port: datagram.payload.source_port,
            network,
        }
    }

    /// The same packet, with what has been asked about its kind forgotten, see [`Frame::forget`].
    #[inline(always)]
    #[must_use]
    pub fn forgotten<F: Frame>(&self, frame: &F) -> Self {
        let [content, target] = frame.forget_all([u64::from(self.content), self.target]);
        let [low, high, ..] = content.to_le_bytes();
        Self {
            content: u16::from_le_bytes([low, high]),
            target,
            ..*self
        }
    }

    /// Number of its address family.
    #[inline(always)]
    #[must_use]
    pub const fn family_number(&self) -> u16 {
        self.family
    }

    /// Whether it is an IPv4 packet.
    #[inline(always)]
    #[must_use]
    pub const fn is_ipv4(&self) -> bool {
        self.family == Family::Ipv4 as u16
    }

    /// Its address family.
    #[inline(always)]
    #[must_use]
    pub const fn family(&self) -> Family {
        match self.family {
            1 => Family::Ipv4,
            2 => Family::Ipv6,
            _ => Family::Other,
        }
    }

    /// Whether the packet is this.
    #[inline(always)]
    #[must_use]
    pub const fn is(&self, content: Content) -> bool {
        self.content == content as u16
    }

    /// Number of its [`Content`].
    #[inline(always)]
    #[must_use]
    pub const fn content(&self) -> u16 {
        self.content
    }

    /// Whom it is for.
    #[inline(always)]
    #[must_use]
    pub const fn target(&self) -> Target {
        Target(self.target)
    }

    /// Offset of the IP header within the frame.
    #[inline(always)]
    #[must_use]
    pub const fn network(&self) -> usize {
        self.network as usize
    }

    /// Source port; zero where it could not be read.
    #[inline(always)]
    #[must_use]
    pub const fn source_port(&self) -> u16 {
        self.source_port
    }
}

#[inline(always)]
fn unaddressed<F: Frame>(frame: &F, content: Content) -> (Family, Datagram) {
    (
        Family::Other,
        Datagram::unaddressed(content, frame.linear()),
    )
}
