//! Headers as balancers send them, and as they must not.

use proptest::prelude::*;

use super::checksum::Checksum;
use super::*;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header of version 2 with its length filled in.
fn binary(version_and_command: u8, family: u8, behind: &[u8]) -> Vec<u8> {
    let length = u16::try_from(behind.len()).unwrap();
    let mut header = SIGNATURE.to_vec();
    header.extend([version_and_command, family]);
    header.extend(length.to_be_bytes());
    header.extend(behind);
    header
}

/// From 192.0.2.7:40000 to 198.51.100.1:443.
const IPV4: [u8; 12] = [192, 0, 2, 7, 198, 51, 100, 1, 0x9c, 0x40, 0x01, 0xbb];

/// From [2001:db8::7]:40000 to [2001:db8::1]:443.
fn ipv6() -> Vec<u8> {
    let mut addresses = Vec::new();
    for last in [7, 1] {
        addresses.extend([
            0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last,
        ]);
    }
    addresses.extend([0x9c, 0x40, 0x01, 0xbb]);
    addresses
}

fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap();
    [&[kind][..], &length.to_be_bytes(), value].concat()
}

/// A header of IPv4 whose last addition is the checksum, changed by `flip`.
fn checked(flip: u32) -> Vec<u8> {
    let behind = [&IPV4[..], &tlv(0x04, &[0; 9]), &tlv(0x03, &[0; 4])].concat();
    let mut header = binary(0x21, 0x11, &behind);
    let mut checksum = Checksum::new();
    for byte in &header {
        checksum.add(*byte);
    }
    let place = header.len() - 4;
    header.truncate(place);
    header.extend((checksum.finish() ^ flip).to_be_bytes());
    header
}

fn announced(source: &str, destination: &str) -> Said {
    Said::Announced {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
    }
}

/// What whole headers say.
fn good() -> Vec<(Vec<u8>, Said)> {
    let four = announced("192.0.2.7:40000", "198.51.100.1:443");
    let six = announced("[2001:db8::7]:40000", "[2001:db8::1]:443");
    let line = |text: &str| text.as_bytes().to_vec();
    let most = tlv(0x30, &[]).repeat(TLV_COUNT_MAX);
    let longest = tlv(0x05, &vec![7; HEADER_BYTES_MAX - 16 - 12 - 3]);
    vec![
        (
            line("PROXY TCP4 192.0.2.7 198.51.100.1 40000 443\r\n"),
            four,
        ),
        (
            line("PROXY TCP6 2001:db8::7 2001:db8::1 40000 443\r\n"),
            six,
        ),
        (
            line("PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n"),
            announced("0.0.0.0:0", "255.255.255.255:65535"),
        ),
        (line("PROXY UNKNOWN\r\n"), Said::Own),
        (line("PROXY UNKNOWN anything at all\r\n"), Said::Own),
        (
            line(&format!("PROXY UNKNOWN {}\r\n", "f".repeat(91))),
            Said::Own,
        ),
        (binary(0x21, 0x11, &IPV4), four),
        (binary(0x21, 0x21, &ipv6()), six),
        (binary(0x20, 0x00, &[]), Said::Own),
        (binary(0x20, 0x11, &IPV4), Said::Own),
        (binary(0x20, 0xff, b"whatever"), Said::Own),
        (binary(0x21, 0x00, &[]), Said::Own),
        (binary(0x21, 0x00, b"whatever"), Said::Own),
        (binary(0x21, 0x31, &[b'x'; 216]), Said::Own),
        (
            binary(0x21, 0x11, &[&IPV4[..], &tlv(0xee, b"unknown")].concat()),
            four,
        ),
        (
            binary(0x21, 0x21, &[ipv6(), tlv(0x02, b"api.test")].concat()),
            six,
        ),
        (binary(0x21, 0x11, &[&IPV4[..], &most].concat()), four),
        (binary(0x21, 0x11, &[&IPV4[..], &longest].concat()), four),
        (checked(0), four),
    ]
}

#[test]
fn whole_headers_say_whose_connection_it_is() {
    for (header, said) in good() {
        let length = header.len();
        let shown = header.escape_ascii().to_string();
        assert_eq!(
            read(&header),
            Ok(Progress::Whole { length, said }),
            "{shown}"
        );
        // What follows is not the header's, whatever it is.
        for behind in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x16\x03\x01", &header] {
            let more = [&header, behind].concat();
            assert_eq!(read(&more), Ok(Progress::Whole { length, said }), "{shown}");
        }
        // And nothing is known before it is whole.
        for end in 0..length {
            assert_eq!(
                read(&header[..end]),
                Ok(Progress::Incomplete),
                "{shown} {end}"
            );
        }
    }
}

#[test]
fn the_longest_line_is_107_bytes() {
    let line = |length: usize| format!("PROXY UNKNOWN {}\r\n", "f".repeat(length - 16));
    assert!(read(line(107).as_bytes()).is_ok());
    assert_eq!(read(line(108).as_bytes()), Err(ProxyHeaderError::Line));
    assert_eq!(
        read(format!("PROXY UNKNOWN {}", "f".repeat(93)).as_bytes()),
        Err(ProxyHeaderError::Line)
    );
    assert_eq!(
        read(format!("PROXY UNKNOWN {}", "f".repeat(92)).as_bytes()),
        Ok(Progress::Incomplete)
    );
}

#[track_caller]
fn refused(header: &[u8], error: &ProxyHeaderError) {
    let shown = header.escape_ascii().to_string();
    assert_eq!(read(header), Err(error.clone()), "{shown}");
    assert!(!error.to_string().is_empty());
}

#[test]
fn lines_of_another_form_are_refused() {
    use ProxyHeaderError as E;
    for (line, error) in [
        ("GET / HTTP/1.1\r\n", E::Signature),
        ("proxy TCP4 192.0.2.7 198.51.100.1 1 2\r\n", E::Signature),
        ("PROXY\r\n", E::Signature),
        ("PROXY \r\n", E::Protocol),
        ("PROXY  TCP4 192.0.2.7 198.51.100.1 1 2\r\n", E::Protocol),
        ("PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n", E::Protocol),
        ("PROXY UNKNOWNS\r\n", E::Protocol),
        ("PROXY tcp4 192.0.2.7 198.51.100.1 1 2\r\n", E::Protocol),
        ("PROXY TCP4\r\n", E::Words),
        ("PROXY TCP4 192.0.2.7 198.51.100.1 1\r\n", E::Words),
        ("PROXY TCP4 192.0.2.7 198.51.100.1 1 2 3\r\n", E::Words),
        ("PROXY TCP4 192.0.2.7 198.51.100.1 1 2 \r\n", E::Words),
        ("PROXY TCP4 192.0.2.7  198.51.100.1 1 2\r\n", E::Words),
        ("PROXY TCP4 192.0.2.7 198.51.100.1\t1 2\r\n", E::Words),
        ("PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n", E::Address),
        ("PROXY TCP6 192.0.2.7 198.51.100.1 1 2\r\n", E::Address),
        ("PROXY TCP4 192.0.2.07 198.51.100.1 1 2\r\n", E::Address),
        ("PROXY TCP4 192.0.2 198.51.100.1 1 2\r\n", E::Address),
        ("PROXY TCP6 2001:db8::7%1 2001:db8::1 1 2\r\n", E::Address),
        ("PROXY TCP4 192.0.2.7 198.51.100.1 65536 2\r\n", E::Port),
        ("PROXY TCP4 192.0.2.7 198.51.100.1 -1 2\r\n", E::Port),
        ("PROXY TCP4 192.0.2.7 198.51.100.1 +1 2\r\n", E::Port),
        ("PROXY TCP4 192.0.2.7 198.51.100.1 01 2\r\n", E::Port),
        ("PROXY TCP4 192.0.2.7 198.51.100.1 1 \u{0662}\r\n", E::Port),
        ("PROXY UNKNOWN\n", E::LineEnd),
        ("PROXY UNKNOWN\r\r\n", E::LineEnd),
        ("PROXY UNKNOWN\n\r\n", E::LineEnd),
    ] {
        refused(line.as_bytes(), &error);
    }
    refused(b"PROXY TCP4 \xff\r\n", &E::Words);
}

#[test]
fn blocks_of_another_form_are_refused() {
    use ProxyHeaderError as E;
    let four = |behind: &[u8]| binary(0x21, 0x11, &[&IPV4[..], behind].concat());
    let too_long = vec![0; HEADER_BYTES_MAX - 15];
    for (header, error) in [
        (binary(0x11, 0x11, &IPV4), E::Version(1)),
        (binary(0x31, 0x11, &IPV4), E::Version(3)),
        (binary(0x22, 0x11, &IPV4), E::Command(2)),
        (binary(0x2f, 0x11, &IPV4), E::Command(15)),
        (binary(0x21, 0x12, &IPV4), E::Family(0x12)),
        (binary(0x21, 0x22, &ipv6()), E::Family(0x22)),
        (binary(0x21, 0x32, &[0; 216]), E::Family(0x32)),
        (binary(0x21, 0x41, &IPV4), E::Family(0x41)),
        (binary(0x21, 0x11, &IPV4[..11]), E::Addresses(11)),
        (binary(0x21, 0x21, &ipv6()[..35]), E::Addresses(35)),
        (binary(0x21, 0x31, &[0; 215]), E::Addresses(215)),
        (binary(0x21, 0x11, &too_long), E::Length(4097)),
        (binary(0x20, 0x00, &too_long), E::Length(4097)),
        (four(&[0x04]), E::Tlv),
        (four(&[0x04, 0]), E::Tlv),
        (four(&[0x04, 0, 1]), E::Tlv),
        (four(&[0x04, 0xff, 0xff, 1]), E::Tlv),
        (four(&tlv(0x30, &[]).repeat(TLV_COUNT_MAX + 1)), E::TlvCount),
        (four(&tlv(0x03, &[0; 3])), E::ChecksumForm),
        (four(&tlv(0x03, &[0; 5])), E::ChecksumForm),
        (four(&tlv(0x03, &[0; 4]).repeat(2)), E::ChecksumForm),
        (checked(1), E::Checksum),
        (checked(1 << 31), E::Checksum),
    ] {
        refused(&header, &error);
    }
    // A length beyond the bound is refused before what it announces has come.
    refused(&binary(0x21, 0x11, &too_long)[..16], &E::Length(4097));
    let mut signature = binary(0x21, 0x11, &IPV4);
    signature[4] = 1;
    refused(&signature, &E::Signature);
}

#[test]
fn any_bit_that_changes_is_found_by_the_checksum() {
    let header = checked(0);
    for index in 0..header.len() {
        for bit in 0..8 {
            let mut changed = header.clone();
            changed[index] ^= 1 << bit;
            let said = match read(&changed) {
                Ok(Progress::Whole { said, .. }) => Some(said),
                Ok(Progress::Incomplete) | Err(_) => None,
            };
            // LOCAL and an unknown family have the rest ignored, the checksum included; so has an
            // addition that is no checksum any more.
            let is_ignored = said == Some(Said::Own) || changed[header.len() - 7] != 0x03;
            assert!(said.is_none() || is_ignored, "byte {index}, bit {bit}");
        }
    }
}

proptest! {
    #[test]
    fn what_is_printed_is_what_is_read(
        source in any::<std::net::SocketAddr>(),
        destination in any::<std::net::SocketAddr>(),
    ) {
        prop_assume!(source.is_ipv4() == destination.is_ipv4());
        let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
        let line = format!(
            "PROXY {family} {} {} {} {}\r\n",
            source.ip(), destination.ip(), source.port(), destination.port(),
        );
        let Ok(Progress::Whole { said: Said::Announced { source: a, destination: b }, length }) =
            read(line.as_bytes())
        else {
            return Err(TestCaseError::fail(line));
        };
        prop_assert_eq!(length, line.len());
        prop_assert_eq!((a.ip(), a.port()), (source.ip(), source.port()));
        prop_assert_eq!((b.ip(), b.port()), (destination.ip(), destination.port()));
    }

    #[test]
    fn headers_with_a_few_other_bytes_are_read_or_refused_alike_however_they_arrive(
        which in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        behind in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        let mut header = which.get(&good()).0.clone();
        for (place, byte) in changes {
            let place = place.index(header.len());
            header[place] = byte;
        }
        header.extend(behind);
        let outcome = read(&header);
        let first = (0..=header.len()).map(|end| read(&header[..end]));
        let mut first = first.enumerate().skip_while(|(_, it)| *it == Ok(Progress::Incomplete));
        match first.next() {
            None => prop_assert_eq!(outcome, Ok(Progress::Incomplete)),
            Some((end, Ok(progress))) => {
                // It is known with the last byte of the header, and no byte later.
                let is_the_end = matches!(progress, Progress::Whole { length, .. } if length == end);
                prop_assert!(is_the_end, "{:?} at {}", progress, end);
                prop_assert_eq!(outcome, Ok(progress));
            }
            Some((_, Err(_))) => prop_assert!(outcome.is_err()),
        }
    }
}
