//! Frames, built header by header so that every field can be wrong.

use gateway_common::address::Address;

/// TCP flags.
pub const SYN: u8 = 0x02;
/// TCP flags.
pub const ACK: u8 = 0x10;
/// IP protocol numbers.
pub const TCP: u8 = 6;
/// IP protocol numbers.
pub const UDP: u8 = 17;

/// A TCP header without options and payload.
#[must_use]
pub fn tcp(source: u16, target: u16, flags: u8) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(source.to_be_bytes());
    header.extend(target.to_be_bytes());
    header.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    header
}

/// A UDP header and as many zeros as `payload` says.
#[must_use]
pub fn udp(source: u16, target: u16, payload: u16) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(source.to_be_bytes());
    header.extend(target.to_be_bytes());
    header.extend((8 + payload).to_be_bytes());
    header.extend([0, 0]);
    header.resize(8 + usize::from(payload), 0);
    header
}

/// An IPv4 packet; `fragment` is the raw field of flags and offset.
#[must_use]
pub fn ipv4(source: u32, target: u32, protocol: u8, fragment: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + payload.len()).unwrap_or(u16::MAX);
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 1]);
    packet.extend(fragment.to_be_bytes());
    packet.extend([64, protocol, 0, 0]);
    packet.extend(source.to_be_bytes());
    packet.extend(target.to_be_bytes());
    packet.extend(payload);
    packet
}

/// An IPv6 packet whose payload starts with a header numbered `next`.
#[must_use]
pub fn ipv6(source: Address, target: Address, next: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([next, 64]);
    for address in [source, target] {
        packet.extend(address.high.to_be_bytes());
        packet.extend(address.low.to_be_bytes());
    }
    packet.extend(payload);
    packet
}

/// An extension header of `8 * (units + 1)` bytes, followed by `payload`.
#[must_use]
pub fn extension(next: u8, units: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![next, units];
    packet.resize(8 * (usize::from(units) + 1), 0);
    packet.extend(payload);
    packet
}

/// An IPv6 fragment header, followed by `payload`; `offset` counts units of eight bytes.
#[must_use]
pub fn fragment(next: u8, offset: u16, more: bool, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![next, 0];
    packet.extend((offset << 3 | u16::from(more)).to_be_bytes());
    packet.extend([0, 0, 0, 7]);
    packet.extend(payload);
    packet
}

/// An Ethernet frame with these VLAN tag types before the EtherType, padded to 60 bytes.
#[must_use]
pub fn ethernet(tags: &[u16], ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    for (tag, id) in tags.iter().zip(1_u16..) {
        frame.extend(tag.to_be_bytes());
        frame.extend(id.to_be_bytes());
    }
    frame.extend(ethertype.to_be_bytes());
    frame.extend(payload);
    if frame.len() < 60 {
        frame.resize(60, 0);
    }
    frame
}

/// An untagged frame around an IPv4 packet.
#[must_use]
pub fn frame4(packet: &[u8]) -> Vec<u8> {
    ethernet(&[], 0x0800, packet)
}

/// An untagged frame around an IPv6 packet.
#[must_use]
pub fn frame6(packet: &[u8]) -> Vec<u8> {
    ethernet(&[], 0x86dd, packet)
}
