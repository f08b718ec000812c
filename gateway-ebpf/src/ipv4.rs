//! The IPv4 header.

use gateway_common::address::Address;

use crate::datagram::{Content, Datagram, Payload, TCP, Target, UDP};
use crate::frame::Frame;
use crate::transport::{self, Icmp, Span};

const HEADER_LENGTH: usize = 20;
const MORE_FRAGMENTS: u16 = 0x2000;
const FRAGMENT_OFFSET: u16 = 0x1fff;

/// Reads the header at `offset` and what follows.
#[inline(always)]
pub fn parse<F: Frame>(frame: &F, offset: usize) -> Datagram {
    let Some(header) = frame.read::<HEADER_LENGTH>(offset) else {
        return Datagram::unaddressed(Content::NoHeader, frame.linear());
    };
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let mut bytes = frame.linear();
    if offset + length > bytes {
        bytes = frame.total();
    }
    let [.., s0, s1, s2, s3, d0, d1, d2, d3] = header;
    Datagram {
        source: Address::v4(u32::from_be_bytes([s0, s1, s2, s3])),
        destination: Address::v4(u32::from_be_bytes([d0, d1, d2, d3])),
        payload: payload(frame, offset, &header, bytes),
        bytes,
    }
}

#[inline(always)]
fn payload<F: Frame>(
    frame: &F,
    offset: usize,
    header: &[u8; HEADER_LENGTH],
    bytes: usize,
) -> Payload {
    let protocol = header[9];
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let own = usize::from(header[0] & 15) * 4;
    let fragment = u16::from_be_bytes([header[6], header[7]]);
    let is_later = fragment & FRAGMENT_OFFSET != 0;
    let target = match protocol {
        TCP | UDP => Target::protocol(protocol),
        // Whatever its lengths say: no listener speaks it, and the stack judges it itself.
        _ if is_later => return Payload::OTHER,
        _ => Target::UNKNOWN,
    };
    let version = header[0] >> 4;
    if version != 4 || own < HEADER_LENGTH || length < own || offset + length > bytes {
        return match target {
            Target::UNKNOWN => Payload::OTHER,
            _ => Payload::new(target, Content::Malformed),
        };
    }
    // What stands behind the header of a later fragment is data, whatever it looks like.
    if is_later {
        return Payload::new(target, Content::Fragment);
    }
    let span = Span {
        offset: frame.forget(offset + own),
        length: length - own,
        is_first: usize::from(fragment & MORE_FRAGMENTS),
    };
    transport::parse(frame, protocol, Icmp::V4, span)
}
