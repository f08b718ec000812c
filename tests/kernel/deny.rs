//! The deny list: exact addresses, prefixes, expiry, generations.

use gateway_common::address::Address;
use gateway_common::list::{LIST_OPERATOR, NEVER, PlainEntry};
use gateway_common::reason::{Family, Reason, Verdict};
use gateway_common::settings::{FLAG_LIST_IPV6_SHORT, FLAG_LISTS, Settings};
use gateway_tests::object::Object;
use gateway_tests::packet::{ACK, SYN, TCP, frame4, ipv4, tcp};

use crate::site::{CLIENT, check, client6, segment, segment_from, segment6, settings, site};

const DENIED4: (Verdict, Reason, Family) = (Verdict::Drop, Reason::Denied, Family::Ipv4);
const DENIED6: (Verdict, Reason, Family) = (Verdict::Drop, Reason::Denied, Family::Ipv6);
const PASSED4: (Verdict, Reason, Family) = (Verdict::Pass, Reason::Admitted, Family::Ipv4);
const PASSED6: (Verdict, Reason, Family) = (Verdict::Pass, Reason::Admitted, Family::Ipv6);

const SECOND: u64 = 1_000_000_000;

fn until(expires_ns: u64) -> PlainEntry {
    PlainEntry {
        deny_until_ns: expires_ns,
        lists: 1 << LIST_OPERATOR,
        ..PlainEntry::default()
    }
}

fn now(object: &mut Object) -> u64 {
    object.tick().unwrap().1
}

#[test]
fn an_exact_address_is_denied_and_its_neighbour_is_not() {
    let Some(mut object) = site(settings()) else {
        return;
    };
    object
        .deny(0, Address::v4(CLIENT), 32, until(NEVER))
        .unwrap();
    object.deny(0, client6(), 128, until(NEVER)).unwrap();
    check(&mut object, "segment", &segment(ACK), DENIED4);
    check(&mut object, "SYN", &segment(SYN), DENIED4);
    check(
        &mut object,
        "neighbour",
        &segment_from(CLIENT + 1, ACK),
        PASSED4,
    );
    check(&mut object, "IPv6", &segment6(client6(), ACK), DENIED6);
    let mut neighbour = client6();
    neighbour.low += 1;
    check(
        &mut object,
        "IPv6 neighbour",
        &segment6(neighbour, ACK),
        PASSED6,
    );
    // Who is denied here is not denied what is none of our business.
    let elsewhere = frame4(&ipv4(CLIENT, 0x0a00_0009, TCP, 0, &tcp(1, 22, SYN)));
    let passed = (Verdict::Pass, Reason::NotOurs, Family::Ipv4);
    check(&mut object, "elsewhere", &elsewhere, passed);
}

#[test]
fn prefixes_of_every_length_deny_what_they_cover() {
    for length in [24, 25, 30, 31] {
        let Some(mut object) = site(settings()) else {
            return;
        };
        let network = CLIENT & (u32::MAX << (32 - length));
        object
            .deny(0, Address::v4(network), length, until(NEVER))
            .unwrap();
        let last = network | (u32::MAX >> length);
        check(&mut object, "first", &segment_from(network, ACK), DENIED4);
        check(&mut object, "last", &segment_from(last, ACK), DENIED4);
        check(
            &mut object,
            "before",
            &segment_from(network - 1, ACK),
            PASSED4,
        );
        check(&mut object, "after", &segment_from(last + 1, ACK), PASSED4);
    }
    for length in [32, 47, 48, 64, 127] {
        let Some(mut object) = site(settings()) else {
            return;
        };
        let all = u128::from(client6().high) << 64 | u128::from(client6().low);
        let network = all & (u128::MAX << (128 - length));
        let address = |all: u128| Address::v6(all.to_be_bytes());
        object
            .deny(0, address(network), length, until(NEVER))
            .unwrap();
        let last = network | (u128::MAX >> length);
        check(
            &mut object,
            "first",
            &segment6(address(network), ACK),
            DENIED6,
        );
        check(&mut object, "last", &segment6(address(last), ACK), DENIED6);
        check(
            &mut object,
            "after",
            &segment6(address(last + 1), ACK),
            PASSED6,
        );
    }
}

#[test]
fn an_ipv6_prefix_too_short_for_the_filter_denies_by_the_flag() {
    let Some(mut object) = site(settings()) else {
        return;
    };
    let network = Address {
        high: client6().high & (u64::MAX << 48),
        low: 0,
    };
    // The filter bit that this marks belongs to another /32 than the client's.
    object.deny(0, network, 16, until(NEVER)).unwrap();
    check(
        &mut object,
        "without the flag",
        &segment6(client6(), ACK),
        PASSED6,
    );
    object
        .apply(Settings {
            flags: FLAG_LISTS | FLAG_LIST_IPV6_SHORT,
            ..settings()
        })
        .unwrap();
    check(
        &mut object,
        "with the flag",
        &segment6(client6(), ACK),
        DENIED6,
    );
}

#[test]
fn an_expired_entry_denies_no_longer() {
    let Some(mut object) = site(settings()) else {
        return;
    };
    let now = now(&mut object);
    object
        .deny(0, Address::v4(CLIENT), 32, until(now - SECOND))
        .unwrap();
    check(&mut object, "expired", &segment(ACK), PASSED4);
    object
        .deny(0, Address::v4(CLIENT), 32, until(now + 600 * SECOND))
        .unwrap();
    check(&mut object, "live", &segment(ACK), DENIED4);
}

#[test]
fn an_entry_expires_while_packets_arrive() {
    let Some(mut object) = site(settings()) else {
        return;
    };
    let expiry = now(&mut object) + SECOND / 5;
    object
        .deny(0, Address::v4(CLIENT), 32, until(expiry))
        .unwrap();
    let mut denied = 0;
    loop {
        let before = now(&mut object);
        let action = object.judge(&segment(ACK)).unwrap();
        if action == crate::site::PASS {
            break;
        }
        denied += 1;
        // The clock lags a tick at most; a second is generous on a loaded machine.
        assert!(before < expiry + SECOND, "still denied");
    }
    assert!(denied > 0);
    assert!(now(&mut object) >= expiry, "let through early");
}

/// An address with an entry of its own is asked nothing else: what covers it is in there.
#[test]
fn the_entry_of_an_address_answers_before_that_of_its_prefix() {
    let Some(mut object) = site(settings()) else {
        return;
    };
    let network = Address {
        low: 0,
        ..client6()
    };
    object.deny(0, network, 64, until(NEVER)).unwrap();
    object
        .deny(0, Address::v4(CLIENT & !0xff), 24, until(NEVER))
        .unwrap();
    check(&mut object, "IPv4 by prefix", &segment(ACK), DENIED4);
    check(
        &mut object,
        "IPv6 by prefix",
        &segment6(client6(), ACK),
        DENIED6,
    );
    let ended = until(now(&mut object) - SECOND);
    object.deny(0, Address::v4(CLIENT), 32, ended).unwrap();
    object.deny(0, client6(), 128, ended).unwrap();
    check(&mut object, "IPv4", &segment(ACK), PASSED4);
    check(&mut object, "IPv6", &segment6(client6(), ACK), PASSED6);
}

#[test]
fn a_generation_swaps_whole() {
    let Some(mut object) = site(settings()) else {
        return;
    };
    object
        .deny(0, Address::v4(CLIENT), 32, until(NEVER))
        .unwrap();
    object
        .deny(1, Address::v4(CLIENT + 1), 32, until(NEVER))
        .unwrap();
    object.deny(1, client6(), 128, until(NEVER)).unwrap();
    check(&mut object, "old, first", &segment(ACK), DENIED4);
    check(
        &mut object,
        "old, second",
        &segment_from(CLIENT + 1, ACK),
        PASSED4,
    );
    check(&mut object, "old, IPv6", &segment6(client6(), ACK), PASSED6);
    object
        .apply(Settings {
            list_generation: 1,
            ..object.settings()
        })
        .unwrap();
    check(&mut object, "new, first", &segment(ACK), PASSED4);
    check(
        &mut object,
        "new, second",
        &segment_from(CLIENT + 1, ACK),
        DENIED4,
    );
    check(&mut object, "new, IPv6", &segment6(client6(), ACK), DENIED6);
}

#[test]
fn the_list_is_not_asked_where_the_flag_says_it_is_empty() {
    let Some(mut object) = site(settings()) else {
        return;
    };
    object
        .deny(0, Address::v4(CLIENT), 32, until(NEVER))
        .unwrap();
    object.apply(settings()).unwrap();
    check(&mut object, "flag cleared", &segment(ACK), PASSED4);
}
