//! The list as accept reads it: disjoint ranges, searched by halving.

use std::net::IpAddr;

use super::entries::EffectiveEntry;

/// An immutable picture of the list.
#[derive(Debug, Default)]
pub(super) struct Index {
    ipv4: Vec<Range<u32>>,
    ipv6: Vec<Range<u128>>,
}

/// Addresses from `first` to `last`, both included, denied until `expires_ns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range<A> {
    first: A,
    last: A,
    expires_ns: u64,
}

impl Index {
    /// From entries in the order of their prefixes.
    pub(super) fn build(entries: &[EffectiveEntry]) -> Self {
        let spans = |ipv4: bool| {
            flatten(
                entries
                    .iter()
                    .filter(|entry| entry.prefix.network().is_ipv4() == ipv4)
                    .map(span),
            )
        };
        let narrow = |address: u128| u32::try_from(address).unwrap_or(u32::MAX);
        Self {
            ipv4: spans(true)
                .into_iter()
                .map(|range| Range {
                    first: narrow(range.first),
                    last: narrow(range.last),
                    expires_ns: range.expires_ns,
                })
                .collect(),
            ipv6: spans(false),
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.ipv4.is_empty() && self.ipv6.is_empty()
    }

    /// Whether `address` is denied at `now_ns`.
    pub(super) fn denies(&self, address: IpAddr, now_ns: u64) -> bool {
        match address.to_canonical() {
            IpAddr::V4(v4) => denies(&self.ipv4, v4.into(), now_ns),
            IpAddr::V6(v6) => denies(&self.ipv6, v6.into(), now_ns),
        }
    }
}

fn denies<A: Ord>(ranges: &[Range<A>], address: A, now_ns: u64) -> bool {
    let behind = ranges.partition_point(|range| range.first <= address);
    behind
        .checked_sub(1)
        .and_then(|candidate| ranges.get(candidate))
        .is_some_and(|range| address <= range.last && now_ns < range.expires_ns)
}

fn span(entry: &EffectiveEntry) -> Range<u128> {
    let (first, bits) = match entry.prefix.network() {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)), 32),
        IpAddr::V6(v6) => (u128::from(v6), 128),
    };
    let host_bits = bits - u32::from(entry.prefix.length());
    let hosts = u128::MAX.checked_shr(u128::BITS - host_bits).unwrap_or(0);
    Range {
        first,
        last: first | hosts,
        expires_ns: entry.expires_ns,
    }
}

/// Cuts nested ranges, covering ones first, into disjoint ones; the innermost speaks.
fn flatten(spans: impl Iterator<Item = Range<u128>>) -> Vec<Range<u128>> {
    let mut flat = Flat::default();
    for span in spans {
        flat.close_before(Some(span.first));
        flat.emit_up_to(span.first.checked_sub(1));
        flat.next = Some(span.first);
        flat.open.push(span);
    }
    flat.close_before(None);
    flat.ranges
}

#[derive(Default)]
struct Flat {
    ranges: Vec<Range<u128>>,
    /// The spans around the current position, outermost first.
    open: Vec<Range<u128>>,
    /// The first address not yet spoken for; `None` behind the last address there is.
    next: Option<u128>,
}

impl Flat {
    /// Emits what is left of the innermost open span up to `last`.
    fn emit_up_to(&mut self, last: Option<u128>) {
        let (Some(inner), Some(first), Some(last)) = (self.open.last(), self.next, last) else {
            return;
        };
        if first <= last {
            self.ranges.push(Range {
                first,
                last,
                expires_ns: inner.expires_ns,
            });
        }
    }

    /// Closes every open span that ends before `position`, or every one.
    fn close_before(&mut self, position: Option<u128>) {
        while let Some(&inner) = self.open.last() {
            if position.is_some_and(|position| position <= inner.last) {
                break;
            }
            self.emit_up_to(Some(inner.last));
            self.next = inner.last.checked_add(1);
            self.open.pop();
        }
    }
}
