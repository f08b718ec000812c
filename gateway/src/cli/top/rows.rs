//! What two samples say together: rates, and how full buckets are.

use std::collections::HashMap;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use gateway_common::address::{scope_of, tagged_v4};
use gateway_common::counter::Counter;
use gateway_common::limit::Limit;
use gateway_common::reason::Verdict;
use gateway_common::slot::PlainSlot;

use super::sample::Sample;
use crate::daemon::names::Names;
use crate::xdp::stats::kind_name;

/// Everything that can be seen.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) verdicts: Vec<TrafficRow>,
    pub(super) reasons: Vec<TrafficRow>,
    pub(super) listeners: Vec<TrafficRow>,
    pub(super) lists: Vec<TrafficRow>,
    pub(super) sources: Vec<SourceRow>,
    pub(super) keys: Vec<KeyRow>,
}

/// Packets of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TrafficRow {
    pub(super) name: String,
    /// What became of them, where they have that in common.
    pub(super) verdict: Option<Verdict>,
    pub(super) total: Counter,
    pub(super) packets_per_second: u64,
    pub(super) bytes_per_second: u64,
}

/// A source that owes something. There may be hundreds of thousands, so nothing is text yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SourceRow {
    pub(super) source: Source,
    /// Number of its class; `None` where it is not known.
    pub(super) class: Option<u32>,
    pub(super) debt: Debt,
    /// Charged in the time between the samples; `None` where the limit is not known.
    pub(super) charged: Option<Charged>,
}

/// Who a bucket belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    Ipv4(Ipv4Addr),
    /// The network of a connected peer.
    Ipv6(Ipv6Addr),
    /// The tag of an IPv6 network, which cannot be read back.
    Tag(u64),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipv4(address) => write!(f, "{address}"),
            Self::Ipv6(network) => write!(f, "{network}/64"),
            Self::Tag(tag) => write!(f, "ipv6 #{:012x}", tag & 0xffff_ffff_ffff),
        }
    }
}

/// What a class counts, and for which listener where it has a limit of its own; `?` for one that
/// is not known.
pub(super) fn class_name(number: Option<u32>, names: &Names) -> String {
    match number {
        None => "?".to_owned(),
        Some(number) if scope_of(number) == 0 => kind_name(number).to_owned(),
        Some(number) => format!("{} {}", kind_name(number), names.listener(scope_of(number))),
    }
}

/// What a bucket owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Debt {
    pub(super) owed_ns: u64,
    /// In percent of a full bucket, more than 100 with penalties; `None` where the limit is not
    /// known.
    pub(super) fill: Option<u64>,
}

/// How fast a bucket was charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Charged {
    pub(super) per_second: u64,
    /// The bucket may have been idle in between, which cannot be seen: then it was less.
    pub(super) at_most: bool,
}

/// What a throttle or one of its callers owes and was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyRow {
    pub(super) name: String,
    pub(super) debt: Debt,
    /// `None` for callers, who have no counters.
    pub(super) requests: Option<Requests>,
}

/// Requests per second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Requests {
    pub(super) admitted: u64,
    pub(super) rejected: u64,
    pub(super) shed: u64,
}

impl Rows {
    /// What `now` says, with rates since `before`.
    pub(super) fn between(before: &Sample, now: &Sample) -> Self {
        let elapsed = Elapsed(now.at_ns.saturating_sub(before.at_ns).max(1));
        let names = &now.names;
        let reasons = |sample: &Sample| {
            let counts = sample.counted.verdicts.iter();
            add_up(counts.map(|count| {
                let (verdict, reason) = (count.verdict, count.reason);
                ((verdict, reason), count.counter)
            }))
        };
        let verdicts = |sample: &Sample| {
            let counts = sample.counted.verdicts.iter();
            add_up(counts.map(|count| (count.verdict, count.counter)))
        };
        let listeners = |sample: &Sample| {
            let counts = sample.counted.listeners.iter();
            add_up(counts.map(|count| ((count.listener, count.verdict), count.counter)))
        };
        let lists = |sample: &Sample| {
            let counts = sample.counted.lists.iter();
            add_up(counts.map(|count| (count.list, count.counter)))
        };
        Self {
            verdicts: traffic(&verdicts(before), &verdicts(now), elapsed, |verdict| {
                (verdict.name().to_owned(), Some(*verdict))
            }),
            reasons: traffic(&reasons(before), &reasons(now), elapsed, |key| {
                let (verdict, reason) = key;
                (reason.name().to_owned(), Some(*verdict))
            }),
            listeners: traffic(&listeners(before), &listeners(now), elapsed, |key| {
                let (listener, verdict) = key;
                (names.listener(*listener).into_owned(), Some(*verdict))
            }),
            lists: traffic(&lists(before), &lists(now), elapsed, |list| {
                (names.list(*list).into_owned(), None)
            }),
            sources: sources(before, now, elapsed),
            keys: keys(before, now, elapsed),
        }
    }
}

/// Nanoseconds between two samples, never zero.
#[derive(Clone, Copy)]
struct Elapsed(u64);

impl Elapsed {
    /// The rate of a counter; zero for one that started anew.
    fn rate(self, now: u64, before: u64) -> u64 {
        let gained = u128::from(now.saturating_sub(before)) * 1_000_000_000;
        u64::try_from(gained / u128::from(self.0)).unwrap_or(u64::MAX)
    }
}

/// Counters by key, those of equal keys added up, in the order of their first appearance.
fn add_up<K: PartialEq>(counts: impl Iterator<Item = (K, Counter)>) -> Vec<(K, Counter)> {
    let mut sums: Vec<(K, Counter)> = Vec::new();
    for (key, counter) in counts {
        match sums.iter_mut().find(|(known, _)| *known == key) {
            Some((_, sum)) => {
                sum.packets = sum.packets.wrapping_add(counter.packets);
                sum.bytes = sum.bytes.wrapping_add(counter.bytes);
            }
            None => sums.push((key, counter)),
        }
    }
    sums
}

fn traffic<K: PartialEq>(
    before: &[(K, Counter)],
    now: &[(K, Counter)],
    elapsed: Elapsed,
    label: impl Fn(&K) -> (String, Option<Verdict>),
) -> Vec<TrafficRow> {
    let rows = now.iter().map(|(key, total)| {
        let old = before.iter().find(|(known, _)| known == key);
        let old = old.map_or_else(Counter::default, |(_, counter)| *counter);
        let (name, verdict) = label(key);
        TrafficRow {
            name,
            verdict,
            total: *total,
            packets_per_second: elapsed.rate(total.packets, old.packets),
            bytes_per_second: elapsed.rate(total.bytes, old.bytes),
        }
    });
    rows.collect()
}

fn sources(before: &Sample, now: &Sample, elapsed: Elapsed) -> Vec<SourceRow> {
    let old = before.debts.sources.iter();
    let old: HashMap<u64, u64> = old.map(|bucket| (bucket.tag, bucket.tat)).collect();
    let limits = now.debts.limits.iter();
    let limits: HashMap<u32, Limit> = limits
        .map(|limit| (limit.class.number, limit.limit))
        .collect();
    let rows = now.debts.sources.iter().filter_map(|bucket| {
        let (source, class) = match (tagged_v4(bucket.tag), now.ipv6.get(&bucket.tag)) {
            (Some((address, class)), _) => (Source::Ipv4(Ipv4Addr::from(address)), Some(class)),
            (None, Some((network, class))) => (Source::Ipv6(*network), Some(*class)),
            (None, None) => (Source::Tag(bucket.tag), None),
        };
        let limit = class.and_then(|number| limits.get(&number));
        // What was charged under a limit that is gone holds nobody back.
        if class.is_some() && limit.is_none() {
            return None;
        }
        let since = old.get(&bucket.tag).copied().unwrap_or(0);
        Some(SourceRow {
            source,
            class,
            debt: debt(bucket.tat, now.at_ns, limit),
            charged: limit.map(|limit| charged(since, bucket.tat, before.at_ns, elapsed, limit)),
        })
    });
    rows.collect()
}

fn debt(tat: u64, now_ns: u64, limit: Option<&Limit>) -> Debt {
    let owed_ns = tat.saturating_sub(now_ns);
    let fill = limit.filter(|limit| limit.tolerance_ns > 0).map(|limit| {
        let percent = u128::from(owed_ns) * 100 / u128::from(limit.tolerance_ns);
        u64::try_from(percent).unwrap_or(u64::MAX)
    });
    Debt { owed_ns, fill }
}

/// How fast a bucket was charged whose word went from `before` (zero if it owed nothing then) to
/// `now` since `before_ns`. While a bucket owes, its word moves by what is charged alone; when it
/// is idle, the clock carries the word along.
fn charged(before: u64, now: u64, before_ns: u64, elapsed: Elapsed, limit: &Limit) -> Charged {
    let from = before.max(before_ns);
    let charged_ns = now.saturating_sub(from);
    // Nanoseconds charged over nanoseconds passed, times units per second: the multiplier is
    // nanoseconds per unit, scaled.
    let scaled = u128::from(charged_ns) << limit.shift.min(46);
    let units = scaled / u128::from(limit.multiplier.max(1));
    let per_second = units * 1_000_000_000 / u128::from(elapsed.0);
    Charged {
        per_second: u64::try_from(per_second).unwrap_or(u64::MAX),
        at_most: before < before_ns.saturating_add(elapsed.0),
    }
}

fn keys(before: &Sample, now: &Sample, elapsed: Elapsed) -> Vec<KeyRow> {
    let old = before.counted.slots.iter();
    let old: HashMap<u64, &PlainSlot> = old.map(|slot| (slot.tag, slot)).collect();
    let slots = now.counted.slots.iter().map(|slot| {
        let old = old.get(&slot.tag).copied().copied().unwrap_or_default();
        let name = now.names.slot(slot.tag);
        KeyRow {
            name: name.map_or_else(|| format!("slot #{:016x}", slot.tag), str::to_owned),
            debt: debt(slot.tat, now.at_ns, Some(&slot.limit())),
            requests: Some(Requests {
                admitted: elapsed.rate(slot.admitted, old.admitted),
                rejected: elapsed.rate(slot.rejected, old.rejected),
                shed: elapsed.rate(slot.shed, old.shed),
            }),
        }
    });
    let callers = now.debts.callers.iter().map(|bucket| KeyRow {
        name: format!("caller #{:016x}", bucket.tag),
        debt: debt(bucket.tat, now.at_ns, None),
        requests: None,
    });
    slots.chain(callers).collect()
}

#[cfg(test)]
#[path = "rows_tests.rs"]
pub(in crate::cli::top) mod tests;
