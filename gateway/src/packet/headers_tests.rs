use super::*;
use crate::packet::{Description, Protocol};

fn described(source: &str, destination: &str, protocol: Protocol) -> Description {
    Description {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
        ports: (40_000, 443),
        protocol,
        tcp_flags: 0x12,
        vlans: Vec::new(),
        payload_bytes: 0,
    }
}

#[track_caller]
fn check(frame: &[u8], expected: &str) {
    assert_eq!(Headers::of(frame).to_string(), expected);
}

#[test]
fn a_made_packet_reads_as_it_was_described() {
    let v4 = |protocol| described("192.0.2.7", "10.0.0.1", protocol);
    let v6 = |protocol| described("2001:db8::7", "2001:db8::1", protocol);
    let rows = [
        (v4(Protocol::Tcp), "192.0.2.7:40000 > 10.0.0.1:443 tcp [SA]"),
        (v4(Protocol::Udp), "192.0.2.7:40000 > 10.0.0.1:443 udp"),
        (
            v4(Protocol::Icmp),
            "192.0.2.7 > 10.0.0.1 icmp type 8 code 0",
        ),
        (
            v6(Protocol::Tcp),
            "[2001:db8::7]:40000 > [2001:db8::1]:443 tcp [SA]",
        ),
        (
            v6(Protocol::Udp),
            "[2001:db8::7]:40000 > [2001:db8::1]:443 udp",
        ),
        (
            v6(Protocol::Icmp),
            "2001:db8::7 > 2001:db8::1 icmpv6 type 128 code 0",
        ),
    ];
    for (description, expected) in rows {
        let frame = description.frame().unwrap();
        assert!(frame.len() >= 60);
        check(&frame, expected);
        let tagged = Description {
            vlans: vec![100, 7],
            ..description
        };
        check(&tagged.frame().unwrap(), &format!("{expected} vlan 100,7"));
    }
}

#[test]
fn every_flag_has_its_letter() {
    for (bit, letter) in TCP_FLAGS {
        let description = Description {
            tcp_flags: bit,
            ..described("192.0.2.7", "10.0.0.1", Protocol::Tcp)
        };
        let headers = Headers::of(&description.frame().unwrap());
        assert_eq!(headers.tcp_flags, Some(bit));
        assert_eq!(headers.flag_letters(), Some(letter.to_string()));
    }
    let none = Headers {
        tcp_flags: Some(0),
        ..Headers::default()
    };
    assert_eq!(none.flag_letters().as_deref(), Some("-"));
}

#[test]
fn a_frame_that_ends_early_is_read_as_far_as_it_goes() {
    let mut description = described("192.0.2.7", "10.0.0.1", Protocol::Tcp);
    description.vlans = vec![5];
    let frame = description.frame().unwrap();
    for length in 0..frame.len() {
        let headers = Headers::of(&frame[..length]);
        assert_eq!(headers.ethertype.is_some(), length >= 18, "{length}");
        assert_eq!(headers.source.is_some(), length >= 34, "{length}");
        assert_eq!(headers.destination.is_some(), length >= 38, "{length}");
        assert_eq!(headers.ports.is_some(), length >= 42, "{length}");
        assert_eq!(headers.tcp_flags.is_some(), length >= 52, "{length}");
    }
    check(&[], "no readable header");
    check(&frame[..18], "ethertype 0x0800 vlan 5");
}

#[test]
fn what_is_wrong_with_a_header_does_not_hide_its_addresses_and_ports() {
    let mut frame = described("192.0.2.7", "10.0.0.1", Protocol::Tcp)
        .frame()
        .unwrap();
    // A data offset of less than the header itself.
    frame[14 + 20 + 12] = 0x10;
    check(&frame, "192.0.2.7:40000 > 10.0.0.1:443 tcp [SA]");
    // A header length that ends within the addresses.
    frame[14] = 0x43;
    check(&frame, "192.0.2.7 > 10.0.0.1 tcp");
}

#[test]
fn fragments_name_their_place_and_only_the_first_has_ports() {
    let mut frame = described("192.0.2.7", "10.0.0.1", Protocol::Udp)
        .frame()
        .unwrap();
    frame[20] = 0x20;
    check(&frame, "192.0.2.7:40000 > 10.0.0.1:443 udp fragment at 0+");
    frame[20] = 0;
    frame[21] = 0x10;
    check(&frame, "192.0.2.7 > 10.0.0.1 udp fragment at 128");
}

#[test]
fn what_is_not_ip_is_named_by_its_type() {
    let mut frame = vec![0; 60];
    frame[12..14].copy_from_slice(&[0x08, 0x06]);
    check(&frame, "ethertype 0x0806");
}

#[test]
fn families_are_not_mixed() {
    let error = described("192.0.2.7", "2001:db8::1", Protocol::Tcp)
        .frame()
        .unwrap_err();
    assert!(error.to_string().contains("different families"), "{error}");
}
