//! SYN cookies: the answer to a SYN, byte by byte.

use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};

use aya::programs::{TestRun as _, TestRunOptions, Xdp};
use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TcpOptionElement, TransportSlice};
use gateway_common::address::Address;
use gateway_common::counter::Incident;
use gateway_common::limit::{Limit, Rate};
use gateway_common::name;
use gateway_common::reason::{Family, Reason, Verdict};
use gateway_common::settings::{Control, FLAG_COOKIES, Settings, SharedLimit};
use gateway_tests::capability::or_skip;
use gateway_tests::namespace::Namespace;
use gateway_tests::object::Object;

use crate::site::{CLIENT, DROP, PORT, SERVER, client6, server6, settings, site};

const TRANSMIT: u32 = 3;
const SEQUENCE: u32 = 77;

/// A namespace with the addresses of the site, in which the kernel makes cookies at any time.
fn namespace() -> Option<Namespace> {
    let namespace = or_skip(Namespace::new())?;
    namespace.ip("address add 10.0.0.1/32 dev lo").unwrap();
    let add = format!("address add {}/128 dev lo nodad", address6(server6()));
    namespace.ip(&add).unwrap();
    namespace.run(|| std::fs::write("/proc/sys/net/ipv4/tcp_syncookies", "2").unwrap());
    Some(namespace)
}

fn address6(address: Address) -> Ipv6Addr {
    Ipv6Addr::from(u128::from(address.high) << 64 | u128::from(address.low))
}

/// The site under attack, with cookies, and nothing left for newcomers.
fn attacked() -> Option<Object> {
    let mut orders = Settings {
        flags: FLAG_COOKIES,
        ..settings()
    };
    let limit = Limit::new(Rate::per_second(1), 1, 1).unwrap();
    orders.newcomers = [SharedLimit { limit, precise: 1 }; 2];
    let mut object = site(orders)?;
    let attack = Control {
        attack: 1,
        ..Control::default()
    };
    let mut control = object.array::<Control>(name::MAP_CONTROL).unwrap();
    control.set(0, attack, 0).unwrap();
    // The one newcomer whom the budget holds; none follows within this test.
    let spent = gateway_common::bucket::Alone {
        word: object.tick().unwrap().1 + 3_600_000_000_000,
        ..Default::default()
    };
    let mut words = object.array(name::MAP_NEWCOMERS).unwrap();
    words.set(0, spent, 0).unwrap();
    Some(object)
}

/// A SYN with the options that clients send, behind so many tags.
fn syn(six: bool, tags: usize) -> Vec<u8> {
    let mut frame = Vec::new();
    let builder = PacketBuilder::ethernet2([2; 6], [4; 6]);
    let options = [
        TcpOptionElement::MaximumSegmentSize(1400),
        TcpOptionElement::SelectiveAcknowledgementPermitted,
        TcpOptionElement::Timestamp(5, 0),
        TcpOptionElement::WindowScale(7),
    ];
    let (four, target) = (CLIENT.to_be_bytes(), SERVER.to_be_bytes());
    if six {
        let (source, target) = (address6(client6()).octets(), address6(server6()).octets());
        let builder = builder.ipv6(source, target, 60);
        let segment = builder.tcp(40_000, PORT, SEQUENCE, 64_240).syn();
        let segment = segment.options(&options).unwrap();
        segment.write(&mut frame, &[]).unwrap();
    } else {
        let builder = builder.ipv4(four, target, 60);
        let segment = builder.tcp(40_000, PORT, SEQUENCE, 64_240).syn();
        let segment = segment.options(&options).unwrap();
        segment.write(&mut frame, &[]).unwrap();
    }
    for _ in 0..tags {
        frame.splice(12..12, [0x81, 0, 0x20, 5]);
    }
    frame
}

fn run(object: &mut Object, frame: &[u8]) -> (u32, Vec<u8>) {
    let program = object.ebpf().program_mut(name::PROGRAM_EDGE).unwrap();
    let program: &mut Xdp = program.try_into().unwrap();
    let mut out = vec![0; 256];
    let result = program
        .test_run(TestRunOptions {
            data_in: Some(frame),
            data_out: Some(&mut out),
            ..TestRunOptions::new()
        })
        .unwrap();
    out.truncate(usize::try_from(result.data_size_out).unwrap());
    (result.return_value, out)
}

#[test]
fn a_syn_beyond_the_budget_comes_back_as_a_syn_ack_that_is_right_in_every_byte() {
    let Some(namespace) = namespace() else {
        return;
    };
    namespace.run(|| {
        let Some(mut object) = attacked() else {
            return;
        };
        let _four = TcpListener::bind((Ipv4Addr::from_bits(SERVER), PORT)).unwrap();
        let _six = TcpListener::bind((address6(server6()), PORT)).unwrap();
        for tags in 0..=4 {
            for six in [false, true] {
                let frame = syn(six, tags);
                let (action, answer) = run(&mut object, &frame);
                assert_eq!(action, TRANSMIT, "{tags} tags, IPv6 {six}");
                check(&frame, &answer, tags);
            }
        }
        for family in [Family::Ipv4, Family::Ipv6] {
            let counted = object.counter(Verdict::Transmit, Reason::Cookie, family);
            assert_eq!(counted.unwrap().packets, 5);
        }
        assert_eq!(object.incident(Incident::CookieFailed).unwrap(), 0);
    });
}

/// What etherparse makes of the answer.
fn check(frame: &[u8], answer: &[u8], tags: usize) {
    assert_eq!((&answer[..6], &answer[6..12]), (&[2; 6][..], &[4; 6][..]));
    let link = 14 + 4 * tags;
    assert_eq!(answer[12..link], frame[12..link], "tags stay as they are");
    // Etherparse reads three tags at most.
    let mut untagged = answer.to_vec();
    untagged.drain(12..12 + 4 * tags);
    let sliced = SlicedPacket::from_ethernet(&untagged).unwrap();
    let Some(TransportSlice::Tcp(segment)) = &sliced.transport else {
        panic!("{answer:02x?}");
    };
    let checksum = match sliced.net.as_ref().unwrap() {
        NetSlice::Ipv4(packet) => {
            let header = packet.header();
            assert_eq!(header.source(), SERVER.to_be_bytes());
            assert_eq!(header.destination(), CLIENT.to_be_bytes());
            let right = header.to_header().calc_header_checksum();
            assert_eq!(header.header_checksum(), right);
            segment.calc_checksum_ipv4(header.source(), header.destination())
        }
        NetSlice::Ipv6(packet) => {
            let header = packet.header();
            assert_eq!(header.source_addr(), address6(server6()));
            assert_eq!(header.destination_addr(), address6(client6()));
            segment.calc_checksum_ipv6(header.source(), header.destination())
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(segment.checksum(), checksum.unwrap());
    assert_eq!(segment.source_port(), PORT);
    assert_eq!(segment.destination_port(), 40_000);
    assert_eq!(segment.acknowledgment_number(), SEQUENCE + 1);
    assert!(segment.syn() && segment.ack() && !segment.rst() && !segment.fin());
    // Nothing is promised that the cookie does not remember.
    let options: Vec<_> = segment.options_iterator().map(Result::unwrap).collect();
    assert!(
        matches!(options[..], [TcpOptionElement::MaximumSegmentSize(size)] if size <= 1400),
        "{options:?}"
    );
    assert!(segment.payload().is_empty());
}

#[test]
fn a_syn_that_cannot_be_answered_is_dropped_and_counted() {
    let Some(namespace) = namespace() else {
        return;
    };
    namespace.run(|| {
        let Some(mut object) = attacked() else {
            return;
        };
        // Nobody listens.
        let (action, _) = run(&mut object, &syn(false, 0));
        assert_eq!(action, DROP);
        let listener = TcpListener::bind((Ipv4Addr::from_bits(SERVER), PORT)).unwrap();
        let (action, _) = run(&mut object, &syn(false, 0));
        assert_eq!(action, TRANSMIT);
        // Options of IPv4, which the answer would have to repeat.
        let mut optioned = syn(false, 0);
        optioned.splice(34..34, [1; 4]);
        optioned[14] = 0x46;
        optioned[17] += 4;
        assert_eq!(run(&mut object, &optioned).0, DROP);
        // The kernel makes cookies only once its own queue overflows.
        std::fs::write("/proc/sys/net/ipv4/tcp_syncookies", "1").unwrap();
        assert_eq!(run(&mut object, &syn(false, 0)).0, DROP);
        drop(listener);
        assert_eq!(object.incident(Incident::CookieFailed).unwrap(), 3);
        let refused = object.counter(Verdict::Drop, Reason::NewcomerConnections, Family::Ipv4);
        assert_eq!(refused.unwrap().packets, 3);
    });
}
