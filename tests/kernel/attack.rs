//! Under attack: newcomers share a budget, vouched sources keep their own limits.

use gateway_common::address::{self, Address, Class, KIND_VOUCHED};
use gateway_common::bucket::{PlainLine, Way};
use gateway_common::capacity::VOUCHED_LINE_BITS;
use gateway_common::limit::{Limit, Rate};
use gateway_common::list::{NEVER, PlainEntry};
use gateway_common::name;
use gateway_common::reason::{Family, Reason, Verdict};
use gateway_common::settings::{Control, Settings, SharedLimit};
use gateway_tests::object::Object;
use gateway_tests::packet::{ACK, SYN};

use crate::site::{CLIENT, check, client6, segment, segment_from, segment6, settings, site};

const V4: Family = Family::Ipv4;
const SECOND: u64 = 1_000_000_000;

/// Two SYNs and three packets for all newcomers together; under attack if `attack` says so.
fn object(attack: u64) -> Option<Object> {
    let shared = |burst| SharedLimit {
        limit: Limit::new(Rate::per_second(1), burst, 1).unwrap(),
        precise: 1,
    };
    let mut object = site(Settings {
        newcomers: [shared(2), shared(3)],
        ..settings()
    })?;
    let control = Control {
        attack,
        ..Control::default()
    };
    object.control(control).unwrap();
    Some(object)
}

fn vouch(object: &mut Object, source: Address, until: u64) {
    let seed = object.settings().seed;
    let tag = source.tag(&Class::new(KIND_VOUCHED, 0, seed));
    let index = address::index(tag, seed, VOUCHED_LINE_BITS);
    let mut line = PlainLine::default();
    line.ways[2] = Way { tag, tat: until };
    object
        .array::<PlainLine>(name::MAP_VOUCHED)
        .unwrap()
        .set(index, line, 0)
        .unwrap();
}

#[test]
fn newcomers_share_two_budgets_over_all_sources() {
    let Some(mut object) = object(1) else {
        return;
    };
    let opened = (Verdict::Pass, Reason::NewConnection, V4);
    let admitted = (Verdict::Pass, Reason::Admitted, V4);
    for source in 0..2 {
        let frame = segment_from(CLIENT + source, SYN);
        check(&mut object, "SYN", &frame, opened);
    }
    for source in 2..4 {
        let dropped = (Verdict::Drop, Reason::NewcomerConnections, V4);
        let frame = segment_from(CLIENT + source, SYN);
        check(&mut object, "SYN beyond", &frame, dropped);
    }
    for source in 0..3 {
        let frame = segment_from(CLIENT + source, ACK);
        check(&mut object, "segment", &frame, admitted);
    }
    let dropped = (Verdict::Drop, Reason::NewcomerPackets, V4);
    check(&mut object, "segment beyond", &segment(ACK), dropped);
    let dropped = (Verdict::Drop, Reason::NewcomerPackets, Family::Ipv6);
    let frame = segment6(client6(), ACK);
    check(&mut object, "IPv6 beyond", &frame, dropped);
}

#[test]
fn vouched_and_allowed_sources_are_not_charged_to_the_budgets() {
    let Some(mut object) = object(1) else {
        return;
    };
    let until = object.tick().unwrap().1 + 600 * SECOND;
    vouch(&mut object, Address::v4(CLIENT), until);
    vouch(&mut object, client6(), until);
    let entry = PlainEntry {
        allow_until_ns: NEVER,
        ..PlainEntry::default()
    };
    object.deny(0, Address::v4(CLIENT + 1), 32, entry).unwrap();
    // Writing the entry has put the settings in force anew.
    let control = Control {
        attack: 1,
        ..Control::default()
    };
    object.control(control).unwrap();
    for _ in 0..5 {
        for (flags, reason) in [(SYN, Reason::NewConnection), (ACK, Reason::Admitted)] {
            let passed = |family| (Verdict::Pass, reason, family);
            check(&mut object, "vouched", &segment(flags), passed(V4));
            let frame = segment6(client6(), flags);
            check(&mut object, "vouched", &frame, passed(Family::Ipv6));
            let allowed = (Verdict::Pass, Reason::Allowed, V4);
            let frame = segment_from(CLIENT + 1, flags);
            check(&mut object, "allowed", &frame, allowed);
        }
    }
    let newcomers = object
        .array::<gateway_common::bucket::Alone<u64>>(name::MAP_NEWCOMERS)
        .unwrap();
    for index in 0..2 {
        assert_eq!(newcomers.get(&index, 0).unwrap().word, 0);
    }
}

#[test]
fn a_voucher_that_has_ended_is_none() {
    let Some(mut object) = object(1) else {
        return;
    };
    let now = object.tick().unwrap().1;
    vouch(&mut object, Address::v4(CLIENT), now - SECOND);
    for _ in 0..2 {
        let opened = (Verdict::Pass, Reason::NewConnection, V4);
        check(&mut object, "SYN", &segment(SYN), opened);
    }
    let dropped = (Verdict::Drop, Reason::NewcomerConnections, V4);
    check(&mut object, "SYN beyond", &segment(SYN), dropped);
}

#[test]
fn without_an_attack_nobody_is_a_newcomer() {
    let Some(mut object) = object(0) else {
        return;
    };
    for _ in 0..5 {
        let opened = (Verdict::Pass, Reason::NewConnection, V4);
        check(&mut object, "SYN", &segment(SYN), opened);
        let admitted = (Verdict::Pass, Reason::Admitted, V4);
        check(&mut object, "segment", &segment(ACK), admitted);
    }
}
