//! Source addresses as bucket tags and table indexes.
//!
//! A source is an IPv4 /32 or an IPv6 /64; its aggregate an IPv4 /24 or an IPv6 /48. What is
//! counted per source (its *kind*) and for which listener is part of the tag, so that one table
//! serves all.

use crate::bucket::mix;

/// New connections (TCP SYN without ACK) per source.
pub const KIND_CONNECTIONS: u32 = 0;
/// Packets per source.
pub const KIND_PACKETS: u32 = 1;
/// Bytes per source, Ethernet header included.
pub const KIND_BYTES: u32 = 2;
/// Packets per source that are for this host and for no listener.
pub const KIND_OTHER: u32 = 3;
/// New connections that a penalised source keeps.
pub const KIND_TRICKLE: u32 = 4;
/// Sources that have proven themselves; their words are ends, not arrival times.
pub const KIND_VOUCHED: u32 = 5;

/// What is counted, and for whom: sources have one bucket per class.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Class {
    /// Keys the tags of IPv6 sources.
    pub salt: u64,
    /// `mark << 16 | scope << 8 | kind`.
    pub number: u32,
    /// Zero.
    pub reserved: u32,
}

impl Class {
    /// The class of `kind` within `scope`: 0 is shared by all listeners, `n` belongs to listener
    /// `n` alone. `seed` is that of the settings.
    #[must_use]
    pub const fn new(kind: u32, scope: u32, seed: u64) -> Self {
        Self::marked(kind, scope, 0, seed)
    }

    /// As [`Self::new`], with a mark of the rule that is counted under, of which 15 bits count:
    /// another rule has other buckets.
    #[must_use]
    pub const fn marked(kind: u32, scope: u32, mark: u64, seed: u64) -> Self {
        let number = (mark as u32 & MARK_MASK) << 16 | scope << 8 | kind;
        Self {
            salt: mix(number as u64 + 1, seed.rotate_left(17)),
            number,
            reserved: 0,
        }
    }
}

/// The kind of a class of this number.
#[must_use]
pub const fn kind_of(class_number: u32) -> u32 {
    class_number & 0xff
}

/// The scope of a class of this number.
#[must_use]
pub const fn scope_of(class_number: u32) -> u32 {
    class_number >> 8 & 0xff
}

/// Tags of IPv4 sources have 31 bits for the number of their class.
const MARK_MASK: u32 = (1 << 15) - 1;

const IPV4_MARK: u64 = 1 << 63;
const IPV6_MARK: u64 = 1 << 62;

/// An IP address as the maps hold it: two big-endian halves read as numbers, IPv4 in its mapped
/// form `::ffff:a.b.c.d`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

    /// The identity of this source within `class`: exact for IPv4, a keyed mix of the /64 for
    /// IPv6. Never zero.
    #[inline(always)]
    #[must_use]
    pub const fn tag(self, class: &Class) -> u64 {
        match self.as_v4() {
            Some(address) => IPV4_MARK | ((class.number as u64) << 32) | address as u64,
            None => {
                let mixed = mix(self.high, class.salt);
                (mixed & !(IPV4_MARK | IPV6_MARK)) | IPV6_MARK
            }
        }
    }

    /// The identity of this source's aggregate (/24 or /48) within `class`. Never zero.
    #[inline(always)]
    #[must_use]
    pub const fn aggregate_tag(self, class: &Class) -> u64 {
        match self.as_v4() {
            Some(address) => {
                IPV4_MARK | ((class.number as u64) << 32) | (address & 0xffff_ff00) as u64
            }
            None => mix(self.high >> 16, class.salt.rotate_left(24)) | IPV6_MARK,
        }
    }
}

/// The IPv4 address and the class number of a tag made by [`Address::tag`], where it is one of
/// IPv4. IPv6 tags cannot be read back.
#[must_use]
pub const fn tagged_v4(tag: u64) -> Option<(u32, u32)> {
    if tag & IPV4_MARK == 0 {
        return None;
    }
    Some((tag as u32, ((tag & !IPV4_MARK) >> 32) as u32))
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
        let packets = Class::new(KIND_PACKETS, 0, 7);
        for other in [
            Class::new(KIND_CONNECTIONS, 0, 7),
            Class::new(KIND_PACKETS, 1, 7),
            Class::marked(KIND_PACKETS, 0, u64::MAX, 7),
        ] {
            assert_eq!(one.tag(&packets), two.tag(&packets));
            assert_ne!(one.tag(&packets), one.tag(&other));
            let v4 = Address::v4(1);
            assert_ne!(v4.tag(&packets), v4.tag(&other));
            assert_eq!(tagged_v4(v4.tag(&other)), Some((1, other.number)));
        }
        let marked = Class::marked(KIND_TRICKLE, 64, u64::MAX, 7).number;
        assert_eq!((kind_of(marked), scope_of(marked)), (KIND_TRICKLE, 64));
        assert_eq!(tagged_v4(one.tag(&packets)), None);
        assert_eq!(
            Address::v4(0x0a00_0001).aggregate_tag(&packets),
            Address::v4(0x0a00_00ff).aggregate_tag(&packets)
        );
    }
}
