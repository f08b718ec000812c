//! What one generation of the kernel's deny tables holds, worked out before anything is written.

use std::collections::BTreeMap;
use std::net::IpAddr;

use gateway_common::capacity::LIST_IPV6_FILTER_BITS;
use gateway_common::list::{
    FilterBit, Ipv4Key, Ipv4PrefixData, Ipv6Key, ipv4_bit, ipv4_prefix_data, ipv6_32_bit,
    ipv6_48_bit,
};

use crate::store::deny::EffectiveEntry;

/// Shortest IPv6 prefix that the filter knows by its /48.
const LENGTH_48: u8 = 48;
/// Shortest IPv6 prefix that the filter knows at all, by its /32.
const LENGTH_32: u8 = 32;

/// Both families.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Image {
    pub(super) ipv4: Family<Ipv4Key, Ipv4PrefixData>,
    pub(super) ipv6: Family<Ipv6Key, Ipv6Key>,
    /// Whether an IPv6 prefix is shorter than what the filter knows.
    pub(super) has_short_ipv6: bool,
}

/// One family: effective ends of addresses and of (length, data) prefixes, and the filter's words
/// that are not zero.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Family<K, D> {
    pub(super) exact: BTreeMap<K, u64>,
    pub(super) prefix: BTreeMap<(u32, D), u64>,
    pub(super) filter: BTreeMap<u32, u64>,
}

impl<K, D> Default for Family<K, D> {
    fn default() -> Self {
        Self {
            exact: BTreeMap::new(),
            prefix: BTreeMap::new(),
            filter: BTreeMap::new(),
        }
    }
}

impl<K, D> Family<K, D> {
    fn mark(&mut self, bit: FilterBit) {
        *self.filter.entry(bit.word).or_default() |= bit.mask;
    }

    fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.prefix.is_empty()
    }
}

impl Image {
    pub(super) fn of(entries: &[EffectiveEntry], seed: u64) -> Self {
        let mut image = Self::default();
        for entry in entries {
            let length = entry.prefix.length();
            match entry.prefix.network() {
                IpAddr::V4(v4) => image.add_ipv4(v4.into(), length, entry.expires_ns),
                IpAddr::V6(v6) => image.add_ipv6(v6.octets(), length, entry.expires_ns, seed),
            }
        }
        image
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ipv4.is_empty() && self.ipv6.is_empty()
    }

    fn add_ipv4(&mut self, network: u32, length: u8, expires_ns: u64) {
        let family = &mut self.ipv4;
        if length == 32 {
            family.exact.insert(network.to_be_bytes(), expires_ns);
        } else {
            let key = (u32::from(length), ipv4_prefix_data(network));
            family.prefix.insert(key, expires_ns);
        }
        let hosts = u32::MAX.checked_shr(u32::from(length)).unwrap_or(0);
        let (first, last) = (ipv4_bit(network), ipv4_bit(network | hosts));
        for word in first.word..=last.word {
            // All bits from the first one on, up to and including the last one.
            let from = if word == first.word {
                !(first.mask - 1)
            } else {
                u64::MAX
            };
            let to = if word == last.word {
                last.mask | (last.mask - 1)
            } else {
                u64::MAX
            };
            let mask = from & to;
            family.mark(FilterBit { word, mask });
        }
    }

    fn add_ipv6(&mut self, network: Ipv6Key, length: u8, expires_ns: u64, seed: u64) {
        let family = &mut self.ipv6;
        if length == 128 {
            family.exact.insert(network, expires_ns);
        } else {
            family
                .prefix
                .insert((u32::from(length), network), expires_ns);
        }
        let [a, b, c, d, e, f, g, h, ..] = network;
        let high = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        if length >= LENGTH_48 {
            family.mark(ipv6_48_bit(high, seed, LIST_IPV6_FILTER_BITS));
        } else if length >= LENGTH_32 {
            family.mark(ipv6_32_bit(high, seed, LIST_IPV6_FILTER_BITS));
        } else {
            self.has_short_ipv6 = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway_common::list::NEVER;

    fn image(prefixes: &[&str]) -> Image {
        let entries: Vec<EffectiveEntry> = prefixes
            .iter()
            .map(|text| EffectiveEntry {
                prefix: text.parse().unwrap(),
                expires_ns: NEVER,
            })
            .collect();
        Image::of(&entries, 7)
    }

    fn bits(image: &Image) -> u32 {
        image
            .ipv4
            .filter
            .values()
            .map(|word| word.count_ones())
            .sum()
    }

    #[test]
    fn a_prefix_marks_every_24_that_it_touches() {
        assert_eq!(bits(&image(&["192.0.2.1"])), 1);
        assert_eq!(bits(&image(&["192.0.2.0/25", "192.0.2.128/25"])), 1);
        assert_eq!(bits(&image(&["10.0.0.0/22"])), 4);
        assert_eq!(bits(&image(&["10.0.0.0/8"])), 1 << 16);
        assert_eq!(bits(&image(&["0.0.0.0/0"])), 1 << 24);
        let bit = ipv4_bit(0xc000_0201);
        assert_eq!(image(&["192.0.2.1"]).ipv4.filter[&bit.word], bit.mask);
    }

    #[test]
    fn an_ipv6_prefix_is_known_by_its_48_its_32_or_by_the_flag() {
        let host = image(&["2001:db8:1:2::3"]);
        let high = 0x2001_0db8_0001_0002;
        let bit = ipv6_48_bit(high, 7, LIST_IPV6_FILTER_BITS);
        assert_eq!(host.ipv6.filter[&bit.word], bit.mask);
        let wide = image(&["2001:db8::/33"]);
        let bit = ipv6_32_bit(high, 7, LIST_IPV6_FILTER_BITS);
        assert_eq!(wide.ipv6.filter[&bit.word], bit.mask);
        assert!(!wide.has_short_ipv6);
        let short = image(&["2000::/3"]);
        assert!(short.has_short_ipv6 && short.ipv6.filter.is_empty());
    }
}
