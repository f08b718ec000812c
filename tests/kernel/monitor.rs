//! Rules that are only monitored: what they would drop passes and is counted, and enforced rules
//! go on judging.

use gateway_common::address::Address;
use gateway_common::counter::listener_counter_index;
use gateway_common::list::{NEVER, PlainEntry};
use gateway_common::name;
use gateway_common::reason::{Family, Reason, Verdict};
use gateway_common::settings::{FLAG_LISTS, Settings};
use gateway_tests::object::{Object, Orders};
use gateway_tests::packet::{ACK, SYN, TCP, ethernet, extension, frame4, frame6, ipv4, ipv6, tcp};

use crate::site::{
    CLIENT, PORT, SERVER, check, client6, orders, per_second, segment, segment6, server6, site,
};

const V4: Family = Family::Ipv4;

fn monitored(reasons: &[Reason]) -> Orders {
    let mut orders = orders([per_second(1, 1, true), per_second(1, 1, true)]);
    orders.rules.monitor = reasons.iter().map(|reason| reason.bit()).sum();
    orders
}

fn deny(object: &mut Object, orders: &Orders) {
    let entry = PlainEntry {
        deny_until_ns: NEVER,
        ..PlainEntry::default()
    };
    object.deny(0, Address::v4(CLIENT), 32, entry).unwrap();
    object
        .adjust(Settings {
            flags: FLAG_LISTS,
            ..orders.settings
        })
        .unwrap();
}

#[test]
fn what_monitored_rules_would_drop_passes_and_is_counted() {
    let all = [
        Reason::Malformed,
        Reason::Fragment,
        Reason::UnparsedToUs,
        Reason::ConnectionRate,
        Reason::PacketRate,
    ];
    let Some(mut object) = site(monitored(&all)) else {
        return;
    };
    let would = |reason, family| (Verdict::WouldDrop, reason, family);
    let malformed = would(Reason::Malformed, V4);
    check(&mut object, "NULL", &segment(0), malformed);
    let cut = frame4(&ipv4(CLIENT, SERVER, TCP, 1, &tcp(1, PORT, ACK)));
    check(&mut object, "fragment", &cut, would(Reason::Fragment, V4));
    let mut chain = tcp(1, PORT, SYN);
    let mut next = TCP;
    for _ in 0..9 {
        chain = extension(next, 0, &chain);
        next = 60;
    }
    let long = frame6(&ipv6(client6(), server6(), 60, &chain));
    let unparsed = would(Reason::UnparsedToUs, Family::Ipv6);
    check(&mut object, "nine headers", &long, unparsed);
    let deep = ethernet(&[0x8100; 5], 0x0800, &[0; 40]);
    let unparsed = would(Reason::UnparsedToUs, Family::Other);
    check(&mut object, "five tags", &deep, unparsed);
    // None of these was charged, as none would have been under enforcement.
    let opened = (Verdict::Pass, Reason::NewConnection, V4);
    check(&mut object, "SYN", &segment(SYN), opened);
    let limited = would(Reason::ConnectionRate, V4);
    check(&mut object, "SYN beyond", &segment(SYN), limited);
    let admitted = (Verdict::Pass, Reason::Admitted, V4);
    check(&mut object, "segment", &segment(ACK), admitted);
    let limited = would(Reason::PacketRate, V4);
    check(&mut object, "segment beyond", &segment(ACK), limited);
    let cell = listener_counter_index(1, Verdict::WouldDrop);
    let counted = object.cell(name::MAP_LISTENER_COUNTERS, cell).unwrap();
    assert_eq!(counted.packets, 5, "five tags are for no listener");
}

#[test]
fn a_monitored_rule_never_weakens_an_enforced_one() {
    let orders = monitored(&[Reason::Denied]);
    let Some(mut object) = site(orders) else {
        return;
    };
    deny(&mut object, &orders);
    let would = (Verdict::WouldDrop, Reason::Denied, V4);
    check(&mut object, "first", &segment(ACK), would);
    let dropped = (Verdict::Drop, Reason::PacketRate, V4);
    check(&mut object, "second", &segment(ACK), dropped);
    let malformed = (Verdict::Drop, Reason::Malformed, V4);
    check(&mut object, "malformed", &segment(0), malformed);
}

#[test]
fn the_first_monitored_reason_is_the_one_that_counts() {
    let orders = monitored(&[Reason::Malformed, Reason::Denied, Reason::PacketRate]);
    let Some(mut object) = site(orders) else {
        return;
    };
    deny(&mut object, &orders);
    let malformed = (Verdict::WouldDrop, Reason::Malformed, V4);
    check(&mut object, "malformed", &segment(0), malformed);
    for _ in 0..3 {
        let denied = (Verdict::WouldDrop, Reason::Denied, V4);
        check(&mut object, "denied", &segment(ACK), denied);
    }
    let admitted = (Verdict::Pass, Reason::Admitted, Family::Ipv6);
    let frame = segment6(client6(), ACK);
    check(&mut object, "another source", &frame, admitted);
}

#[test]
fn rules_of_one_listener_do_not_hold_for_another() {
    let Some(mut object) = site(monitored(&[])) else {
        return;
    };
    let mut relaxed = object.rules();
    relaxed.monitor = Reason::ConnectionRate.bit();
    object.set_rules(2, relaxed).unwrap();
    let key = gateway_common::endpoint::key(TCP, PORT + 1);
    object.enter(Address::v4(SERVER), key, 2).unwrap();
    let opened = (Verdict::Pass, Reason::NewConnection, V4);
    check(&mut object, "first", &segment(SYN), opened);
    let dropped = (Verdict::Drop, Reason::ConnectionRate, V4);
    check(&mut object, "second", &segment(SYN), dropped);
    let would = (Verdict::WouldDrop, Reason::ConnectionRate, V4);
    let other = frame4(&ipv4(CLIENT, SERVER, TCP, 0, &tcp(1, PORT + 1, SYN)));
    check(&mut object, "the other listener", &other, would);
}
