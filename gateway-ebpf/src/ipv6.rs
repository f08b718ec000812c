//! The IPv6 header and its chain of extension headers.
//!
//! The chain is walked over a closed set: the headers that Linux itself walks on the way to TCP or
//! UDP. Any other number is a protocol of its own and ends the walk.

use gateway_common::address::Address;

use crate::datagram::{Content, Datagram, Payload, TCP, Target, UDP};
use crate::frame::Frame;
use crate::transport::{self, Icmp, Span};

/// Extension headers that are walked; a packet with more is out of reach.
pub const EXTENSIONS_MAX: u32 = 8;

const HEADER_LENGTH: usize = 40;
const UNIT_LENGTH: usize = 8;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;

/// Reads the header at `offset` and what follows.
#[inline(always)]
pub fn parse<F: Frame>(frame: &F, offset: usize) -> Datagram {
    let Some(header) = frame.read::<HEADER_LENGTH>(offset) else {
        return Datagram::unaddressed(Content::NoHeader, frame.linear());
    };
    let [_, _, _, _, _, _, _, _, addresses @ ..] = header;
    let (pairs, _) = addresses.as_chunks::<8>();
    let &[source_high, source_low, high, low] = pairs else {
        return Datagram::unaddressed(Content::NoHeader, frame.linear());
    };
    let source = Address::v6_halves(source_high, source_low);
    let destination = Address::v6_halves(high, low);
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let end = offset + HEADER_LENGTH + length;
    let mut bytes = frame.linear();
    if end > bytes {
        bytes = frame.total();
    }
    // A mapped address in a header on the wire would be charged to the IPv4 host it names.
    let mapped = source.as_v4().is_some() || destination.as_v4().is_some();
    let payload = if header[0] >> 4 != 6 || end > bytes || mapped {
        Payload::new(Target::UNKNOWN, Content::Malformed)
    } else {
        let start = frame.forget(offset + HEADER_LENGTH);
        walk(frame, header[6], start, length)
    };
    Datagram {
        source,
        destination,
        payload,
        bytes,
    }
}

/// Walks the chain to the transport header.
#[inline(always)]
fn walk<F: Frame>(frame: &F, first: u8, offset: usize, length: usize) -> Payload {
    let mut next = first;
    let mut span = Span {
        offset,
        length,
        is_first: frame.forget(0),
    };
    let mut walked = 0;
    while is_extension(next) {
        if walked == EXTENSIONS_MAX {
            return Payload::new(Target::UNKNOWN, Content::OutOfReach);
        }
        if span.length < UNIT_LENGTH {
            return cut(&span);
        }
        let Some(header) = frame.read::<UNIT_LENGTH>(span.offset) else {
            return Payload::new(Target::UNKNOWN, Content::OutOfReach);
        };
        let own = match next {
            FRAGMENT => {
                let fragment = u16::from_be_bytes([header[2], header[3]]);
                if fragment >> 3 != 0 {
                    return later_fragment(header[0]);
                }
                span.is_first = frame.forget(span.is_first | usize::from(fragment & 1));
                UNIT_LENGTH
            }
            AUTHENTICATION => usize::from(header[1]) * 4 + 8,
            _ => usize::from(header[1]) * 8 + 8,
        };
        let own = frame.forget(own);
        if own > span.length {
            return cut(&span);
        }
        next = header[0];
        span.offset = frame.forget(span.offset + own);
        span.length = frame.forget(span.length - own);
        walked += 1;
    }
    transport::parse(frame, next, Icmp::V6, span)
}

/// Numbers below 64 of the headers that are walked.
const EXTENSIONS: u64 =
    1 << HOP_BY_HOP | 1 << ROUTING | 1 << FRAGMENT | 1 << AUTHENTICATION | 1 << DESTINATION;

#[inline(always)]
const fn is_extension(number: u8) -> bool {
    number < 64 && EXTENSIONS >> number & 1 != 0
}

/// A chain that runs beyond the payload.
#[inline(always)]
const fn cut(span: &Span) -> Payload {
    let content = if span.is_first != 0 {
        Content::Fragment
    } else {
        Content::Malformed
    };
    Payload::new(Target::UNKNOWN, content)
}

/// A fragment other than the first belongs to whom its fragment header names.
#[inline(always)]
const fn later_fragment(protocol: u8) -> Payload {
    match protocol {
        TCP | UDP => Payload::new(Target::protocol(protocol), Content::Fragment),
        _ => Payload::OTHER,
    }
}
