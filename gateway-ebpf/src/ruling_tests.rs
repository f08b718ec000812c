//! Monitoring against enforcement, over random traces and plain memory.

extern crate std;

use core::cell::Cell;
use core::sync::atomic::AtomicU64;
use std::vec::Vec;

use gateway_common::address::{Address, Class, KIND_CONNECTIONS, KIND_PACKETS, KIND_TRICKLE};
use gateway_common::bucket::{Line, mix};
use gateway_common::counter::Incident;
use gateway_common::endpoint::{self, Endpoint, EndpointLine};
use gateway_common::flow::{FlowKey, FlowRow};
use gateway_common::limit::{Limit, Rate};
use gateway_common::list::{Ipv4Key, Ipv6Key, ListEntry, NEVER};
use gateway_common::settings::{
    Control, FLAG_LISTENERS, FLAG_LISTS, Rules, Settings, SharedLimit, SourceLimit,
};
use gateway_common::word::Word;

use super::*;
use crate::frame::Slice;
use crate::judge::{Judgement, judge};
use crate::reading::Reading;

const SERVER: u32 = 0x0a00_0001;
const CLIENTS: u32 = 0x0a00_0100;
const PORT: u16 = 443;
const TCP: u8 = 6;
/// Lines of the tables here: few, so that sources meet in them.
const LINES: usize = 4;
const SECOND: u64 = 1_000_000_000;
const SEED: u64 = 0x5eed;

struct Host {
    now: Cell<u64>,
    control: Control,
    settings: Settings,
    rules: Rules,
    endpoints: EndpointLine,
    sources: [Line<AtomicU64>; LINES],
    aggregates: [AtomicU64; LINES],
    vouched: Line<AtomicU64>,
    newcomers: [AtomicU64; 2],
    offences: Line<AtomicU64>,
    denied: ListEntry<AtomicU64>,
    monitored: ListEntry<AtomicU64>,
    allowed: ListEntry<AtomicU64>,
    row: FlowRow,
}

fn limit(kind: u32, rate: u64, burst: u64) -> SourceLimit {
    let limit = Limit::new(Rate::per_second(rate), burst, 1).unwrap();
    SourceLimit {
        source: limit,
        aggregate: limit,
        class: Class::new(kind, 0, SEED),
        yields_ns: limit.increment(1).min(limit.slack_ns(1)),
        precise: 0,
    }
}

impl Host {
    fn new(monitor: u64, attack: u64) -> Self {
        let shared = SharedLimit {
            limit: Limit::new(Rate::per_second(10), 5, 1).unwrap(),
            precise: 0,
        };
        let entry = |port| Endpoint {
            address: Address::v4(SERVER),
            key: endpoint::key(TCP, port),
            listener: 1,
            reserved: 0,
        };
        let host = Self {
            now: Cell::new(1000 * SECOND),
            control: Control {
                attack,
                penalties: 1,
                ..Control::default()
            },
            settings: Settings {
                seed: SEED,
                flags: FLAG_LISTENERS | FLAG_LISTS,
                trickle: limit(KIND_TRICKLE, 1, 2),
                newcomers: [shared; 2],
                ..Settings::default()
            },
            rules: Rules {
                limits: [
                    limit(KIND_CONNECTIONS, 1, 2),
                    limit(KIND_PACKETS, 20, 10),
                    limit(2, 2000, 900),
                ],
                monitor,
            },
            endpoints: EndpointLine {
                entries: [entry(PORT), entry(0)],
            },
            sources: Default::default(),
            aggregates: Default::default(),
            vouched: Line::default(),
            newcomers: Default::default(),
            offences: Line::default(),
            denied: ListEntry {
                deny_until_ns: NEVER,
                ..ListEntry::default()
            },
            monitored: ListEntry {
                monitor_until_ns: NEVER,
                ..ListEntry::default()
            },
            allowed: ListEntry {
                allow_until_ns: NEVER,
                ..ListEntry::default()
            },
            row: FlowRow {
                tag: 9,
                slack_ns: SECOND,
                ..FlowRow::default()
            },
        };
        host.offences.ways[0].tag.add(9);
        host.offences.ways[0].tat.add(1010 * SECOND);
        host
    }

    /// Everything that a judgement may have written but the hits of the allowed: who is allowed and
    /// sends what is malformed passes by that alone where malformed is monitored.
    fn words(&self) -> Vec<u64> {
        let lines = self.sources.iter().chain([&self.vouched, &self.offences]);
        let ways = lines.flat_map(|line| &line.ways);
        let words = ways.flat_map(|way| [&way.tag, &way.tat]);
        let entries = [&self.denied.hits, &self.monitored.hits];
        words
            .chain(&self.aggregates)
            .chain(&self.newcomers)
            .chain(entries)
            .map(Word::load)
            .collect()
    }
}

impl Tables for Host {
    type Word = AtomicU64;

    fn control(&self) -> Result<&Control, Fault> {
        Ok(&self.control)
    }
    fn settings(&self, _: u32) -> Result<&Settings, Fault> {
        Ok(&self.settings)
    }
    fn rules(&self, _: u32) -> Result<&Rules, Fault> {
        Ok(&self.rules)
    }
    fn endpoint_line(&self, _: u32) -> Result<&EndpointLine, Fault> {
        Ok(&self.endpoints)
    }
    fn list_ipv4_filter(&self, _: u32) -> Result<u64, Fault> {
        Ok(u64::MAX)
    }
    fn list_ipv6_filter(&self, _: u32) -> Result<u64, Fault> {
        Ok(0)
    }
    fn list_ipv4_exact(&self, _: u32, key: &Ipv4Key) -> Option<&ListEntry<AtomicU64>> {
        match u32::from_be_bytes(*key) - CLIENTS {
            0 => Some(&self.denied),
            1 => Some(&self.monitored),
            2 => Some(&self.allowed),
            _ => None,
        }
    }
    fn list_ipv4_prefix(&self, _: u32, _: &Ipv4Key) -> Option<&ListEntry<AtomicU64>> {
        None
    }
    fn list_ipv6_exact(&self, _: u32, _: &Ipv6Key) -> Option<&ListEntry<AtomicU64>> {
        None
    }
    fn list_ipv6_prefix(&self, _: u32, _: &Ipv6Key) -> Option<&ListEntry<AtomicU64>> {
        None
    }
    fn source_line(&self, index: u32) -> Result<&Line<AtomicU64>, Fault> {
        Ok(&self.sources[index as usize % LINES])
    }
    fn aggregate(&self, index: u32) -> Result<&AtomicU64, Fault> {
        Ok(&self.aggregates[index as usize % LINES])
    }
    fn vouched_line(&self, _: u32) -> Result<&Line<AtomicU64>, Fault> {
        Ok(&self.vouched)
    }
    fn newcomers(&self, which: u32) -> Result<&AtomicU64, Fault> {
        Ok(&self.newcomers[which as usize])
    }
    fn flow(&self, key: &FlowKey) -> Option<&FlowRow> {
        (key.source == Address::v4(CLIENTS + 3)).then_some(&self.row)
    }
    fn offence_line(&self, _: u32) -> Result<&Line<AtomicU64>, Fault> {
        Ok(&self.offences)
    }
    fn interface(&self) -> u32 {
        0
    }
    fn now(&self) -> Result<u64, Fault> {
        Ok(self.now.get())
    }
    fn now_precise(&self) -> u64 {
        self.now.get()
    }
    fn answer_syn(&self, _: &Reading) -> bool {
        true
    }
    fn incident(&self, _: Incident) {}
    fn count_list(&self, _: u32, _: u64) {}
}

/// A frame of one of thirty sources: SYN, segment, malformed or fragment, of some length.
fn frame(random: u64) -> Vec<u8> {
    let [source, kind, length, ..] = random.to_le_bytes();
    let flags = [2, 2, 16, 16, 16, 16, 0, 3][usize::from(kind & 7)];
    let fragment = u8::from(kind & 0xf0 == 0);
    let total = 40 + u16::from(length);
    let mut frame = Vec::from([0; 12]);
    frame.extend([8, 0, 0x45, 0]);
    frame.extend(total.to_be_bytes());
    frame.extend([0, 1, 0, fragment, 64, TCP, 0, 0]);
    frame.extend((CLIENTS + u32::from(source % 30)).to_be_bytes());
    frame.extend(SERVER.to_be_bytes());
    frame.extend([0x9c, 0x40]);
    frame.extend(PORT.to_be_bytes());
    frame.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    frame.resize(14 + usize::from(total), 0);
    frame
}

/// Judges a random trace by both, packet by packet.
fn trace(seed: u64, hosts: [&Host; 2], mut compare: impl FnMut([Judgement; 2])) {
    for number in 0..2000 {
        let random = mix(number, seed);
        let frame = frame(random);
        for host in hosts {
            host.now
                .set(host.now.get() + (random >> 32) % (SECOND / 50));
        }
        compare(hosts.map(|host| judge(&Slice::new(&frame), host)));
    }
}

#[test]
fn with_everything_monitored_the_same_trace_comes_to_the_same_words() {
    let mut seen = 0;
    for seed in 0..40 {
        let attack = seed & 1;
        let (mut enforced, monitored) = (Host::new(0, attack), Host::new(u64::MAX, attack));
        // Enforcement means that of lists as well.
        enforced.monitored.deny_until_ns = NEVER;
        trace(seed, [&enforced, &monitored], |[strict, lenient]| {
            assert_eq!(strict.reason, lenient.reason, "seed {seed}");
            let expected = match strict.verdict {
                Verdict::Drop => Verdict::WouldDrop,
                other => other,
            };
            assert_eq!(lenient.verdict, expected, "seed {seed}");
            seen |= lenient.reason.bit();
        });
        assert_eq!(enforced.words(), monitored.words(), "seed {seed}");
    }
    for reason in [
        Reason::Admitted,
        Reason::NewConnection,
        Reason::Allowed,
        Reason::Denied,
        Reason::Malformed,
        Reason::Fragment,
        Reason::ConnectionRate,
        Reason::PacketRate,
        Reason::ByteRate,
        Reason::NewcomerConnections,
        Reason::NewcomerPackets,
        Reason::Penalised,
    ] {
        assert!(seen & reason.bit() != 0, "{reason:?} never came up");
    }
}

#[test]
fn only_monitored_reasons_would_drop_and_only_enforced_ones_drop() {
    for seed in 0..40 {
        let set = mix(seed, SEED);
        let (some, same) = (Host::new(set, seed & 1), Host::new(set, seed & 1));
        trace(seed, [&some, &same], |[judgement, again]| {
            assert_eq!(
                judgement, again,
                "a judgement depends on what it is told alone"
            );
            let is_monitored = judgement.reason.bit() & set != 0;
            match judgement.verdict {
                Verdict::Drop => assert!(!is_monitored, "{judgement:?}"),
                // A list of its own accord may be monitored.
                Verdict::WouldDrop => {
                    assert!(is_monitored || judgement.reason == Reason::Denied);
                }
                Verdict::Pass | Verdict::Transmit => {}
            }
        });
    }
}
