//! TCP and UDP: the destination port, the lengths, and the flags.

use crate::datagram::{Content, Payload, TCP, Target, UDP};
use crate::frame::Frame;

const TCP_LENGTH: usize = 20;
const UDP_LENGTH: usize = 8;

const RST_SYN: u8 = 0b0000_0110;
const FIN_SYN: u8 = 0b0000_0011;
const SYN: u8 = 0b0000_0010;
const ACK: u8 = 0b0001_0000;
const ACK_RST_SYN: u8 = ACK | RST_SYN;

/// Where a transport header is, and how much of it there can be.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Offset of the header in the frame.
    pub offset: usize,
    /// Bytes that the IP header grants to transport header and payload.
    pub length: usize,
    /// Whether this is the first of several fragments: its lengths speak of the whole.
    pub first_fragment: bool,
}

impl Span {
    /// What a header is that the IP payload cannot hold.
    #[inline(always)]
    const fn cut(&self) -> Content {
        if self.first_fragment {
            Content::Fragment
        } else {
            Content::Malformed
        }
    }
}

/// Reads the transport header of a payload.
#[inline(always)]
pub fn parse<F: Frame>(frame: &F, protocol: u8, span: Span) -> Payload {
    match protocol {
        TCP => tcp(frame, span),
        UDP => udp(frame, span),
        _ => Payload::OTHER,
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
    Payload::new(target, content)
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
    let cut = length > span.length && !span.first_fragment;
    let content = if length < UDP_LENGTH || cut || port == 0 {
        Content::Malformed
    } else {
        Content::Ordinary
    };
    Payload::new(target, content)
}
