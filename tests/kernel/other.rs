//! Traffic to this host that is for no listener.

use gateway_common::address::{Address, Class, KIND_OTHER};
use gateway_common::endpoint::{INTERFACE, LOCAL, interface};
use gateway_common::list::{ENTRY_MANAGEMENT, PlainEntry};
use gateway_common::reason::{Family, Reason, Verdict};
use gateway_common::settings::{
    FLAG_OTHER_TRAFFIC, OtherTraffic, Settings, SourceLimit, Treatment,
};
use gateway_tests::object::{Object, Orders};
use gateway_tests::packet::{
    ACK, SYN, TCP, UDP, extension, fragment, frame4, frame6, ipv4, ipv6, tcp, udp,
};

use crate::site::{
    CLIENT, ELSEWHERE, PORT, SERVER, check, client6, per_second, segment, server6, settings, site,
};

/// A test run comes in by the loopback interface of its namespace.
const LOOPBACK: u32 = 1;
const V4: Family = Family::Ipv4;
const V6: Family = Family::Ipv6;

fn object(treatment: Treatment, limit: SourceLimit) -> Option<Object> {
    let settings = settings();
    let other = SourceLimit {
        class: Class::new(KIND_OTHER, 0, settings.seed),
        ..limit
    };
    let mut object = site(Orders::from(Settings {
        flags: FLAG_OTHER_TRAFFIC,
        udp_reply_ports: [53, 123, 0, 0, 0, 0, 0, 0],
        other,
        ..settings
    }))?;
    for address in [Address::v4(SERVER), server6()] {
        object.enter(address, LOCAL, 0).unwrap();
    }
    let OtherTraffic(packed) = OtherTraffic::new(treatment, treatment, treatment);
    object
        .enter(interface(LOOPBACK), INTERFACE, packed)
        .unwrap();
    Some(object)
}

fn four(target: u32, protocol: u8, payload: &[u8]) -> Vec<u8> {
    frame4(&ipv4(CLIENT, target, protocol, 0, payload))
}

fn six(next: u8, payload: &[u8]) -> Vec<u8> {
    frame6(&ipv6(client6(), server6(), next, payload))
}

/// Frames that `drop` holds back, and frames that must pass whatever is configured.
fn frames() -> [(&'static str, bool, Family, Vec<u8>); 28] {
    let icmp = |kind: u8| [kind, 0, 0, 0, 0, 0, 0, 0];
    let row = |name, held, frame| (name, held, V4, frame);
    let row6 = |name, held, frame| (name, held, V6, frame);
    let later = |protocol, payload: &[u8]| frame4(&ipv4(CLIENT, SERVER, protocol, 1, payload));
    [
        row("SYN", true, four(SERVER, TCP, &tcp(9, 22, SYN))),
        row("segment", false, four(SERVER, TCP, &tcp(9, 22, ACK))),
        row("SYN, ACK", false, four(SERVER, TCP, &tcp(9, 22, SYN | ACK))),
        row("datagram", true, four(SERVER, UDP, &udp(9, 1900, 4))),
        row(
            "answer of DNS",
            false,
            four(SERVER, UDP, &udp(53, 40_000, 4)),
        ),
        row("answer of NTP", false, four(SERVER, UDP, &udp(123, 123, 4))),
        row(
            "datagram from port 0",
            true,
            four(SERVER, UDP, &udp(0, 9, 4)),
        ),
        row("GRE", true, four(SERVER, 47, &[0; 8])),
        row("later fragment of GRE", true, later(47, &[0; 8])),
        row("echo", true, four(SERVER, 1, &icmp(8))),
        row("echo reply", true, four(SERVER, 1, &icmp(0))),
        row("too big", false, four(SERVER, 1, &icmp(3))),
        row("source quench", false, four(SERVER, 1, &icmp(4))),
        row("redirect", false, four(SERVER, 1, &icmp(5))),
        row("time exceeded", false, four(SERVER, 1, &icmp(11))),
        row("parameter problem", false, four(SERVER, 1, &icmp(12))),
        row(
            "forwarded SYN",
            false,
            four(ELSEWHERE, TCP, &tcp(9, 22, SYN)),
        ),
        row("forwarded GRE", false, four(ELSEWHERE, 47, &[0; 8])),
        row6("SYN", true, six(TCP, &tcp(9, 22, SYN))),
        row6("segment", false, six(TCP, &tcp(9, 22, ACK))),
        row6("echo", true, six(58, &icmp(128))),
        row6("too big", false, six(58, &icmp(2))),
        row6(
            "behind options",
            false,
            six(60, &extension(58, 0, &icmp(2))),
        ),
        row6("listener report", false, six(58, &icmp(143))),
        row6("router advertisement", false, six(58, &icmp(134))),
        row6("neighbour solicitation", false, six(58, &icmp(135))),
        row6("neighbour advertisement", false, six(58, &icmp(136))),
        row6(
            "later fragment",
            true,
            six(44, &fragment(58, 1, true, &icmp(2))),
        ),
    ]
}

#[test]
fn only_what_may_be_held_back_is_dropped() {
    let Some(mut object) = object(Treatment::Drop, SourceLimit::default()) else {
        return;
    };
    for (name, held, family, frame) in frames() {
        let expected = if held {
            (Verdict::Drop, Reason::OtherTraffic, family)
        } else {
            (Verdict::Pass, Reason::NotOurs, family)
        };
        check(&mut object, name, &frame, expected);
    }
    let opened = (Verdict::Pass, Reason::NewConnection, V4);
    check(&mut object, "for a listener", &segment(SYN), opened);
    let tiny = frame4(&ipv4(CLIENT, SERVER, 6, 0x2000, &tcp(9, 22, SYN)[..8]));
    let dropped = (Verdict::Drop, Reason::Fragment, V4);
    check(&mut object, "a SYN cut up", &tiny, dropped);
}

#[test]
fn an_interface_without_an_entry_and_one_that_passes_hold_nothing_back() {
    for treatment in [Some(Treatment::Pass), None] {
        let Some(mut object) = object(Treatment::Pass, SourceLimit::default()) else {
            return;
        };
        if treatment.is_none() {
            let settings = object.settings();
            object
                .adjust(Settings {
                    flags: settings.flags & !FLAG_OTHER_TRAFFIC,
                    ..settings
                })
                .unwrap();
        }
        for (name, _, family, frame) in frames() {
            let passed = (Verdict::Pass, Reason::NotOurs, family);
            check(&mut object, name, &frame, passed);
        }
    }
}

#[test]
fn other_traffic_within_its_limit_passes_by_source() {
    let Some(mut object) = object(Treatment::Limit, per_second(1, 3, true)) else {
        return;
    };
    let frames = [
        four(SERVER, TCP, &tcp(9, 22, SYN)),
        four(SERVER, UDP, &udp(9, 1900, 4)),
        four(SERVER, 47, &[0; 8]),
    ];
    let passed = (Verdict::Pass, Reason::NotOurs, V4);
    for frame in &frames {
        check(&mut object, "within", frame, passed);
    }
    let limited = (Verdict::Drop, Reason::OtherRate, V4);
    for frame in &frames {
        check(&mut object, "beyond", frame, limited);
    }
    let neighbour = frame4(&ipv4(CLIENT + 1, SERVER, 47, 0, &[0; 8]));
    check(&mut object, "neighbour", &neighbour, passed);
    let answer = four(SERVER, UDP, &udp(53, 40_000, 4));
    check(&mut object, "an answer is not charged", &answer, passed);
}

#[test]
fn a_management_prefix_is_not_held_back() {
    let Some(mut object) = object(Treatment::Drop, SourceLimit::default()) else {
        return;
    };
    let entry = PlainEntry {
        flags: ENTRY_MANAGEMENT,
        ..PlainEntry::default()
    };
    object.deny(0, Address::v4(CLIENT), 32, entry).unwrap();
    let frame = four(SERVER, TCP, &tcp(9, 22, SYN));
    let passed = (Verdict::Pass, Reason::Management, V4);
    check(&mut object, "SYN", &frame, passed);
    let frame = four(SERVER, TCP, &tcp(9, PORT + 1, ACK));
    let passed = (Verdict::Pass, Reason::NotOurs, V4);
    check(&mut object, "segment", &frame, passed);
}
