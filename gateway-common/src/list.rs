//! The lists of addresses as the kernel holds them: who may always come in, who may not, and who
//! is never judged at all.
//!
//! One set of tables answers for all lists. A presence filter answers for almost every packet with
//! one array lookup: one bit per IPv4 /24 and, for IPv6, one per hashed /48 and one per hashed /32.
//! Only where a bit is set is the exact hash asked, and where that has nothing the longest-prefix
//! trie. Prefixes shorter than their filter's unit set every bit they cover (IPv4) or the `short`
//! flag of the settings (IPv6 below /32).
//!
//! One entry answers, the most specific one, so what is stored with an address or a prefix is
//! *effective*: the latest end of its own and of every prefix that covers it, over every list. An
//! expired /24 below a live /8 still denies, and taking a prefix off one list never opens what
//! another one denies.

use crate::bucket::mix;

/// What is stored with an address or prefix, effective as described above.
///
/// An address is management, allowed or denied if its exact entry says so, or, where it has none,
/// the entry of its longest prefix. Moments are of `CLOCK_MONOTONIC` (ns); zero means "not at all",
/// [`NEVER`] "until removed".
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListEntry<W> {
    /// Until when the address is denied.
    pub deny_until_ns: u64,
    /// Until when it would be denied by lists in monitor mode.
    pub monitor_until_ns: u64,
    /// Until when it passes without limits, whatever denies it.
    pub allow_until_ns: u64,
    /// Bit set of the lists the entry stands for, by number.
    pub lists: u64,
    /// Packets for which this entry decided.
    pub hits: W,
    /// Number of the list that denies the longest, the lowest of several.
    pub deny_list: u16,
    /// Number of the list in monitor mode that would deny the longest.
    pub monitor_list: u16,
    /// Number of the list that allows the longest.
    pub allow_list: u16,
    /// `ENTRY_*`.
    pub flags: u16,
}

/// An entry as plain numbers: what user space writes and reads.
pub type PlainEntry = ListEntry<u64>;

const _: () = assert!(size_of::<PlainEntry>() == 48);

/// The address belongs to the management prefixes: it passes before anything is judged.
pub const ENTRY_MANAGEMENT: u16 = 1 << 0;

/// The end of an entry that stays until it is removed.
pub const NEVER: u64 = u64::MAX;

/// Number of the deny list that is kept by hand.
pub const LIST_OPERATOR: u16 = 0;
/// Number of the allow list that is kept by hand.
pub const LIST_ALLOW: u16 = 1;
/// Number of the management prefixes.
pub const LIST_MANAGEMENT: u16 = 2;
/// Number of the first list that the configuration names.
pub const LIST_NAMED: u16 = 3;

impl<W> ListEntry<W> {
    /// Whether this entry denies at `now`.
    #[inline(always)]
    #[must_use]
    pub const fn denies(&self, now: u64) -> bool {
        now < self.deny_until_ns
    }

    /// Whether this entry would deny at `now`, were its list not in monitor mode.
    #[inline(always)]
    #[must_use]
    pub const fn would_deny(&self, now: u64) -> bool {
        now < self.monitor_until_ns
    }

    /// Whether this entry allows at `now`.
    #[inline(always)]
    #[must_use]
    pub const fn allows(&self, now: u64) -> bool {
        now < self.allow_until_ns
    }

    /// Whether this entry is a management prefix.
    #[inline(always)]
    #[must_use]
    pub const fn is_management(&self) -> bool {
        self.flags & ENTRY_MANAGEMENT != 0
    }
}

/// Key of an exact IPv4 entry: the address as it stands in the packet.
pub type Ipv4Key = [u8; 4];

/// Key of an exact IPv6 entry, and the data of an IPv6 prefix: the address as it stands in the
/// packet.
pub type Ipv6Key = [u8; 16];

/// Data of an IPv4 prefix in its trie: the address as it stands in the packet, then four zeros.
/// The trie stores a value right behind its key's data, and [`ListEntry`] must lie at a multiple
/// of eight there.
pub type Ipv4PrefixData = [u8; 8];

/// The trie data of an IPv4 address, as a number. The prefix length counts from its first bit, so
/// it is at most 32.
#[inline(always)]
#[must_use]
pub const fn ipv4_prefix_data(address: u32) -> Ipv4PrefixData {
    let [a, b, c, d] = address.to_be_bytes();
    [a, b, c, d, 0, 0, 0, 0]
}

/// Position of one bit in a filter of 64-bit words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterBit {
    /// Index of the word.
    pub word: u32,
    /// Mask within the word.
    pub mask: u64,
}

/// The bit of an IPv4 address, as a number, among 2^24.
#[inline(always)]
#[must_use]
pub const fn ipv4_bit(address: u32) -> FilterBit {
    let bit = address >> 8;
    FilterBit {
        word: bit >> 6,
        mask: 1 << (bit & 63),
    }
}

/// The bit of an IPv6 address's /48 among `1 << bits`, by the first eight bytes of the address.
#[inline(always)]
#[must_use]
pub const fn ipv6_48_bit(high: u64, seed: u64, bits: u32) -> FilterBit {
    hashed_bit(high >> 16, seed, bits)
}

/// The bit of an IPv6 address's /32 among `1 << bits`, in the same filter as the /48s.
#[inline(always)]
#[must_use]
pub const fn ipv6_32_bit(high: u64, seed: u64, bits: u32) -> FilterBit {
    // The mark keeps a /32 from sharing its hash with the /48 whose last 16 bits are zero.
    hashed_bit(high >> 32 | 1 << 63, seed, bits)
}

#[inline(always)]
const fn hashed_bit(prefix: u64, seed: u64, bits: u32) -> FilterBit {
    let bit = (mix(prefix, seed) >> (64 - bits)) as u32;
    FilterBit {
        word: bit >> 6,
        mask: 1 << (bit & 63),
    }
}
