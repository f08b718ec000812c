//! What the kernel cannot be made to do: tables that fail, words that are always contended.

extern crate std;

use core::cell::Cell;
use core::sync::atomic::AtomicU64;
use std::vec::Vec;

use gateway_common::bucket::Line;
use gateway_common::endpoint::{Endpoint, EndpointLine};
use gateway_common::flow::{FlowKey, FlowRow};
use gateway_common::limit::{Limit, Rate};
use gateway_common::list::{Ipv4Key, Ipv6Key, ListEntry};
use gateway_common::settings::{Control, RULE_KINDS, SourceLimit};
use gateway_common::word::Word;

use super::*;
use crate::frame::Slice;

const SERVER: u32 = 0x0a00_0001;
const CLIENT: u32 = 0x0a00_0101;
const PORT: u16 = 443;

/// A word on which another enforcer wins every race.
#[derive(Default)]
struct Contended(AtomicU64);

impl Word for Contended {
    fn load(&self) -> u64 {
        Word::load(&self.0)
    }
    fn compare_exchange(&self, current: u64, new: u64) -> Result<u64, u64> {
        // Tags can be claimed; arrival times, which a test's clock starts at 1000, cannot.
        if new > 1 << 40 {
            Word::compare_exchange(&self.0, current, new)
        } else {
            Err(current)
        }
    }
    fn add(&self, amount: u64) {
        Word::add(&self.0, amount);
    }
}

/// Which table does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    Nothing,
    Settings,
    Rules,
    Endpoints,
    Filter,
    Sources,
    Aggregates,
    Clock,
}

struct Host {
    broken: Broken,
    control: Control,
    settings: Settings,
    rules: Rules,
    endpoints: EndpointLine,
    line: Line<Contended>,
    aggregate: Contended,
    vouched: Line<Contended>,
    newcomers: Contended,
    answers: bool,
    incidents: Cell<[u32; Incident::ALL.len()]>,
}

impl Host {
    fn new(broken: Broken) -> Self {
        let address = Address::v4(SERVER);
        let entry = |port| Endpoint {
            address,
            key: endpoint::key(TCP, port),
            ..Endpoint::default()
        };
        let limit = Limit::new(Rate::per_second(1), 2, 1).unwrap();
        let limits = SourceLimit {
            source: limit,
            aggregate: limit,
            yields_ns: limit.increment(1),
            ..SourceLimit::default()
        };
        Self {
            broken,
            settings: Settings {
                flags: FLAG_LISTENERS | FLAG_LISTS,
                ..Settings::default()
            },
            control: Control::default(),
            rules: Rules {
                limits: [limits; RULE_KINDS],
                monitor: 0,
            },
            endpoints: EndpointLine {
                entries: [entry(PORT), entry(0)],
            },
            line: Line::default(),
            aggregate: Contended::default(),
            vouched: Line::default(),
            newcomers: Contended::default(),
            answers: true,
            incidents: Cell::new([0; Incident::ALL.len()]),
        }
    }

    fn answer<T>(&self, table: Broken, value: T) -> Result<T, Fault> {
        if self.broken == table {
            Err(Fault)
        } else {
            Ok(value)
        }
    }

    fn incidents(&self, incident: Incident) -> u32 {
        self.incidents.get()[incident as usize]
    }
}

impl Tables for Host {
    type Word = Contended;

    fn control(&self) -> Result<&Control, Fault> {
        Ok(&self.control)
    }
    fn settings(&self, _: u32) -> Result<&Settings, Fault> {
        self.answer(Broken::Settings, &self.settings)
    }
    fn rules(&self, _: u32) -> Result<&Rules, Fault> {
        self.answer(Broken::Rules, &self.rules)
    }
    fn endpoint_line(&self, _: u32) -> Result<&EndpointLine, Fault> {
        self.answer(Broken::Endpoints, &self.endpoints)
    }
    fn list_ipv4_filter(&self, _: u32) -> Result<u64, Fault> {
        self.answer(Broken::Filter, 0)
    }
    fn list_ipv6_filter(&self, _: u32) -> Result<u64, Fault> {
        self.answer(Broken::Filter, 0)
    }
    fn list_ipv4_exact(&self, _: u32, _: &Ipv4Key) -> Option<&ListEntry<Contended>> {
        None
    }
    fn list_ipv4_prefix(&self, _: u32, _: &Ipv4Key) -> Option<&ListEntry<Contended>> {
        None
    }
    fn list_ipv6_exact(&self, _: u32, _: &Ipv6Key) -> Option<&ListEntry<Contended>> {
        None
    }
    fn list_ipv6_prefix(&self, _: u32, _: &Ipv6Key) -> Option<&ListEntry<Contended>> {
        None
    }
    fn source_line(&self, _: u32) -> Result<&Line<Contended>, Fault> {
        self.answer(Broken::Sources, &self.line)
    }
    fn aggregate(&self, _: u32) -> Result<&Contended, Fault> {
        self.answer(Broken::Aggregates, &self.aggregate)
    }
    fn vouched_line(&self, _: u32) -> Result<&Line<Contended>, Fault> {
        Ok(&self.vouched)
    }
    fn newcomers(&self, _: u32) -> Result<&Contended, Fault> {
        Ok(&self.newcomers)
    }
    fn flow(&self, _: &FlowKey) -> Option<&FlowRow> {
        None
    }
    fn offence_line(&self, _: u32) -> Result<&Line<Contended>, Fault> {
        Err(Fault)
    }
    fn interface(&self) -> u32 {
        0
    }
    fn answer_syn(&self, _: &Reading) -> bool {
        self.answers
    }
    fn count_list(&self, _: u32, _: u64) {}
    fn now(&self) -> Result<u64, Fault> {
        self.answer(Broken::Clock, 1000)
    }
    fn now_precise(&self) -> u64 {
        1000
    }
    fn incident(&self, incident: Incident) {
        let mut counts = self.incidents.get();
        counts[incident as usize] += 1;
        self.incidents.set(counts);
    }
}

fn syn() -> Vec<u8> {
    let mut frame = Vec::from([0; 12]);
    frame.extend([8, 0, 0x45, 0, 0, 40, 0, 1, 0, 0, 64, TCP, 0, 0]);
    frame.extend(CLIENT.to_be_bytes());
    frame.extend(SERVER.to_be_bytes());
    frame.extend([0x9c, 0x40]);
    frame.extend(PORT.to_be_bytes());
    frame.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0]);
    frame
}

#[test]
fn a_table_that_does_not_answer_lets_the_packet_pass_and_is_counted() {
    use Broken::{Clock, Endpoints, Filter, Nothing, Rules, Settings, Sources};
    for broken in [Nothing, Settings, Rules, Endpoints, Filter, Sources, Clock] {
        let host = Host::new(broken);
        let judgement = judge(&Slice::new(&syn()), &host);
        assert_eq!(judgement.verdict, Verdict::Pass, "{broken:?}");
        assert_eq!(judgement.bytes, 54, "{broken:?}");
        let faults = u32::from(broken != Nothing);
        assert_eq!(host.incidents(Incident::MapFailed), faults, "{broken:?}");
        let fault = judgement.reason == Reason::Fault;
        assert_eq!(fault, broken != Nothing, "{broken:?}");
    }
}

#[test]
fn a_failing_aggregate_is_a_fault_and_a_working_one_is_charged() {
    for (broken, reason) in [
        (Broken::Aggregates, Reason::Fault),
        (Broken::Nothing, Reason::NewConnection),
    ] {
        let host = Host::new(broken);
        for (way, tag) in host.line.ways.iter().zip(1..) {
            way.tag.0.store(tag, core::sync::atomic::Ordering::Relaxed);
            way.tat.add(1 << 60);
        }
        let judgement = judge(&Slice::new(&syn()), &host);
        assert_eq!(
            (judgement.verdict, judgement.reason),
            (Verdict::Pass, reason)
        );
        assert_eq!(host.incidents(Incident::LineFull), 1);
        let charged = host.aggregate.load() != 0;
        assert_eq!(charged, broken == Broken::Nothing);
    }
}

#[test]
fn a_packet_that_loses_its_races_passes_and_pays() {
    let host = Host::new(Broken::Nothing);
    let judgement = judge(&Slice::new(&syn()), &host);
    assert_eq!(judgement.reason, Reason::NewConnection);
    assert_eq!(host.incidents(Incident::RacesLost), 1);
    let paid: u64 = host.line.ways.iter().map(|way| way.tat.load()).sum();
    assert_eq!(paid, 1_000_000_000);
}

#[test]
fn no_prefix_of_a_frame_is_read_beyond_its_end() {
    let host = Host::new(Broken::Nothing);
    let frame = syn();
    for length in 0..frame.len() {
        let cut = &frame[..length];
        let judgement = judge(&Slice::new(cut), &host);
        assert_ne!(judgement.reason, Reason::NewConnection, "{length}");
        // The same bytes, of a frame that goes on where it cannot be read.
        let judgement = judge(&Slice::split(&frame, length), &host);
        let expected = match length {
            0..14 => Reason::NotIp,
            14..34 => Reason::Malformed,
            _ => Reason::UnparsedToUs,
        };
        assert_eq!(judgement.reason, expected, "{length}");
    }
}

/// Under attack, with what newcomers share used up.
fn attacked() -> Host {
    let mut host = Host::new(Broken::Nothing);
    host.control.attack = 1;
    host.settings.flags |= FLAG_COOKIES;
    for shared in &mut host.settings.newcomers {
        shared.limit = Limit::new(Rate::per_second(1), 2, 1).unwrap();
    }
    host.newcomers.add(1 << 39);
    host
}

#[test]
fn a_newcomer_beyond_the_budget_is_answered_with_a_cookie() {
    let outcome = |host: &Host| {
        let judgement = judge(&Slice::new(&syn()), host);
        (judgement.verdict, judgement.reason)
    };
    let refused = (Verdict::Drop, Reason::NewcomerConnections);
    let mut host = attacked();
    assert_eq!(outcome(&host), (Verdict::Transmit, Reason::Cookie));
    assert_eq!(host.incidents(Incident::CookieFailed), 0);
    host.answers = false;
    assert_eq!(outcome(&host), refused);
    assert_eq!(host.incidents(Incident::CookieFailed), 1);

    let mut host = attacked();
    host.settings.flags &= !FLAG_COOKIES;
    assert_eq!(outcome(&host), refused);
    // Without an attack, and where the rule is only monitored, nobody is answered.
    let mut host = attacked();
    host.control.attack = 0;
    assert_eq!(outcome(&host), (Verdict::Pass, Reason::NewConnection));
    let mut host = attacked();
    host.rules.monitor = Reason::NewcomerConnections.bit();
    let noted = (Verdict::WouldDrop, Reason::NewcomerConnections);
    assert_eq!(outcome(&host), noted);
    // A cookie is no way around the limit of the source.
    let host = attacked();
    for way in &host.line.ways {
        way.tat.add(1 << 39);
    }
    assert_eq!(outcome(&host).1, Reason::ConnectionRate);
}
