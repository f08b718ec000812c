//! Source addresses as bucket tags and table indexes.
//!
//! A source is an IPv4 /32 or an IPv6 /64; its aggregate an IPv4 /24 or an IPv6 /48. What is
//! counted per source (its *kind*) is part of the tag, so that one table serves all kinds.

use crate::bucket::mix;

/// New connections (TCP SYN without ACK) per source.
pub const KIND_CONNECTIONS: u32 = 0;
/// Packets per source.
pub const KIND_PACKETS: u32 = 1;
/// Kinds there are.
pub const KIND_COUNT: usize = 2;

const IPV4_MARK: u64 = 1 << 63;
const IPV6_MARK: u64 = 1 << 62;

/// An IP address as the maps hold it: two big-endian halves read as numbers, IPv4 in its mapped
/// form `::ffff:a.b.c.d`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Address {
    /// The first eight bytes of the address.
    pub high: u64,
    /// The last eight bytes of the address.
    pub low: u64,
}

/// The mapped prefix `::ffff:0:0/96` as it appears in the low half.
const MAPPED: u64 = 0xffff_0000_0000;

impl Address {
    /// From an IPv4 address as a number (`10.0.0.1` is `0x0a000001`).
    #[inline(always)]
    #[must_use]
    pub const fn v4(address: u32) -> Self {
        Self {
            high: 0,
            low: MAPPED | address as u64,
        }
    }

    /// From the sixteen bytes of an IPv6 address.
    #[inline(always)]
    #[must_use]
    pub const fn v6(bytes: [u8; 16]) -> Self {
        let all = u128::from_be_bytes(bytes);
        Self {
            high: (all >> 64) as u64,
            low: all as u64,
        }
    }

    /// From the two halves of the bytes of an IPv6 address.
    #[inline(always)]
    #[must_use]
    pub const fn v6_halves(high: [u8; 8], low: [u8; 8]) -> Self {
        Self {
            high: u64::from_be_bytes(high),
            low: u64::from_be_bytes(low),
        }
    }

    /// The IPv4 address inside, if this is a mapped one.
    #[inline(always)]
    #[must_use]
    pub const fn as_v4(self) -> Option<u32> {
        if self.high == 0 && self.low >> 32 == MAPPED >> 32 {
            Some(self.low as u32)
        } else {
            None
        }
    }

    /// The identity of this source for `kind`: exact for IPv4, a keyed mix of the /64 for IPv6.
    /// Never zero.
    #[inline(always)]
    #[must_use]
    pub const fn tag(self, kind: u32, seed: u64) -> u64 {
        match self.as_v4() {
            Some(address) => IPV4_MARK | ((kind as u64) << 32) | address as u64,
            None => {
                let mixed = mix(self.high, seed.rotate_left(17 + kind));
                (mixed & !(IPV4_MARK | IPV6_MARK)) | IPV6_MARK
            }
        }
    }

    /// The identity of this source's aggregate (/24 or /48) for `kind`. Never zero.
    #[inline(always)]
    #[must_use]
    pub const fn aggregate_tag(self, kind: u32, seed: u64) -> u64 {
        match self.as_v4() {
            Some(address) => IPV4_MARK | ((kind as u64) << 32) | (address & 0xffff_ff00) as u64,
            None => mix(self.high >> 16, seed.rotate_left(41 + kind)) | IPV6_MARK,
        }
    }
}

/// The index of a tag in a table of `1 << bits` entries.
#[inline(always)]
#[must_use]
pub const fn index(tag: u64, seed: u64, bits: u32) -> u32 {
    (mix(tag, seed) >> (64 - bits)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_addresses_round_trip_and_others_are_not_ipv4() {
        assert_eq!(Address::v4(0x0a00_0001).as_v4(), Some(0x0a00_0001));
        let mapped = "::ffff:10.0.0.1".parse::<std::net::Ipv6Addr>().unwrap();
        assert_eq!(Address::v6(mapped.octets()), Address::v4(0x0a00_0001));
        let global = "2001:db8::ffff:a00:1"
            .parse::<std::net::Ipv6Addr>()
            .unwrap();
        assert_eq!(Address::v6(global.octets()).as_v4(), None);
    }

    #[test]
    fn tags_differ_by_kind_and_join_the_same_64() {
        let one = Address::v6(
            "2001:db8::1"
                .parse::<std::net::Ipv6Addr>()
                .unwrap()
                .octets(),
        );
        let two = Address::v6(
            "2001:db8::2"
                .parse::<std::net::Ipv6Addr>()
                .unwrap()
                .octets(),
        );
        assert_eq!(one.tag(KIND_PACKETS, 7), two.tag(KIND_PACKETS, 7));
        assert_ne!(one.tag(KIND_PACKETS, 7), one.tag(KIND_CONNECTIONS, 7));
        let v4 = Address::v4(1);
        assert_ne!(v4.tag(KIND_PACKETS, 7), v4.tag(KIND_CONNECTIONS, 7));
        assert_eq!(
            Address::v4(0x0a00_0001).aggregate_tag(0, 7),
            Address::v4(0x0a00_00ff).aggregate_tag(0, 7)
        );
    }
}
