//! TCP and UDP: the ports, the lengths, and the flags. Of ICMP the type, which says what must never
//! be judged.

use crate::datagram::{Content, Payload, TCP, Target, UDP};
use crate::frame::Frame;

const TCP_LENGTH: usize = 20;
const UDP_LENGTH: usize = 8;
/// Type and code.
const ICMP_LEAST: usize = 2;

const RST_SYN: u8 = 0b0000_0110;
const FIN_SYN: u8 = 0b0000_0011;
const SYN: u8 = 0b0000_0010;
const ACK: u8 = 0b0001_0000;
const ACK_RST_SYN: u8 = ACK | RST_SYN;

/// Which ICMP a packet can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icmp {
    /// That of IPv4 (RFC 792).
    V4,
    /// That of IPv6 (RFC 4443).
    V6,
}

impl Icmp {
    /// The IP protocol number.
    #[inline(always)]
    const fn protocol(self) -> u8 {
        match self {
            Self::V4 => 1,
            Self::V6 => 58,
        }
    }

    /// Whether messages of this type are never judged: errors, redirects, and for IPv6 neighbour
    /// discovery and multicast listener discovery.
    #[inline(always)]
    const fn is_control(self, kind: u8) -> bool {
        match self {
            Self::V4 => matches!(kind, 3 | 4 | 5 | 11 | 12),
            Self::V6 => matches!(kind, 1..=4 | 130..=137 | 143),
        }
    }
}

/// Where a transport header is, and how much of it there can be.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Offset of the header in the frame.
    pub offset: usize,
    /// Bytes that the IP header grants to transport header and payload.
    pub length: usize,
    /// Non-zero: this is the first of several fragments, whose lengths speak of the whole. A number,
    /// so that it can be forgotten, see [`Frame::forget`].
    pub is_first: usize,
}

impl Span {
    /// What a header is that the IP payload cannot hold.
    #[inline(always)]
    const fn cut(&self) -> Content {
        if self.is_first != 0 {
            Content::Fragment
        } else {
            Content::Malformed
        }
    }
}

/// Reads the transport header of a payload.
#[inline(always)]
pub fn parse<F: Frame>(frame: &F, protocol: u8, icmp: Icmp, span: Span) -> Payload {
    match protocol {
        TCP => tcp(frame, span),
        UDP => udp(frame, span),
        _ => Payload::new(Target::UNKNOWN, other(frame, protocol, icmp, &span)),
    }
}

/// What a payload is that no listener speaks.
#[inline(always)]
fn other<F: Frame>(frame: &F, protocol: u8, icmp: Icmp, span: &Span) -> Content {
    if protocol != icmp.protocol() {
        return Content::OtherProtocol;
    }
    match frame.read::<ICMP_LEAST>(span.offset) {
        // What stands behind the end of the IP packet is padding, and says nothing.
        Some([kind, _code]) if span.length >= ICMP_LEAST && icmp.is_control(kind) => {
            Content::Control
        }
        _ => Content::OtherProtocol,
    }
}

#[inline(always)]
fn tcp<F: Frame>(frame: &F, span: Span) -> Payload {
    if span.length < TCP_LENGTH {
        return Payload::new(Target::protocol(TCP), span.cut());
    }
    let Some(header) = frame.read::<TCP_LENGTH>(span.offset) else {
        return Payload::new(Target::protocol(TCP), Content::OutOfReach);
    };
    let port = u16::from_be_bytes([header[2], header[3]]);
    let target = Target::port(TCP, port);
    let length = usize::from(header[12] >> 4) * 4;
    // Nobody listens on port zero, and its key would mean any port.
    let content = if length < TCP_LENGTH || port == 0 {
        Content::Malformed
    } else if length > span.length {
        span.cut()
    } else {
        judge_flags(header[13])
    };
    Payload {
        target,
        content,
        source_port: u16::from_be_bytes([header[0], header[1]]),
    }
}

/// Every segment of an honest stack carries SYN, RST or ACK, and SYN never goes with FIN or RST.
#[inline(always)]
const fn judge_flags(flags: u8) -> Content {
    if flags & ACK_RST_SYN == 0 || flags & FIN_SYN == FIN_SYN || flags & RST_SYN == RST_SYN {
        Content::Malformed
    } else if flags & (SYN | ACK) == SYN {
        Content::Opening
    } else {
        Content::Ordinary
    }
}

#[inline(always)]
fn udp<F: Frame>(frame: &F, span: Span) -> Payload {
    if span.length < UDP_LENGTH {
        return Payload::new(Target::protocol(UDP), span.cut());
    }
    let Some(header) = frame.read::<UDP_LENGTH>(span.offset) else {
        return Payload::new(Target::protocol(UDP), Content::OutOfReach);
    };
    let port = u16::from_be_bytes([header[2], header[3]]);
    let target = Target::port(UDP, port);
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let cut = length > span.length && span.is_first == 0;
    let content = if length < UDP_LENGTH || cut || port == 0 {
        Content::Malformed
    } else {
        Content::Ordinary
    };
    Payload {
        target,
        content,
        source_port: u16::from_be_bytes([header[0], header[1]]),
    }
}
