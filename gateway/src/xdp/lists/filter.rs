//! The presence filters in front of the tables.
//!
//! A set bit costs packets a lookup, a missing one lets the denied pass: bits are set before the
//! entries' users can need them to be gone, and cleared only when no entry needs them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::atomic::Ordering;

use gateway_common::capacity::{LIST_IPV4_FILTER_WORDS, LIST_IPV6_FILTER_BITS};
use gateway_common::list::{FilterBit, ipv4_bit, ipv6_32_bit, ipv6_48_bit};

use crate::model::Prefix;
use crate::store::bucket::SharedWords;
use crate::store::list::Picture;

/// Words of one generation of the IPv6 filter.
const FILTER6_WORDS: u32 = 1 << (LIST_IPV6_FILTER_BITS - 6);
/// Shortest IPv6 prefix that the filter knows by its /48.
const LENGTH_48: u8 = 48;
/// Shortest IPv6 prefix that the filter knows at all, by its /32.
const LENGTH_32: u8 = 32;
/// Length of the IPv4 prefixes that share one word: 64 times a /24.
const WORD_LENGTH: u8 = 18;

/// One bit per IPv4 /24, both generations.
#[derive(Debug)]
pub(super) struct Filter4(pub(super) SharedWords);

/// One bit per hashed IPv6 /48 and /32, both generations.
#[derive(Debug)]
pub(super) struct Filter6 {
    pub(super) words: SharedWords,
    pub(super) seed: u64,
}

impl Filter4 {
    fn word(&self, generation: u32, index: u32) -> &std::sync::atomic::AtomicU64 {
        self.0.at(generation * LIST_IPV4_FILTER_WORDS + index)
    }

    /// Sets the bits of every /24 that `prefix` touches.
    pub(super) fn mark(&self, generation: u32, network: u32, length: u8) {
        for FilterBit { word, mask } in masks(network, length) {
            set(self.word(generation, word), mask);
        }
    }

    /// Clears the bits around the prefixes in `gone` that nothing in `picture` needs.
    pub(super) fn prune(&self, generation: u32, gone: &[Prefix], picture: &Picture) {
        let ipv4 = gone.iter().filter(|prefix| prefix.network().is_ipv4());
        let words = |prefix: &Prefix| {
            Prefix::containing(prefix.network(), prefix.length().min(WORD_LENGTH))
        };
        // Neighbours share their words, which are put right once.
        let words: BTreeSet<Prefix> = ipv4.map(words).collect();
        for words in words {
            self.prune_words(generation, words, picture);
        }
    }

    fn prune_words(&self, generation: u32, words: Prefix, picture: &Picture) {
        if picture.covers(words) {
            return;
        }
        let IpAddr::V4(first) = words.network() else {
            return;
        };
        let mut needed: BTreeMap<u32, u64> = BTreeMap::new();
        for effective in picture.within(words) {
            if let IpAddr::V4(network) = effective.prefix.network() {
                for FilterBit { word, mask } in masks(network.into(), effective.prefix.length()) {
                    *needed.entry(word).or_default() |= mask;
                }
            }
        }
        for FilterBit { word, .. } in masks(first.into(), words.length()) {
            let mask = needed.get(&word).copied().unwrap_or(0);
            put(self.word(generation, word), mask);
        }
    }

    /// Clears every bit.
    pub(super) fn clear(&self, generation: u32) {
        for index in 0..LIST_IPV4_FILTER_WORDS {
            put(self.word(generation, index), 0);
        }
    }
}

impl Filter6 {
    fn word(&self, generation: u32, index: u32) -> &std::sync::atomic::AtomicU64 {
        self.words.at(generation * FILTER6_WORDS + index)
    }

    /// Sets the bit of a prefix.
    pub(super) fn mark(&self, generation: u32, network: [u8; 16], length: u8) {
        if let Some(bit) = ipv6_bit(network, length, self.seed) {
            set(self.word(generation, bit.word), bit.mask);
        }
    }

    /// Clears the bits of the prefixes in `gone` that nothing in `picture` needs. Hashes do not lead
    /// back, so every IPv6 entry is asked, once: some milliseconds for a million.
    pub(super) fn prune(&self, generation: u32, gone: &[Prefix], picture: &Picture) {
        for (word, unneeded) in unneeded(self.seed, gone, picture.prefixes()) {
            let word = self.word(generation, word);
            put(word, word.load(Ordering::Acquire) & !unneeded);
        }
    }

    /// Clears every bit.
    pub(super) fn clear(&self, generation: u32) {
        for index in 0..FILTER6_WORDS {
            put(self.word(generation, index), 0);
        }
    }
}

/// The bit of an IPv6 prefix; `None` for one that is too short for the filter.
fn ipv6_bit(network: [u8; 16], length: u8, seed: u64) -> Option<FilterBit> {
    let [a, b, c, d, e, f, g, h, ..] = network;
    let high = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    if length >= LENGTH_48 {
        Some(ipv6_48_bit(high, seed, LIST_IPV6_FILTER_BITS))
    } else if length >= LENGTH_32 {
        Some(ipv6_32_bit(high, seed, LIST_IPV6_FILTER_BITS))
    } else {
        None
    }
}

/// The bits of the IPv6 prefixes in `gone` that none of those that stay has, by word.
fn unneeded(seed: u64, gone: &[Prefix], stay: impl Iterator<Item = Prefix>) -> BTreeMap<u32, u64> {
    let bit = |prefix: &Prefix| match prefix.network() {
        IpAddr::V6(v6) => ipv6_bit(v6.octets(), prefix.length(), seed),
        IpAddr::V4(_) => None,
    };
    let mut words: BTreeMap<u32, u64> = BTreeMap::new();
    for FilterBit { word, mask } in gone.iter().filter_map(bit) {
        *words.entry(word).or_default() |= mask;
    }
    if words.is_empty() {
        return words;
    }
    for prefix in stay {
        if let Some(FilterBit { word, mask }) = bit(&prefix)
            && let Some(unneeded) = words.get_mut(&word)
        {
            *unneeded &= !mask;
        }
    }
    words
}

/// The words that an IPv4 prefix touches, each with its bits.
fn masks(network: u32, length: u8) -> impl Iterator<Item = FilterBit> {
    let hosts = u32::MAX.checked_shr(length.into()).unwrap_or(0);
    let (first, last) = (ipv4_bit(network), ipv4_bit(network | hosts));
    (first.word..=last.word).map(move |word| {
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
        FilterBit {
            word,
            mask: from & to,
        }
    })
}

fn set(word: &std::sync::atomic::AtomicU64, mask: u64) {
    put(word, word.load(Ordering::Acquire) | mask);
}

/// Untouched pages of an empty filter stay untouched.
fn put(word: &std::sync::atomic::AtomicU64, value: u64) {
    if word.load(Ordering::Acquire) != value {
        word.store(value, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(prefix: &str) -> u32 {
        let prefix: Prefix = prefix.parse().unwrap();
        let IpAddr::V4(network) = prefix.network() else {
            panic!("IPv4 only");
        };
        masks(network.into(), prefix.length())
            .map(|bit| bit.mask.count_ones())
            .sum()
    }

    #[test]
    fn a_prefix_marks_every_24_that_it_touches() {
        assert_eq!(bits("192.0.2.1"), 1);
        assert_eq!(bits("192.0.2.128/25"), 1);
        assert_eq!(bits("10.0.0.0/22"), 4);
        assert_eq!(bits("10.0.0.0/18"), 64);
        assert_eq!(bits("10.0.0.0/8"), 1 << 16);
        assert_eq!(bits("0.0.0.0/0"), 1 << 24);
        let bit = ipv4_bit(0xc000_0201);
        assert_eq!(masks(0xc000_0201, 32).next(), Some(bit));
    }

    #[test]
    fn of_ipv6_bits_those_are_cleared_that_nothing_needs_after_one_walk() {
        let prefixes = |texts: &[&str]| -> Vec<Prefix> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let bits = |texts: &[&str]| {
            let mut words = BTreeMap::new();
            for prefix in prefixes(texts) {
                let IpAddr::V6(network) = prefix.network() else {
                    panic!("IPv6 only");
                };
                let bit = ipv6_bit(network.octets(), prefix.length(), 7).unwrap();
                *words.entry(bit.word).or_default() |= bit.mask;
            }
            words
        };
        let stay = prefixes(&["10.0.0.0/8", "2001:db8:2::2", "2001:dba::/33"]);
        let walked = std::cell::Cell::new(0);
        let stay = || {
            stay.iter()
                .copied()
                .inspect(|_| walked.set(walked.get() + 1))
        };
        let gone = prefixes(&[
            "192.0.2.1",
            // The same /48, whose bit is needed.
            "2001:db8:2::1",
            "2001:db8:1::/48",
            "2001:db8:1:5::/64",
            "2001:db9::/32",
            // The same /32.
            "2001:dba::/32",
            // No bit at all.
            "2002::/16",
        ]);
        let mut found = unneeded(7, &gone, stay());
        found.retain(|_, mask| *mask != 0);
        assert_eq!(found, bits(&["2001:db8:1::", "2001:db9::/32"]));
        assert_eq!(walked.take(), 3);
        // What has no bit asks nobody.
        let gone = prefixes(&["192.0.2.1", "2002::/16"]);
        assert_eq!(unneeded(7, &gone, stay()), BTreeMap::new());
        assert_eq!(walked.take(), 0);
    }
}
