//! Whom a packet is for, and what is malformed.

use gateway_common::address::Address;
use gateway_common::counter::Incident;
use gateway_common::name;
use gateway_common::reason::{Family, Reason, Verdict};
use gateway_common::settings::{Control, Settings};
use gateway_tests::packet::{ACK, SYN, TCP, UDP, ethernet, frame4, frame6, ipv4, ipv6, tcp, udp};

use crate::site::{
    CLIENT, ELSEWHERE, PORT, SERVER, check, client6, segment, segment6, server6, settings, site,
};

const ADMITTED: (Verdict, Reason, Family) = (Verdict::Pass, Reason::Admitted, Family::Ipv4);
const MALFORMED: (Verdict, Reason, Family) = (Verdict::Drop, Reason::Malformed, Family::Ipv4);
const NOT_OURS: (Verdict, Reason, Family) = (Verdict::Pass, Reason::NotOurs, Family::Ipv4);

#[test]
fn only_traffic_to_our_listeners_is_judged() {
    let Some(mut object) = site(settings()) else {
        return;
    };
    let to = |target, protocol, payload: &[u8]| frame4(&ipv4(CLIENT, target, protocol, 0, payload));
    let syn = |port| tcp(40_000, port, SYN);
    let opened = (Verdict::Pass, Reason::NewConnection, Family::Ipv4);
    let mut row = |name, frame: &[u8], expected| check(&mut object, name, frame, expected);
    row("SYN to us", &segment(SYN), opened);
    row("segment to us", &segment(ACK), ADMITTED);
    row("SYN with ACK to us", &segment(SYN | ACK), ADMITTED);
    row(
        "datagram to us",
        &to(SERVER, UDP, &udp(9, PORT, 4)),
        ADMITTED,
    );
    row("another port", &to(SERVER, TCP, &syn(22)), NOT_OURS);
    row("another host", &to(ELSEWHERE, TCP, &syn(PORT)), NOT_OURS);
    row(
        "port zero",
        &to(SERVER, TCP, &syn(0)),
        (Verdict::Drop, Reason::Malformed, Family::Ipv4),
    );
    row(
        "malformed to another port",
        &to(SERVER, TCP, &tcp(1, 22, 0)),
        NOT_OURS,
    );
    row("another protocol", &to(SERVER, 47, &[0; 20]), NOT_OURS);
    // A path MTU message or an echo must always arrive.
    row(
        "icmp",
        &to(SERVER, 1, &[3, 4, 0, 0, 0, 0, 5, 0x78]),
        NOT_OURS,
    );
    let v6 = |verdict, reason| (verdict, reason, Family::Ipv6);
    row(
        "SYN over IPv6",
        &segment6(client6(), SYN),
        v6(Verdict::Pass, Reason::NewConnection),
    );
    row(
        "segment over IPv6",
        &segment6(client6(), ACK),
        v6(Verdict::Pass, Reason::Admitted),
    );
    let elsewhere = frame6(&ipv6(server6(), client6(), TCP, &syn(PORT)));
    row(
        "IPv6 elsewhere",
        &elsewhere,
        v6(Verdict::Pass, Reason::NotOurs),
    );
    let neighbour = frame6(&ipv6(client6(), server6(), 58, &[135, 0, 0, 0]));
    row(
        "neighbour discovery",
        &neighbour,
        v6(Verdict::Pass, Reason::NotOurs),
    );
    let other = (Verdict::Pass, Reason::NotIp, Family::Other);
    row("arp", &ethernet(&[], 0x0806, &[0; 28]), other);
    row(
        "an EtherType below 1536",
        &ethernet(&[], 40, &[0; 40]),
        other,
    );
}

#[test]
fn without_listeners_everything_passes() {
    let Some(mut object) = site(settings()) else {
        return;
    };
    let mut none = object.array::<Settings>(name::MAP_SETTINGS).unwrap();
    none.set(0, settings(), 0).unwrap();
    check(&mut object, "SYN", &segment(SYN), NOT_OURS);
    let deep = ethernet(&[0x8100; 5], 0x0800, &[0; 40]);
    let other = (Verdict::Pass, Reason::NotOurs, Family::Other);
    check(&mut object, "five tags", &deep, other);
}

#[test]
fn flags_no_honest_stack_sends_are_dropped() {
    let Some(mut object) = site(settings()) else {
        return;
    };
    for flags in 0..=63_u8 {
        let (fin, syn, rst, ack) = (flags & 1, flags & 2, flags & 4, flags & 16);
        let honest = (syn | rst | ack) != 0 && (syn == 0 || (fin == 0 && rst == 0));
        let expected = match (honest, syn != 0 && ack == 0) {
            (false, _) => MALFORMED,
            (true, true) => (Verdict::Pass, Reason::NewConnection, Family::Ipv4),
            (true, false) => ADMITTED,
        };
        check(
            &mut object,
            &format!("flags {flags:06b}"),
            &segment(flags),
            expected,
        );
        // ECN's two bits change nothing.
        let ecn = segment(flags | 0xc0);
        check(
            &mut object,
            &format!("flags {flags:06b} with ECN"),
            &ecn,
            expected,
        );
    }
}

/// A frame with one byte of its IP packet replaced.
fn with(mut packet: Vec<u8>, changes: &[(usize, u8)]) -> Vec<u8> {
    for (index, value) in changes {
        packet[*index] = *value;
    }
    frame4(&packet)
}

#[test]
fn lengths_that_contradict_each_other_are_dropped() {
    let Some(mut object) = site(settings()) else {
        return;
    };
    let segment = || ipv4(CLIENT, SERVER, TCP, 0, &tcp(1, PORT, ACK));
    let datagram = || ipv4(CLIENT, SERVER, UDP, 0, &udp(1, PORT, 4));
    let mut row = |name, frame: Vec<u8>, expected| check(&mut object, name, &frame, expected);
    row("version 5", with(segment(), &[(0, 0x55)]), MALFORMED);
    row("header of 16", with(segment(), &[(0, 0x44)]), MALFORMED);
    row(
        "header of 60, packet of 40",
        with(segment(), &[(0, 0x4f)]),
        MALFORMED,
    );
    row(
        "total length 0",
        with(segment(), &[(2, 0), (3, 0)]),
        MALFORMED,
    );
    row(
        "total length 19",
        with(segment(), &[(2, 0), (3, 19)]),
        MALFORMED,
    );
    row(
        "total length beyond the frame",
        with(segment(), &[(2, 1), (3, 0)]),
        MALFORMED,
    );
    row(
        "total length 39: 19 of TCP",
        with(segment(), &[(2, 0), (3, 39)]),
        MALFORMED,
    );
    row(
        "TCP header of 16",
        with(segment(), &[(32, 0x40)]),
        MALFORMED,
    );
    row(
        "TCP header of 24 in 20",
        with(segment(), &[(32, 0x60)]),
        MALFORMED,
    );
    row(
        "UDP length 7",
        with(datagram(), &[(24, 0), (25, 7)]),
        MALFORMED,
    );
    row(
        "UDP length beyond the packet",
        with(datagram(), &[(24, 0), (25, 13)]),
        MALFORMED,
    );
    row(
        "UDP length 8 of 12",
        with(datagram(), &[(24, 0), (25, 8)]),
        ADMITTED,
    );
    row(
        "total length 27: 7 of UDP",
        with(datagram(), &[(2, 0), (3, 27)]),
        MALFORMED,
    );
    let options = |length: usize| {
        let mut packet = segment();
        packet[0] = 0x40 | u8::try_from(length / 4).unwrap();
        let mut long = packet[..20].to_vec();
        long.resize(length, 1);
        long.extend_from_slice(&packet[20..]);
        long[3] = u8::try_from(long.len()).unwrap();
        frame4(&long)
    };
    row("IPv4 options of 4", options(24), ADMITTED);
    row("IPv4 options of 40", options(60), ADMITTED);
    row("padding behind the packet", frame4(&segment()), ADMITTED);
}

#[test]
fn a_mapped_address_in_an_ipv6_header_cannot_charge_an_ipv4_host() {
    let Some(mut object) = site(settings()) else {
        return;
    };
    let forged = segment6(Address::v4(CLIENT), SYN);
    let dropped = (Verdict::Drop, Reason::Malformed, Family::Ipv6);
    check(&mut object, "mapped source", &forged, dropped);
    let target = frame6(&ipv6(
        client6(),
        Address::v4(SERVER),
        TCP,
        &tcp(1, PORT, SYN),
    ));
    check(&mut object, "mapped target", &target, dropped);
}

#[test]
fn ipv6_lengths_that_contradict_each_other_are_dropped() {
    let Some(mut object) = site(settings()) else {
        return;
    };
    let packet = || ipv6(client6(), server6(), TCP, &tcp(1, PORT, ACK));
    let changed = |index: usize, value: u8| {
        let mut packet = packet();
        packet[index] = value;
        frame6(&packet)
    };
    let dropped = (Verdict::Drop, Reason::Malformed, Family::Ipv6);
    check(&mut object, "version 4", &changed(0, 0x40), dropped);
    check(
        &mut object,
        "payload beyond the frame",
        &changed(4, 1),
        dropped,
    );
    check(&mut object, "payload of 19", &changed(5, 19), dropped);
    check(&mut object, "payload of 0", &changed(5, 0), dropped);
}

#[test]
fn a_cut_header_passes_because_nobody_knows_whom_it_is_for() {
    let Some(mut object) = site(settings()) else {
        return;
    };
    let mut cut = segment(ACK);
    cut.truncate(14 + 19);
    let passed = (Verdict::Pass, Reason::Malformed, Family::Ipv4);
    check(&mut object, "19 bytes of IPv4", &cut, passed);
    let mut cut = segment6(client6(), ACK);
    cut.truncate(14 + 39);
    let passed = (Verdict::Pass, Reason::Malformed, Family::Ipv6);
    check(&mut object, "39 bytes of IPv6", &cut, passed);
    let other = (Verdict::Pass, Reason::NotIp, Family::Other);
    check(
        &mut object,
        "a tag cut off",
        &ethernet(&[], 0x8100, &[])[..16],
        other,
    );
}

#[test]
fn the_other_copy_of_the_settings_takes_over_at_once() {
    let Some(mut object) = site(settings()) else {
        return;
    };
    check(&mut object, "first copy", &segment(ACK), ADMITTED);
    // The second copy is still all zero: no listeners.
    let mut control = object.array::<Control>(name::MAP_CONTROL).unwrap();
    let other = Control {
        active: 1,
        ..Control::default()
    };
    control.set(0, other, 0).unwrap();
    check(&mut object, "second copy", &segment(ACK), NOT_OURS);
    assert_eq!(object.incident(Incident::MapFailed).unwrap(), 0);
}
