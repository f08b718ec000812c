//! What lists say, in which order, and what is counted for it.

use aya::maps::HashMap;
use gateway_common::address::Address;
use gateway_common::counter::{Counter, listener_counter_index};
use gateway_common::list::{
    ENTRY_MANAGEMENT, LIST_ALLOW, LIST_MANAGEMENT, LIST_NAMED, NEVER, PlainEntry,
};
use gateway_common::name;
use gateway_common::reason::{Family, Reason, Verdict};
use gateway_tests::object::Object;
use gateway_tests::packet::{ACK, SYN};

use crate::site::{
    CLIENT, check, client6, orders, per_second, segment, segment_from, segment6, settings, site,
};

const V4: Family = Family::Ipv4;
const NAMED: u16 = LIST_NAMED + 4;

fn management() -> PlainEntry {
    PlainEntry {
        flags: ENTRY_MANAGEMENT,
        ..PlainEntry::default()
    }
}

fn denied() -> PlainEntry {
    PlainEntry {
        deny_until_ns: NEVER,
        deny_list: NAMED,
        ..PlainEntry::default()
    }
}

fn allowed() -> PlainEntry {
    PlainEntry {
        allow_until_ns: NEVER,
        allow_list: LIST_ALLOW,
        ..PlainEntry::default()
    }
}

fn monitored() -> PlainEntry {
    PlainEntry {
        monitor_until_ns: NEVER,
        monitor_list: NAMED,
        ..PlainEntry::default()
    }
}

/// What stands with an address that says one thing, inside a prefix that says another.
fn joined(own: PlainEntry, around: PlainEntry) -> PlainEntry {
    PlainEntry {
        deny_until_ns: own.deny_until_ns.max(around.deny_until_ns),
        monitor_until_ns: own.monitor_until_ns.max(around.monitor_until_ns),
        allow_until_ns: own.allow_until_ns.max(around.allow_until_ns),
        lists: own.lists | around.lists,
        hits: 0,
        deny_list: own.deny_list.max(around.deny_list),
        monitor_list: own.monitor_list.max(around.monitor_list),
        allow_list: own.allow_list.max(around.allow_list),
        flags: own.flags | around.flags,
    }
}

fn list_packets(object: &mut Object, list: u16) -> Counter {
    object
        .cell(name::MAP_LIST_COUNTERS, u32::from(list))
        .unwrap()
}

#[test]
fn of_what_an_entry_says_the_first_in_order_holds() {
    let passed = |reason| (Verdict::Pass, reason, V4);
    let dropped = (Verdict::Drop, Reason::Denied, V4);
    let would = (Verdict::WouldDrop, Reason::Denied, V4);
    let nothing = PlainEntry::default();
    let rows = [
        ("deny", denied(), nothing, dropped, NAMED),
        ("deny by prefix", nothing, denied(), dropped, NAMED),
        (
            "allow over deny",
            denied(),
            allowed(),
            passed(Reason::Allowed),
            LIST_ALLOW,
        ),
        (
            "exact allow over a wide deny",
            allowed(),
            denied(),
            passed(Reason::Allowed),
            LIST_ALLOW,
        ),
        (
            "management over allow",
            allowed(),
            management(),
            passed(Reason::Management),
            LIST_MANAGEMENT,
        ),
        (
            "management over deny",
            management(),
            denied(),
            passed(Reason::Management),
            LIST_MANAGEMENT,
        ),
        ("deny over monitor", monitored(), denied(), dropped, NAMED),
        ("monitor", nothing, monitored(), would, NAMED),
        (
            "allow over monitor",
            allowed(),
            monitored(),
            passed(Reason::Allowed),
            LIST_ALLOW,
        ),
        (
            "nothing",
            nothing,
            nothing,
            passed(Reason::Admitted),
            LIST_NAMED,
        ),
    ];
    for (name, exact, prefix, expected, list) in rows {
        let Some(mut object) = site(settings()) else {
            return;
        };
        let network = Address::v4(CLIENT & !0xff);
        object.deny(0, network, 24, prefix).unwrap();
        let network6 = Address {
            low: 0,
            ..client6()
        };
        object.deny(0, network6, 64, prefix).unwrap();
        if exact != nothing {
            let effective = joined(exact, prefix);
            object.deny(0, Address::v4(CLIENT), 32, effective).unwrap();
            object.deny(0, client6(), 128, effective).unwrap();
        }
        check(&mut object, name, &segment(ACK), expected);
        let six = (expected.0, expected.1, Family::Ipv6);
        check(&mut object, name, &segment6(client6(), ACK), six);
        let counted = if name == "nothing" { 0 } else { 2 };
        assert_eq!(list_packets(&mut object, list).packets, counted, "{name}");
        let all: u64 = (0..64)
            .map(|list| list_packets(&mut object, list).packets)
            .sum();
        assert_eq!(all, counted, "{name}");
    }
}

#[test]
fn the_entry_that_decides_and_its_list_and_listener_count_the_packet() {
    let Some(mut object) = site(settings()) else {
        return;
    };
    object.deny(0, Address::v4(CLIENT), 32, denied()).unwrap();
    object
        .deny(0, Address::v4(CLIENT & !0xff), 24, denied())
        .unwrap();
    let frame = segment(ACK);
    for _ in 0..3 {
        object.judge(&frame).unwrap();
    }
    object.judge(&segment_from(CLIENT + 1, ACK)).unwrap();
    let map = object.map(name::MAP_LIST4_EXACT[0]).unwrap();
    let map = HashMap::<_, [u8; 4], PlainEntry>::try_from(map).unwrap();
    assert_eq!(map.get(&CLIENT.to_be_bytes(), 0).unwrap().hits, 3);
    let expected = Counter {
        packets: 4,
        bytes: 4 * frame.len() as u64,
    };
    assert_eq!(list_packets(&mut object, NAMED), expected);
    let cell = listener_counter_index(1, Verdict::Drop);
    let found = object.cell(name::MAP_LISTENER_COUNTERS, cell).unwrap();
    assert_eq!(found, expected);
}

/// Whoever administers the host is never locked out, whatever else is configured.
#[test]
fn management_passes_before_everything_and_allowed_passes_limits() {
    let tight = per_second(1, 1, true);
    let Some(mut object) = site(orders([tight, tight])) else {
        return;
    };
    object
        .deny(0, Address::v4(CLIENT), 32, management())
        .unwrap();
    object
        .deny(0, Address::v4(CLIENT + 1), 32, allowed())
        .unwrap();
    let passed = |reason| (Verdict::Pass, reason, V4);
    for _ in 0..5 {
        for flags in [SYN, ACK] {
            let managed = passed(Reason::Management);
            check(&mut object, "management", &segment(flags), managed);
            let frame = segment_from(CLIENT + 1, flags);
            check(&mut object, "allowed", &frame, passed(Reason::Allowed));
        }
    }
    let managed = passed(Reason::Management);
    check(&mut object, "malformed", &segment(0), managed);
    let dropped = (Verdict::Drop, Reason::Malformed, V4);
    let frame = segment_from(CLIENT + 1, 0);
    check(&mut object, "malformed, allowed", &frame, dropped);
    let counted = list_packets(&mut object, LIST_ALLOW).packets;
    assert_eq!(counted, 10, "the list did not decide about the malformed");
}
