//! One list as accept reads it: disjoint ranges of addresses, searched by halving.

use std::net::IpAddr;

use gateway_common::list::NEVER;

use super::span::{Span, span};
use crate::model::Prefix;

/// The addresses of one list. Immutable.
#[derive(Debug, Default)]
pub(super) struct Index {
    ipv4: Ranges<u32>,
    ipv6: Ranges<u128>,
}

/// Disjoint ranges in order: from `firsts[i]` to `lasts[i]`, both included, until `ends[i]`.
#[derive(Debug)]
struct Ranges<A> {
    firsts: Box<[A]>,
    lasts: Box<[A]>,
    /// Empty where nothing ends.
    ends: Box<[u64]>,
}

impl<A> Default for Ranges<A> {
    fn default() -> Self {
        Self {
            firsts: Box::default(),
            lasts: Box::default(),
            ends: Box::default(),
        }
    }
}

impl Index {
    /// From prefixes in order, covering ones first, each with its own end.
    pub(super) fn build(entries: impl Iterator<Item = (Prefix, u64)>) -> Self {
        let (mut ipv4, mut ipv6) = (Flat::default(), Flat::default());
        for (prefix, end_ns) in entries {
            if prefix.network().is_ipv4() {
                ipv4.push(span(prefix), end_ns);
            } else {
                ipv6.push(span(prefix), end_ns);
            }
        }
        Self {
            ipv4: ipv4.finish(|address| u32::try_from(address).unwrap_or(u32::MAX)),
            ipv6: ipv6.finish(|address| address),
        }
    }

    /// Until when `address` is listed; `None` where it is not.
    pub(super) fn end_of(&self, address: IpAddr) -> Option<u64> {
        match address {
            IpAddr::V4(v4) => self.ipv4.end_of(v4.into()),
            IpAddr::V6(v6) => self.ipv6.end_of(v6.into()),
        }
    }

    /// Memory it occupies.
    pub(super) fn bytes(&self) -> usize {
        self.ipv4.bytes() + self.ipv6.bytes()
    }
}

impl<A: Ord + Copy> Ranges<A> {
    fn end_of(&self, address: A) -> Option<u64> {
        let behind = self.firsts.partition_point(|first| *first <= address);
        let found = behind.checked_sub(1)?;
        let last = self.lasts.get(found)?;
        (address <= *last).then(|| self.ends.get(found).copied().unwrap_or(NEVER))
    }
}

impl<A> Ranges<A> {
    fn bytes(&self) -> usize {
        size_of_val(&*self.firsts) + size_of_val(&*self.lasts) + size_of_val(&*self.ends)
    }
}

/// Cuts nested spans, covering ones first, into disjoint ranges that each end as late as any span
/// around them.
#[derive(Default)]
struct Flat {
    ranges: Vec<(Span, u64)>,
    /// The spans around the current position with their latest ends, outermost first.
    open: Vec<(Span, u64)>,
    /// The first address not yet spoken for; `None` behind the last address there is.
    next: Option<u128>,
}

impl Flat {
    fn push(&mut self, span: Span, end_ns: u64) {
        self.close_before(Some(span.first));
        self.emit_up_to(span.first.checked_sub(1));
        self.next = Some(span.first);
        let around = self.open.last().map_or(0, |(_, end_ns)| *end_ns);
        self.open.push((span, end_ns.max(around)));
    }

    fn finish<A>(mut self, narrow: impl Fn(u128) -> A) -> Ranges<A> {
        self.close_before(None);
        let ranges = &self.ranges;
        let ends = if ranges.iter().all(|(_, end_ns)| *end_ns == NEVER) {
            Box::default()
        } else {
            ranges.iter().map(|(_, end_ns)| *end_ns).collect()
        };
        Ranges {
            firsts: ranges.iter().map(|(span, _)| narrow(span.first)).collect(),
            lasts: ranges.iter().map(|(span, _)| narrow(span.last)).collect(),
            ends,
        }
    }

    /// Emits what is left of the innermost open span up to `last`, joined with the range before
    /// where the two are one.
    fn emit_up_to(&mut self, last: Option<u128>) {
        let (Some(&(_, end_ns)), Some(first), Some(last)) = (self.open.last(), self.next, last)
        else {
            return;
        };
        if first > last {
            return;
        }
        if let Some((before, before_ns)) = self.ranges.last_mut()
            && *before_ns == end_ns
            && before.last.checked_add(1) == Some(first)
        {
            before.last = last;
        } else {
            self.ranges.push((Span { first, last }, end_ns));
        }
    }

    /// Closes every open span that ends before `position`, or every one.
    fn close_before(&mut self, position: Option<u128>) {
        while let Some(&(inner, _)) = self.open.last() {
            if position.is_some_and(|position| position <= inner.last) {
                break;
            }
            self.emit_up_to(Some(inner.last));
            self.next = inner.last.checked_add(1);
            self.open.pop();
        }
    }
}
