//! No way around the judgement through tags, extension headers or fragments.

use gateway_common::reason::{Family, Reason, Verdict};
use gateway_common::settings::{FLAG_UNPARSED_PASS, Settings};
use gateway_tests::packet::{
    ACK, SYN, TCP, UDP, ethernet, extension, fragment, frame4, frame6, ipv4, ipv6, tcp, udp,
};

use crate::site::{CLIENT, ELSEWHERE, PORT, SERVER, check, client6, server6, settings, site};

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;

const V4: Family = Family::Ipv4;
const V6: Family = Family::Ipv6;

fn syn() -> Vec<u8> {
    tcp(40_000, PORT, SYN)
}

#[test]
fn up_to_four_vlan_tags_are_read_and_a_fifth_is_no_bypass() {
    let Some(mut object) = site(settings()) else {
        return;
    };
    let four = ipv4(CLIENT, SERVER, TCP, 0, &syn());
    let six = ipv6(client6(), server6(), TCP, &syn());
    let tags = [0x88a8, 0x8100, 0x8100, 0x88a8, 0x8100];
    for depth in 0..=5 {
        let (expected4, expected6) = if depth <= 4 {
            let opened = |family| (Verdict::Pass, Reason::NewConnection, family);
            (opened(V4), opened(V6))
        } else {
            let unparsed = (Verdict::Drop, Reason::UnparsedToUs, Family::Other);
            (unparsed, unparsed)
        };
        let name = format!("{depth} tags");
        check(
            &mut object,
            &name,
            &ethernet(&tags[..depth], 0x0800, &four),
            expected4,
        );
        check(
            &mut object,
            &name,
            &ethernet(&tags[..depth], 0x86dd, &six),
            expected6,
        );
    }
}

#[test]
fn what_cannot_be_read_passes_where_that_is_configured() {
    let Some(mut object) = site(Settings {
        flags: FLAG_UNPARSED_PASS,
        ..settings()
    }) else {
        return;
    };
    let deep = ethernet(&[0x8100; 5], 0x0800, &ipv4(CLIENT, SERVER, TCP, 0, &syn()));
    check(
        &mut object,
        "tags",
        &deep,
        (Verdict::Pass, Reason::UnparsedToUs, Family::Other),
    );
    let chain = frame6(&ipv6(client6(), server6(), DESTINATION, &chain(9)));
    check(
        &mut object,
        "chain",
        &chain,
        (Verdict::Pass, Reason::UnparsedToUs, V6),
    );
}

/// `count` destination options headers before a SYN.
fn chain(count: usize) -> Vec<u8> {
    let mut packet = syn();
    let mut next = TCP;
    for _ in 0..count {
        packet = extension(next, 0, &packet);
        next = DESTINATION;
    }
    packet
}

#[test]
fn eight_extension_headers_are_walked_and_a_ninth_is_no_bypass() {
    let Some(mut object) = site(settings()) else {
        return;
    };
    for count in 0..=10 {
        let first = if count == 0 { TCP } else { DESTINATION };
        let frame = frame6(&ipv6(client6(), server6(), first, &chain(count)));
        let expected = if count <= 8 {
            (Verdict::Pass, Reason::NewConnection, V6)
        } else {
            (Verdict::Drop, Reason::UnparsedToUs, V6)
        };
        check(&mut object, &format!("{count} headers"), &frame, expected);
        let elsewhere = frame6(&ipv6(server6(), client6(), first, &chain(count)));
        let passed = (Verdict::Pass, Reason::NotOurs, V6);
        check(
            &mut object,
            &format!("{count} headers, elsewhere"),
            &elsewhere,
            passed,
        );
    }
}

#[test]
fn extension_headers_have_their_own_lengths() {
    let Some(mut object) = site(settings()) else {
        return;
    };
    let opened = (Verdict::Pass, Reason::NewConnection, V6);
    let mut row = |name, next, payload: &[u8], expected| {
        check(
            &mut object,
            name,
            &frame6(&ipv6(client6(), server6(), next, payload)),
            expected,
        );
    };
    for (name, number) in [
        ("hop", HOP_BY_HOP),
        ("routing", ROUTING),
        ("options", DESTINATION),
    ] {
        for units in [0, 1, 5, 63, 255] {
            row(name, number, &extension(TCP, units, &syn()), opened);
        }
    }
    // The length of an authentication header counts units of four, less two.
    for units in [1, 4, 6] {
        let mut header = vec![TCP, units];
        header.resize(4 * (usize::from(units) + 2), 0);
        header.extend(syn());
        row("authentication", AUTHENTICATION, &header, opened);
    }
    row(
        "atomic fragment",
        FRAGMENT,
        &fragment(TCP, 0, false, &syn()),
        opened,
    );
    let dropped = (Verdict::Drop, Reason::Malformed, V6);
    row(
        "a header beyond the payload",
        DESTINATION,
        &extension(TCP, 0, &[])[..4],
        dropped,
    );
    row(
        "a length beyond the payload",
        DESTINATION,
        &[TCP, 9, 0, 0, 0, 0, 0, 0],
        dropped,
    );
    row(
        "nothing behind the chain",
        DESTINATION,
        &extension(TCP, 0, &[]),
        dropped,
    );
    // ESP and unknown numbers end the walk: they are protocols that no listener speaks.
    let passed = (Verdict::Pass, Reason::NotOurs, V6);
    for number in [50, 59, 135, 139, 140, 253] {
        row(
            "another protocol",
            number,
            &extension(TCP, 0, &syn()),
            passed,
        );
        row(
            "another in a chain",
            DESTINATION,
            &extension(number, 0, &syn()),
            passed,
        );
    }
    // A TCP header is never walked as if it were an extension.
    row(
        "TCP whose bytes look like a chain",
        TCP,
        &tcp(0x3c00, PORT, SYN),
        opened,
    );
}

#[test]
fn fragments_without_a_transport_header_are_dropped_for_us_only() {
    let Some(mut object) = site(settings()) else {
        return;
    };
    let dropped = (Verdict::Drop, Reason::Fragment, V4);
    let passed = (Verdict::Pass, Reason::NotOurs, V4);
    let opened = (Verdict::Pass, Reason::NewConnection, V4);
    let mut row = |name, target, protocol, field, payload: &[u8], expected| {
        let frame = frame4(&ipv4(CLIENT, target, protocol, field, payload));
        check(&mut object, name, &frame, expected);
    };
    row("don't fragment", SERVER, TCP, 0x4000, &syn(), opened);
    // The absence of DF is no reason to drop anything.
    row("may fragment", SERVER, TCP, 0, &syn(), opened);
    row("first fragment", SERVER, TCP, 0x2000, &syn(), opened);
    row(
        "first fragment, 8 bytes of TCP",
        SERVER,
        TCP,
        0x2000,
        &syn()[..8],
        dropped,
    );
    let mut options = tcp(1, PORT, SYN);
    options[12] = 0xf0;
    row(
        "first fragment, options cut",
        SERVER,
        TCP,
        0x2000,
        &options,
        dropped,
    );
    row("later fragment", SERVER, TCP, 0x2001, &syn(), dropped);
    row("last fragment", SERVER, UDP, 0x0002, &syn(), dropped);
    // What looks like ports in a later fragment is data.
    row(
        "later fragment elsewhere",
        ELSEWHERE,
        TCP,
        1,
        &syn(),
        passed,
    );
    row("later fragment of GRE", SERVER, 47, 1, &syn(), passed);
    let long = udp(1, PORT, 2000);
    let admitted = (Verdict::Pass, Reason::Admitted, V4);
    row(
        "first fragment of a long datagram",
        SERVER,
        UDP,
        0x2000,
        &long[..64],
        admitted,
    );
    row("the same without more", SERVER, UDP, 0, &long[..64], {
        (Verdict::Drop, Reason::Malformed, V4)
    });
}

#[test]
fn ipv6_fragments_are_no_bypass() {
    let Some(mut object) = site(settings()) else {
        return;
    };
    let dropped = (Verdict::Drop, Reason::Fragment, V6);
    let passed = (Verdict::Pass, Reason::NotOurs, V6);
    let opened = (Verdict::Pass, Reason::NewConnection, V6);
    let mut row = |name, payload: &[u8], expected| {
        let frame = frame6(&ipv6(client6(), server6(), FRAGMENT, payload));
        check(&mut object, name, &frame, expected);
    };
    row("first", &fragment(TCP, 0, true, &syn()), opened);
    row("first, cut", &fragment(TCP, 0, true, &syn()[..12]), dropped);
    row(
        "first, nothing behind its header",
        &fragment(DESTINATION, 0, true, &[]),
        dropped,
    );
    let options = extension(TCP, 0, &syn());
    row(
        "first, options, SYN",
        &fragment(DESTINATION, 0, true, &options),
        opened,
    );
    row("later of TCP", &fragment(TCP, 1, true, &syn()), dropped);
    row("last of UDP", &fragment(UDP, 1, false, &syn()), dropped);
    row("later of ICMP", &fragment(58, 1, true, &syn()), passed);
    let nested = fragment(FRAGMENT, 0, false, &fragment(TCP, 3, false, &syn()));
    row("later within an atomic one", &nested, dropped);
}

#[test]
fn headers_beyond_the_linear_part_are_no_bypass() {
    let Some(mut object) = site(settings()) else {
        return;
    };
    // Two headers of two kilobytes push the SYN beyond the page that is linear.
    let long = extension(DESTINATION, 255, &extension(TCP, 255, &syn()));
    let frame = frame6(&ipv6(client6(), server6(), DESTINATION, &long));
    check(
        &mut object,
        "SYN",
        &frame,
        (Verdict::Drop, Reason::UnparsedToUs, V6),
    );
    let elsewhere = frame6(&ipv6(server6(), client6(), DESTINATION, &long));
    check(
        &mut object,
        "elsewhere",
        &elsewhere,
        (Verdict::Pass, Reason::NotOurs, V6),
    );
    // A long packet whose headers are linear is judged, and counted with all its bytes.
    let mut segment = tcp(1, PORT, ACK);
    segment.resize(6000, 0);
    let jumbo = frame4(&ipv4(CLIENT, SERVER, TCP, 0, &segment));
    check(
        &mut object,
        "jumbo",
        &jumbo,
        (Verdict::Pass, Reason::Admitted, V4),
    );
    let mut lying = jumbo.clone();
    lying[16] = 0xff;
    check(
        &mut object,
        "jumbo that lies",
        &lying,
        (Verdict::Drop, Reason::Malformed, V4),
    );
}
