//! Buckets for what clients can vary: sources, header values, token claims.
//!
//! A bucket table is a flat array of 64-byte lines, one cache line each: four ways of an identity
//! tag and its TAT. Whoever is not found claims the first way that owes nothing, else the first
//! that owes no more than what the enforcer says yields. When all four owe more, nothing is
//! inserted and the caller charges the parent level instead. So a flood of spoofed sources that
//! appear once can never push out a source that is paying off a debt, and no bucket outlives its
//! use.
//!
//! Where limits of different rates share a table, one unit of a slow one may be a full bucket of a
//! fast one. What yields is therefore bounded by the least slack of all of them
//! ([`Limit::slack_ns`]): nobody who is refused gives way, whichever limit the newcomer comes under,
//! and a newcomer is not refused for the rest of a debt that it takes over with its way.
//!
//! There is no 16-byte compare-exchange to claim tag and TAT together. The tag is claimed first,
//! the line is scanned again, and of two ways with one tag the lower index wins. A charge that
//! races such a replacement errs by at most one unit per enforcer.

use crate::limit::{Charge, Limit};
use crate::word::Word;

/// Ways in a line.
pub const WAYS: usize = 4;

/// Lost claims after which the line counts as full.
const CLAIMS_MAX: u32 = 2;

/// One identity and what it owes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Way<W> {
    /// Identity; zero means never used.
    pub tag: W,
    /// Theoretical arrival time, see [`crate::limit`].
    pub tat: W,
}

/// Four ways in one cache line.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default)]
pub struct Line<W> {
    /// The ways, in index order.
    pub ways: [Way<W>; WAYS],
}

const _: () = assert!(size_of::<Line<u64>>() == 64);

/// A word that many CPUs change, alone in its cache line.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone<W> {
    /// The word.
    pub word: W,
    /// Zero.
    pub reserved: [W; 7],
}

const _: () = assert!(size_of::<Alone<u64>>() == 64);

/// A line as plain numbers: what a snapshot of the table reads.
pub type PlainLine = Line<u64>;

impl<W: Word> Line<W> {
    /// The bucket of `tag`, claimed if need be; `None` when all ways owe more than `yields_ns`, or
    /// when two claims were lost to others.
    #[inline(always)]
    pub fn find_or_claim(&self, tag: u64, now: u64, yields_ns: u64) -> Option<&W> {
        let index = self.position_or_claim(tag, now, yields_ns, |index| index)?;
        Some(&self.ways.get(index)?.tat)
    }

    /// The index of the way of `tag`, as [`Self::find_or_claim`]. `forget` returns an index
    /// unchanged, but hides from the kernel's verifier where it comes from: else the verifier walks
    /// on once per way.
    #[inline(always)]
    pub fn position_or_claim(
        &self,
        tag: u64,
        now: u64,
        yields_ns: u64,
        forget: impl Fn(usize) -> usize,
    ) -> Option<usize> {
        let mut claims = 0;
        while claims < CLAIMS_MAX {
            if let Some(index) = self.position(tag) {
                return Some(forget(index));
            }
            let (index, seen) = self.replaceable(now, yields_ns)?;
            let index = forget(index);
            let way = self.ways.get(index)?;
            if way.tag.compare_exchange(seen, tag).is_ok() {
                return Some(self.settle(index, tag));
            }
            claims += 1;
        }
        None
    }

    /// Looks `tag` up without claiming.
    #[inline(always)]
    pub fn find(&self, tag: u64) -> Option<&Way<W>> {
        self.ways.get(self.position(tag)?)
    }

    #[inline(always)]
    fn position(&self, tag: u64) -> Option<usize> {
        self.ways.iter().position(|way| way.tag.load() == tag)
    }

    /// The way a newcomer may take, with the tag it was seen under: the first that owes nothing,
    /// else the first that owes at most `yields_ns`.
    #[inline(always)]
    fn replaceable(&self, now: u64, yields_ns: u64) -> Option<(usize, u64)> {
        self.owing_at_most(0, now)
            .or_else(|| self.owing_at_most(yields_ns, now))
    }

    #[inline(always)]
    fn owing_at_most(&self, most_ns: u64, now: u64) -> Option<(usize, u64)> {
        // Both stay below 2^62, so that this does not wrap.
        let until = now.wrapping_add(most_ns);
        self.ways.iter().enumerate().find_map(|(index, way)| {
            let seen = way.tag.load();
            (seen == 0 || way.tat.load() <= until).then_some((index, seen))
        })
    }

    /// After a claim: if another enforcer claimed a lower way for the same tag, ours is released.
    #[inline(always)]
    fn settle(&self, ours: usize, tag: u64) -> usize {
        let first = self.position(tag).unwrap_or(ours);
        if first < ours
            && let Some(way) = self.ways.get(ours)
        {
            // Whether or not this race is won our way is free: losing it means that somebody
            // has replaced us already.
            match way.tag.compare_exchange(tag, 0) {
                Ok(_) | Err(_) => return first,
            }
        }
        ours
    }

    /// Charges `tag` as the daemon does; `None` when the parent level must be charged.
    #[inline]
    pub fn charge(
        &self,
        tag: u64,
        now: u64,
        cost: u64,
        limit: &Limit,
        yields_ns: u64,
    ) -> Option<Charge> {
        self.find_or_claim(tag, now, yields_ns)
            .map(|tat| limit.charge(tat, now, cost))
    }

    /// Charges `tag` as the kernel does; `None` when the parent level must be charged.
    #[inline(always)]
    pub fn charge_bounded(
        &self,
        tag: u64,
        now: u64,
        cost: u64,
        limit: &Limit,
        yields_ns: u64,
    ) -> Option<Charge> {
        self.find_or_claim(tag, now, yields_ns)
            .map(|tat| limit.charge_bounded(tat, now, cost))
    }
}

/// Spreads `value` over 64 bits under a key that the outside does not know. A multiply-mix: not a
/// cryptographic hash, but one whose collisions cannot be aimed without the key.
#[inline(always)]
#[must_use]
pub const fn mix(value: u64, key: u64) -> u64 {
    let mut x = value ^ key;
    x = x.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^= x >> 32;
    x = x.wrapping_mul(0xd6e8_feb8_6659_fd93);
    x ^ (x >> 29)
}

#[cfg(test)]
#[path = "bucket_tests.rs"]
mod tests;
