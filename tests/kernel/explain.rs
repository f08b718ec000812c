//! The explaining program says what the judging one does, and leaves no trace of itself.

use std::collections::BTreeSet;

use aya::maps::HashMap;
use gateway_common::address::{
    self, Address, Class, KIND_BYTES, KIND_CONNECTIONS, KIND_OTHER, KIND_PACKETS, KIND_TRICKLE,
    KIND_VOUCHED,
};
use gateway_common::bucket::{Alone, PlainLine};
use gateway_common::capacity::{ENDPOINT_LINE_BITS, SOURCE_LINE_BITS, VOUCHED_LINE_BITS};
use gateway_common::endpoint::{self, Endpoint, EndpointLine};
use gateway_common::flow::{FlowKey, FlowRow};
use gateway_common::limit::{Limit, Rate};
use gateway_common::list::{ENTRY_MANAGEMENT, LIST_NAMED, NEVER, PlainEntry};
use gateway_common::name;
use gateway_common::reason::{Family, Reason, Verdict};
use gateway_common::settings::{
    Control, FLAG_OTHER_TRAFFIC, Newcomers, OtherTraffic, SharedLimit, SourceLimit, Treatment,
};
use gateway_common::trace::{STEPS_MAX, Step, Topic, Trace};
use gateway_tests::dump;
use gateway_tests::object::Object;
use gateway_tests::packet::{self, ACK, SYN, TCP, UDP};

use crate::site::{
    CLIENT, ELSEWHERE, PORT, SERVER, client6, orders, segment, segment6, server6, settings, site,
};

/// The interface that test runs come in on.
const LOOPBACK: u32 = 1;
const UNTIL: u64 = NEVER;

/// So slow that nothing is paid off between two runs.
fn slow(kind: u32, burst: u64) -> SourceLimit {
    let rate = Rate {
        micro_per_second: 300,
    };
    let limit = Limit::new(rate, burst, 1).unwrap();
    SourceLimit {
        source: limit,
        aggregate: limit,
        class: Class::new(kind, 0, settings().seed),
        yields_ns: limit.increment(1).min(limit.slack_ns(1)),
        precise: 0,
    }
}

/// One packet in one situation, and what becomes of it.
struct Case {
    name: &'static str,
    situation: fn(&mut Object),
    frame: Vec<u8>,
    expected: (Verdict, Reason, Family),
    /// Steps in order, with their outcomes.
    steps: &'static [(Topic, u32)],
}

const IPV4: Family = Family::Ipv4;
const IPV6: Family = Family::Ipv6;

const fn pass(reason: Reason) -> (Verdict, Reason, Family) {
    (Verdict::Pass, reason, IPV4)
}

const fn drops(reason: Reason) -> (Verdict, Reason, Family) {
    (Verdict::Drop, reason, IPV4)
}

fn nothing(_: &mut Object) {}

fn limited(object: &mut Object, limit: SourceLimit) {
    let kind = usize::try_from(limit.class.number & 0xff).unwrap();
    let mut rules = object.rules();
    rules.limits[kind] = limit;
    object.set_rules(1, rules).unwrap();
}

fn monitored(object: &mut Object, reasons: &[Reason]) {
    let mut rules = object.rules();
    rules.monitor = reasons.iter().map(|reason| reason.bit()).sum();
    object.set_rules(1, rules).unwrap();
}

fn listed(object: &mut Object, entry: PlainEntry) {
    object.deny(0, Address::v4(CLIENT), 32, entry).unwrap();
    object.deny(0, client6(), 128, entry).unwrap();
}

fn denied() -> PlainEntry {
    PlainEntry {
        deny_until_ns: UNTIL,
        deny_list: LIST_NAMED,
        ..PlainEntry::default()
    }
}

fn other_traffic(object: &mut Object, treatment: Treatment) {
    let mut settings = object.settings();
    settings.flags |= FLAG_OTHER_TRAFFIC;
    settings.other = slow(KIND_OTHER, 2);
    object.adjust(settings).unwrap();
    let packed = OtherTraffic::new(treatment, treatment, treatment);
    let entries = [
        (Address::v4(SERVER), endpoint::LOCAL, 0),
        (endpoint::interface(LOOPBACK), endpoint::INTERFACE, packed.0),
    ];
    for (address, key, listener) in entries {
        enter(object, address, key, listener);
    }
}

/// Writes an entry of the endpoint table.
fn enter(object: &mut Object, address: Address, key: u64, listener: u32) {
    let seed = object.settings().endpoint_seed;
    let index = endpoint::line_index(address, key, seed, ENDPOINT_LINE_BITS);
    let mut table = object.array::<EndpointLine>(name::MAP_ENDPOINTS).unwrap();
    let mut line = table.get(&index, 0).unwrap();
    let place = line
        .entries
        .iter_mut()
        .find(|entry| entry.key == 0 || (entry.key == key && entry.address == address));
    *place.expect("the line has room under this seed") = Endpoint {
        address,
        key,
        listener,
        reserved: 0,
    };
    table.set(index, line, 0).unwrap();
}

fn control(object: &mut Object, change: impl FnOnce(&mut Control)) {
    let mut map = object.array::<Control>(name::MAP_CONTROL).unwrap();
    let mut control = map.get(&0, 0).unwrap();
    change(&mut control);
    map.set(0, control, 0).unwrap();
}

/// Under attack, with budgets of so many units.
fn attacked(object: &mut Object, units: u64) {
    let mut settings = object.settings();
    settings.newcomers = [SharedLimit {
        limit: slow(KIND_CONNECTIONS, units).source,
        precise: 0,
    }; 2];
    object.adjust(settings).unwrap();
    control(object, |control| control.attack = 1);
}

/// Lays a word into the line of the client's tag.
fn lay(object: &mut Object, map: &str, class: Class, bits: u32, tat: u64) {
    let seed = object.settings().seed;
    let tag = Address::v4(CLIENT).tag(&class);
    let index = address::index(tag, seed, bits);
    let mut table = object.array::<PlainLine>(map).unwrap();
    let mut line = table.get(&index, 0).unwrap();
    line.ways[2].tag = tag;
    line.ways[2].tat = tat;
    table.set(index, line, 0).unwrap();
}

fn hours_ahead(object: &mut Object, hours: u64) -> u64 {
    object.tick().unwrap().1 + hours * 3_600 * 1_000_000_000
}

/// The client's flow is penalised, for an offence that is in debt for another hour.
fn penalised(object: &mut Object) {
    const TAG: u64 = 77;
    const LINE: u32 = 5;
    let key = FlowKey {
        source: Address::v4(CLIENT),
        destination: Address::v4(SERVER),
        ports: 40_000 << 16 | u32::from(PORT),
        protocol: TCP.into(),
    };
    let row = FlowRow {
        tag: TAG,
        slack_ns: 0,
        line: LINE,
        reserved: 0,
    };
    let map = object.map(name::MAP_FLOWS).unwrap();
    let mut flows = HashMap::<_, FlowKey, FlowRow>::try_from(map).unwrap();
    flows.insert(key, row, 0).unwrap();
    let tat = hours_ahead(object, 1);
    let mut table = object.array::<PlainLine>(name::MAP_OFFENCES).unwrap();
    let mut line = PlainLine::default();
    line.ways[0].tag = TAG;
    line.ways[0].tat = tat;
    table.set(LINE, line, 0).unwrap();
    control(object, |control| control.penalties = 1);
}

/// The client owes more connections than any burst, as after an offence; its trickle has room.
fn in_debt(object: &mut Object) {
    let connections = slow(KIND_CONNECTIONS, 2);
    limited(object, connections);
    let mut settings = object.settings();
    settings.trickle = slow(KIND_TRICKLE, 2);
    object.adjust(settings).unwrap();
    let ahead = hours_ahead(object, 3);
    let class = connections.class;
    lay(object, name::MAP_SOURCES, class, SOURCE_LINE_BITS, ahead);
}

/// All ways of the client's line belong to others who owe hours.
fn crowded(object: &mut Object) {
    let limit = slow(KIND_PACKETS, 2);
    limited(object, limit);
    let ahead = hours_ahead(object, 3);
    let tag = Address::v4(CLIENT).tag(&limit.class);
    let index = address::index(tag, object.settings().seed, SOURCE_LINE_BITS);
    let mut line = PlainLine::default();
    for (other, way) in (1..).zip(&mut line.ways) {
        (way.tag, way.tat) = (other, ahead);
    }
    let mut table = object.array::<PlainLine>(name::MAP_SOURCES).unwrap();
    table.set(index, line, 0).unwrap();
}

/// Judges a frame so often that whatever it is charged to is used up.
fn spent(object: &mut Object, frame: &[u8]) {
    object.run(name::PROGRAM_EDGE, frame, 8).unwrap();
}

fn elsewhere() -> Vec<u8> {
    let payload = packet::tcp(40_000, PORT, SYN);
    packet::frame4(&packet::ipv4(CLIENT, ELSEWHERE, TCP, 0x4000, &payload))
}

fn to_other_port() -> Vec<u8> {
    let payload = packet::udp(40_000, 9, 4);
    packet::frame4(&packet::ipv4(CLIENT, SERVER, UDP, 0x4000, &payload))
}

fn too_many_extensions() -> Vec<u8> {
    let mut chain = packet::tcp(40_000, PORT, SYN);
    let mut next = TCP;
    for _ in 0..9 {
        chain = packet::extension(next, 0, &chain);
        next = 60;
    }
    packet::frame6(&packet::ipv6(client6(), server6(), next, &chain))
}

use Topic::{Destination, Flow, Limit as Asked, Lists, Monitored, Newcomers as Budget, Parsed};
use Topic::{OtherTraffic as Other, Vouched};

fn plain() -> Vec<Case> {
    let six_tags = [0x8100; 5];
    let case = |name, frame, expected, steps| Case {
        name,
        situation: nothing,
        frame,
        expected,
        steps,
    };
    let later = packet::ipv4(CLIENT, SERVER, TCP, 0x0010, &[0; 40]);
    vec![
        case(
            "ARP",
            packet::ethernet(&[], 0x0806, &[0; 28]),
            (Verdict::Pass, Reason::NotIp, Family::Other),
            &[(Parsed, 0)],
        ),
        case(
            "five tags",
            packet::ethernet(&six_tags, 0x0800, &[0; 40]),
            (Verdict::Drop, Reason::UnparsedToUs, Family::Other),
            &[(Parsed, 0)],
        ),
        case(
            "cut in the IP header",
            packet::ethernet(&[], 0x0800, &[0x45; 46])[..20].to_vec(),
            pass(Reason::Malformed),
            &[(Parsed, 0)],
        ),
        case(
            "another host",
            elsewhere(),
            pass(Reason::NotOurs),
            &[(Parsed, 0), (Destination, 0)],
        ),
        case(
            "another protocol",
            packet::frame4(&packet::ipv4(CLIENT, SERVER, 47, 0, &[0; 20])),
            pass(Reason::NotOurs),
            &[(Parsed, 0)],
        ),
        case(
            "segment",
            segment(ACK),
            pass(Reason::Admitted),
            &[(Parsed, 0), (Destination, 1)],
        ),
        case(
            "SYN",
            segment(SYN),
            pass(Reason::NewConnection),
            &[(Parsed, 0), (Destination, 1)],
        ),
        case(
            "segment in IPv6",
            segment6(client6(), ACK),
            (Verdict::Pass, Reason::Admitted, IPV6),
            &[(Parsed, 0), (Destination, 1)],
        ),
        case(
            "no flags",
            segment(0),
            drops(Reason::Malformed),
            &[(Parsed, 0), (Destination, 1)],
        ),
        case(
            "later fragment",
            packet::frame4(&later),
            drops(Reason::Fragment),
            &[(Parsed, 0), (Destination, 1)],
        ),
        case(
            "nine extension headers",
            too_many_extensions(),
            (Verdict::Drop, Reason::UnparsedToUs, IPV6),
            &[(Parsed, 0), (Destination, 1)],
        ),
    ]
}

fn with_lists() -> Vec<Case> {
    vec![
        Case {
            name: "denied",
            situation: |object| listed(object, denied()),
            frame: segment(ACK),
            expected: drops(Reason::Denied),
            steps: &[(Parsed, 0), (Destination, 1), (Lists, 3)],
        },
        Case {
            name: "denied in IPv6",
            situation: |object| listed(object, denied()),
            frame: segment6(client6(), SYN),
            expected: (Verdict::Drop, Reason::Denied, IPV6),
            steps: &[(Parsed, 0), (Destination, 1), (Lists, 3)],
        },
        Case {
            name: "allowed beats denied",
            situation: |object| {
                let allow_until_ns = UNTIL;
                listed(
                    object,
                    PlainEntry {
                        allow_until_ns,
                        ..denied()
                    },
                );
            },
            frame: segment(ACK),
            expected: pass(Reason::Allowed),
            steps: &[(Parsed, 0), (Destination, 1), (Lists, 2)],
        },
        Case {
            name: "management, even malformed",
            situation: |object| {
                let flags = ENTRY_MANAGEMENT;
                listed(object, PlainEntry { flags, ..denied() });
            },
            frame: segment(0),
            expected: pass(Reason::Management),
            steps: &[(Parsed, 0), (Destination, 1), (Lists, 1)],
        },
        Case {
            name: "a list in monitor mode",
            situation: |object| {
                let entry = PlainEntry {
                    monitor_until_ns: UNTIL,
                    monitor_list: LIST_NAMED + 1,
                    ..PlainEntry::default()
                };
                listed(object, entry);
            },
            frame: segment(ACK),
            expected: (Verdict::WouldDrop, Reason::Denied, IPV4),
            steps: &[(Parsed, 0), (Destination, 1), (Lists, 4), (Monitored, 0)],
        },
        Case {
            name: "an enforced limit behind a monitored list",
            situation: |object| {
                listed(object, denied());
                monitored(object, &[Reason::Denied]);
                let mut rules = object.rules();
                rules.monitor = Reason::Denied.bit();
                rules.limits[KIND_PACKETS as usize] = slow(KIND_PACKETS, 2);
                object.set_rules(1, rules).unwrap();
                spent(object, &segment(ACK));
            },
            frame: segment(ACK),
            expected: drops(Reason::PacketRate),
            steps: &[
                (Parsed, 0),
                (Destination, 1),
                (Lists, 3),
                (Monitored, 0),
                (Asked, 0),
            ],
        },
    ]
}

fn with_limits() -> Vec<Case> {
    vec![
        Case {
            name: "connections within",
            situation: |object| limited(object, slow(KIND_CONNECTIONS, 2)),
            frame: segment(SYN),
            expected: pass(Reason::NewConnection),
            steps: &[(Parsed, 0), (Destination, 1), (Asked, 1)],
        },
        Case {
            name: "connections beyond",
            situation: |object| {
                limited(object, slow(KIND_CONNECTIONS, 2));
                spent(object, &segment(SYN));
            },
            frame: segment(SYN),
            expected: drops(Reason::ConnectionRate),
            steps: &[(Parsed, 0), (Destination, 1), (Asked, 0)],
        },
        Case {
            name: "packets beyond",
            situation: |object| {
                limited(object, slow(KIND_PACKETS, 2));
                spent(object, &segment(ACK));
            },
            frame: segment(ACK),
            expected: drops(Reason::PacketRate),
            steps: &[(Parsed, 0), (Destination, 1), (Asked, 0)],
        },
        Case {
            name: "bytes within, looked at and paid",
            situation: |object| limited(object, slow(KIND_BYTES, 100)),
            frame: segment(ACK),
            expected: pass(Reason::Admitted),
            steps: &[(Parsed, 0), (Destination, 1), (Asked, 1), (Asked, 1)],
        },
        Case {
            name: "bytes beyond",
            situation: |object| {
                limited(object, slow(KIND_BYTES, 100));
                spent(object, &segment(ACK));
            },
            frame: segment(ACK),
            expected: drops(Reason::ByteRate),
            steps: &[(Parsed, 0), (Destination, 1), (Asked, 0)],
        },
        Case {
            name: "a full line, paid by the aggregate",
            situation: crowded,
            frame: segment(ACK),
            expected: pass(Reason::Admitted),
            steps: &[(Parsed, 0), (Destination, 1), (Asked, 2)],
        },
        Case {
            name: "a full line, and the aggregate beyond",
            situation: |object| {
                crowded(object);
                spent(object, &segment(ACK));
            },
            frame: segment(ACK),
            expected: drops(Reason::PacketRate),
            steps: &[(Parsed, 0), (Destination, 1), (Asked, 3)],
        },
        Case {
            name: "monitored connections beyond",
            situation: |object| {
                let mut rules = object.rules();
                rules.limits[KIND_CONNECTIONS as usize] = slow(KIND_CONNECTIONS, 2);
                rules.monitor = Reason::ConnectionRate.bit();
                object.set_rules(1, rules).unwrap();
                spent(object, &segment(SYN));
            },
            frame: segment(SYN),
            expected: (Verdict::WouldDrop, Reason::ConnectionRate, IPV4),
            steps: &[(Parsed, 0), (Destination, 1), (Asked, 0), (Monitored, 0)],
        },
        Case {
            name: "trickle",
            situation: in_debt,
            frame: segment(SYN),
            expected: pass(Reason::Trickle),
            steps: &[(Parsed, 0), (Destination, 1), (Asked, 0), (Asked, 1)],
        },
        Case {
            name: "penalised flow",
            situation: penalised,
            frame: segment(ACK),
            expected: drops(Reason::Penalised),
            steps: &[(Parsed, 0), (Destination, 1), (Flow, 1)],
        },
    ]
}

fn under_attack() -> Vec<Case> {
    vec![
        Case {
            name: "newcomer within the budget",
            situation: |object| attacked(object, 2),
            frame: segment(SYN),
            expected: pass(Reason::NewConnection),
            steps: &[(Parsed, 0), (Destination, 1), (Vouched, 0), (Budget, 1)],
        },
        Case {
            name: "newcomer's SYN beyond",
            situation: |object| {
                attacked(object, 2);
                spent(object, &segment(SYN));
            },
            frame: segment(SYN),
            expected: drops(Reason::NewcomerConnections),
            steps: &[(Parsed, 0), (Destination, 1), (Vouched, 0), (Budget, 0)],
        },
        Case {
            name: "newcomer's segment beyond",
            situation: |object| {
                attacked(object, 2);
                spent(object, &segment(ACK));
            },
            frame: segment(ACK),
            expected: drops(Reason::NewcomerPackets),
            steps: &[(Parsed, 0), (Destination, 1), (Vouched, 0), (Budget, 0)],
        },
        Case {
            name: "vouched for",
            situation: |object| {
                attacked(object, 2);
                spent(object, &segment(SYN));
                let class = Class::new(KIND_VOUCHED, 0, object.settings().seed);
                let until = hours_ahead(object, 1);
                lay(object, name::MAP_VOUCHED, class, VOUCHED_LINE_BITS, until);
            },
            frame: segment(SYN),
            expected: pass(Reason::NewConnection),
            steps: &[(Parsed, 0), (Destination, 1), (Vouched, 1)],
        },
        Case {
            name: "other traffic dropped",
            situation: |object| other_traffic(object, Treatment::Drop),
            frame: to_other_port(),
            expected: drops(Reason::OtherTraffic),
            steps: &[(Parsed, 0), (Destination, 0), (Other, 0)],
        },
        Case {
            name: "other traffic within its limit",
            situation: |object| other_traffic(object, Treatment::Limit),
            frame: to_other_port(),
            expected: pass(Reason::NotOurs),
            steps: &[(Parsed, 0), (Destination, 0), (Other, 0), (Asked, 1)],
        },
        Case {
            name: "other traffic beyond its limit",
            situation: |object| {
                other_traffic(object, Treatment::Limit);
                spent(object, &to_other_port());
            },
            frame: to_other_port(),
            expected: drops(Reason::OtherRate),
            steps: &[(Parsed, 0), (Destination, 0), (Other, 0), (Asked, 0)],
        },
        Case {
            name: "a listener without rules",
            situation: |object| {
                enter(object, Address::v4(SERVER), endpoint::key(TCP, PORT), 4_000);
            },
            frame: segment(ACK),
            expected: pass(Reason::Fault),
            steps: &[(Parsed, 0), (Destination, 1)],
        },
    ]
}

/// Reasons that need an answer of ours on the wire, which a test run does not send.
const NOT_HERE: [Reason; 1] = [Reason::Cookie];

#[test]
fn there_is_a_case_for_every_reason() {
    let cases = [plain(), with_lists(), with_limits(), under_attack()];
    let reasons = cases.iter().flatten().map(|case| case.expected.1);
    let seen: BTreeSet<Reason> = reasons.collect();
    let all: BTreeSet<Reason> = Reason::ALL.iter().copied().collect();
    let missing: Vec<_> = all.difference(&seen).collect();
    assert_eq!(missing, NOT_HERE.iter().collect::<Vec<_>>());
}

#[test]
fn headers_are_explained_as_they_are_judged_and_nothing_changes() {
    compare(plain());
}

#[test]
fn lists_are_explained_as_they_are_judged_and_nothing_changes() {
    compare(with_lists());
}

#[test]
fn limits_are_explained_as_they_are_judged_and_nothing_changes() {
    compare(with_limits());
}

#[test]
fn attacks_and_other_traffic_are_explained_as_they_are_judged_and_nothing_changes() {
    compare(under_attack());
}

/// What is explained is what is then judged, and until then every map holds what it held.
#[track_caller]
fn compare(cases: Vec<Case>) {
    for case in cases {
        let without = SourceLimit::default();
        let Some(mut object) = site(orders([without, without])) else {
            return;
        };
        (case.situation)(&mut object);
        let before = dump::loaded(object.ebpf()).unwrap();
        let trace = explained(&mut object, &case.frame);
        let after = dump::loaded(object.ebpf()).unwrap();
        let nothing: [String; 0] = [];
        assert_eq!(dump::difference(&before, &after), nothing, "{}", case.name);
        let (verdict, reason, family) = case.expected;
        let said = (trace.verdict, trace.reason, trace.family);
        let expected = (verdict as u32, reason as u32, family as u32);
        assert_eq!(said, expected, "{}", case.name);
        let steps: Vec<(u32, u32)> = steps(&trace)
            .iter()
            .map(|step| (step.topic, step.outcome))
            .collect();
        let expected: Vec<(u32, u32)> = case
            .steps
            .iter()
            .map(|(topic, outcome)| (*topic as u32, *outcome))
            .collect();
        assert_eq!(steps, expected, "{}", case.name);
        crate::site::check(&mut object, case.name, &case.frame, case.expected);
    }
}

/// The comparison is one that can fail: what a judgement changes it sees.
#[test]
fn judging_changes_what_explaining_does_not() {
    let without = SourceLimit::default();
    let Some(mut object) = site(orders([without, without])) else {
        return;
    };
    limited(&mut object, slow(KIND_CONNECTIONS, 2));
    listed(
        &mut object,
        PlainEntry {
            monitor_until_ns: UNTIL,
            ..PlainEntry::default()
        },
    );
    let before = dump::loaded(object.ebpf()).unwrap();
    assert_eq!(object.judge(&segment(SYN)).unwrap(), crate::site::PASS);
    let after = dump::loaded(object.ebpf()).unwrap();
    let changed = dump::difference(&before, &after);
    for map in [
        name::MAP_SOURCES,
        name::MAP_COUNTERS,
        name::MAP_LISTENER_COUNTERS,
        name::MAP_LIST_COUNTERS,
        name::MAP_LIST4_EXACT[0],
        name::MAP_CLOCK,
    ] {
        assert!(changed.iter().any(|name| name == map), "{map}: {changed:?}");
    }
}

#[test]
fn the_interface_of_an_explanation_is_the_one_that_is_named() {
    let Some(mut object) = site(settings()) else {
        return;
    };
    other_traffic(&mut object, Treatment::Drop);
    let on = |object: &mut Object, interface| {
        let trace = object.explain(&to_other_port(), interface).unwrap();
        (trace.verdict, trace.reason)
    };
    let dropped = (Verdict::Drop as u32, Reason::OtherTraffic as u32);
    let passed = (Verdict::Pass as u32, Reason::NotOurs as u32);
    assert_eq!(on(&mut object, LOOPBACK), dropped);
    assert_eq!(on(&mut object, LOOPBACK + 1), passed);
}

#[test]
fn steps_carry_the_figures_that_they_speak_of() {
    let without = SourceLimit::default();
    let Some(mut object) = site(orders([without, without])) else {
        return;
    };
    let limit = slow(KIND_CONNECTIONS, 4);
    limited(&mut object, limit);
    let until = hours_ahead(&mut object, 1);
    let entry = PlainEntry {
        monitor_until_ns: until,
        monitor_list: LIST_NAMED,
        ..PlainEntry::default()
    };
    listed(&mut object, entry);
    let frame = segment(SYN);
    assert_eq!(object.judge(&frame).unwrap(), crate::site::PASS);
    let trace = explained(&mut object, &frame);
    let [parsed, destination, lists, noted, asked] = steps(&trace) else {
        panic!("{trace:?}");
    };
    assert_eq!(parsed.second, frame.len() as u64);
    assert_eq!(destination.first, 1);
    assert_eq!((lists.first, lists.second), (LIST_NAMED.into(), until));
    assert_eq!(noted.first, Reason::Denied as u64);
    assert_eq!(asked.first, u64::from(limit.class.number));
    // One connection was charged, and nothing noticeable has been paid off since.
    let unit = limit.source.increment(1);
    assert!(asked.second <= unit && asked.second > unit - unit / 100);
    assert_eq!(trace.listener, 1);
    // The host may have been up for less than an hour.
    assert!(trace.now_ns + 2 * 3_600 * 1_000_000_000 > until && trace.now_ns < until);
}

#[test]
fn what_newcomers_share_is_not_spent_by_asking() {
    let Some(mut object) = site(settings()) else {
        return;
    };
    attacked(&mut object, 1);
    for _ in 0..20 {
        let trace = explained(&mut object, &segment(SYN));
        assert_eq!(trace.reason, Reason::NewConnection as u32);
    }
    let words = object
        .array::<Alone<u64>>(name::MAP_NEWCOMERS)
        .unwrap()
        .get(&(Newcomers::Connections as u32), 0)
        .unwrap();
    assert_eq!(words.word, 0);
}

fn explained(object: &mut Object, frame: &[u8]) -> Trace {
    object.explain(frame, LOOPBACK).unwrap()
}

fn steps(trace: &Trace) -> &[Step] {
    let length = trace.length as usize;
    assert!(length < STEPS_MAX, "{length} steps");
    &trace.steps[..length]
}
