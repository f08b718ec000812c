//! The limit of bytes, beside that of packets.

use gateway_common::address::{self, Address, Class, KIND_BYTES, KIND_PACKETS};
use gateway_common::capacity::SOURCE_LINE_BITS;
use gateway_common::limit::{Limit, Rate};
use gateway_common::reason::{Family, Reason, Verdict};
use gateway_common::settings::SourceLimit;
use gateway_tests::object::{Object, Orders};
use gateway_tests::packet::{ACK, SYN, TCP, frame4, ipv4, tcp};

use crate::site::{CLIENT, PORT, SERVER, check, orders, segment, site};

const ADMITTED: (Verdict, Reason, Family) = (Verdict::Pass, Reason::Admitted, Family::Ipv4);
const PACKET_RATE: (Verdict, Reason, Family) = (Verdict::Drop, Reason::PacketRate, Family::Ipv4);
const BYTE_RATE: (Verdict, Reason, Family) = (Verdict::Drop, Reason::ByteRate, Family::Ipv4);

/// One unit per second, precise.
fn slow(burst: u64, kind: u32, seed: u64) -> SourceLimit {
    let limit = Limit::new(Rate::per_second(1), burst, 1).unwrap();
    SourceLimit {
        source: limit,
        aggregate: limit,
        class: Class::new(kind, 0, seed),
        yields_ns: limit.increment(1).min(limit.slack_ns(1)),
        precise: 1,
    }
}

fn limited(packets: u64, bytes: u64) -> Orders {
    let off = SourceLimit::default();
    let mut orders = orders([off, off]);
    let seed = orders.settings.seed;
    orders.rules.limits[1] = slow(packets, KIND_PACKETS, seed);
    orders.rules.limits[2] = slow(bytes, KIND_BYTES, seed);
    orders
}

fn long(bytes: usize) -> Vec<u8> {
    let mut payload = tcp(40_000, PORT, ACK);
    payload.resize(bytes - 34, 0);
    frame4(&ipv4(CLIENT, SERVER, TCP, 0x4000, &payload))
}

fn tat(object: &mut Object, kind: u32) -> u64 {
    let seed = object.settings().seed;
    let tag = Address::v4(CLIENT).tag(&Class::new(kind, 0, seed));
    let index = address::index(tag, seed, SOURCE_LINE_BITS);
    let line = object.sources().unwrap().get(&index, 0).unwrap();
    let way = line.ways.iter().find(|way| way.tag == tag);
    way.map_or(0, |way| way.tat)
}

#[test]
fn exactly_the_bytes_of_the_burst_pass() {
    let Some(mut object) = site(limited(1000, 1000)) else {
        return;
    };
    check(&mut object, "400", &long(400), ADMITTED);
    check(&mut object, "800", &long(500), ADMITTED);
    check(&mut object, "1001", &long(101), BYTE_RATE);
    check(&mut object, "1000", &long(100), ADMITTED);
    check(&mut object, "1060", &long(60), BYTE_RATE);
    check(&mut object, "more than the burst", &long(1001), BYTE_RATE);
    let opened = (Verdict::Pass, Reason::NewConnection, Family::Ipv4);
    check(&mut object, "a SYN is none of it", &segment(SYN), opened);
}

#[test]
fn what_one_limit_refuses_is_charged_to_neither() {
    let Some(mut object) = site(limited(3, 300)) else {
        return;
    };
    check(&mut object, "100", &long(100), ADMITTED);
    let (packets, bytes) = (tat(&mut object, KIND_PACKETS), tat(&mut object, KIND_BYTES));
    assert!(packets != 0 && bytes != 0);
    check(&mut object, "400", &long(300), BYTE_RATE);
    assert_eq!(tat(&mut object, KIND_PACKETS), packets);
    assert_eq!(tat(&mut object, KIND_BYTES), bytes);
    check(&mut object, "160", &long(60), ADMITTED);
    check(&mut object, "220", &long(60), ADMITTED);
    let bytes = tat(&mut object, KIND_BYTES);
    check(&mut object, "a fourth packet", &long(60), PACKET_RATE);
    assert_eq!(tat(&mut object, KIND_BYTES), bytes);
}
