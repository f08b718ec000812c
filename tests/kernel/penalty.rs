//! What penalties do to packets: the trickle of a source in debt, and flows that are held back.

use aya::maps::HashMap;
use gateway_common::address::{self, Address, Class, KIND_CONNECTIONS, KIND_TRICKLE};
use gateway_common::bucket::{PlainLine, Way};
use gateway_common::capacity::SOURCE_LINE_BITS;
use gateway_common::flow::{FlowKey, FlowRow};
use gateway_common::name;
use gateway_common::reason::{Family, Reason, Verdict};
use gateway_common::settings::{Control, SourceLimit};
use gateway_tests::object::Object;
use gateway_tests::packet::{ACK, SYN, TCP};

use crate::site::{
    CLIENT, PORT, SERVER, check, orders, per_second, segment, segment_from, settings, site,
};

const V4: Family = Family::Ipv4;
const SECOND: u64 = 1_000_000_000;
const REFUSED: (Verdict, Reason, Family) = (Verdict::Drop, Reason::ConnectionRate, V4);
const TRICKLE: (Verdict, Reason, Family) = (Verdict::Pass, Reason::Trickle, V4);

/// Ten connections per source, and a trickle of two.
fn object(trickle: SourceLimit) -> Option<Object> {
    let mut orders = orders([per_second(1, 10, true), SourceLimit::default()]);
    orders.settings.trickle = SourceLimit {
        class: Class::new(KIND_TRICKLE, 0, orders.settings.seed),
        ..trickle
    };
    site(orders)
}

/// Adds debt to the connection word of the client, as the daemon does.
fn owe(object: &mut Object, owed_ns: u64) {
    let seed = object.settings().seed;
    let tag = Address::v4(CLIENT).tag(&Class::new(KIND_CONNECTIONS, 0, seed));
    let index = address::index(tag, seed, SOURCE_LINE_BITS);
    let now = object.tick().unwrap().1;
    let mut line = PlainLine::default();
    line.ways[0] = Way {
        tag,
        tat: now + owed_ns,
    };
    object.sources().unwrap().set(index, line, 0).unwrap();
}

#[test]
fn a_source_in_debt_keeps_a_trickle() {
    let Some(mut object) = object(per_second(1, 2, true)) else {
        return;
    };
    owe(&mut object, 300 * SECOND);
    check(&mut object, "first", &segment(SYN), TRICKLE);
    check(&mut object, "second", &segment(SYN), TRICKLE);
    check(&mut object, "third", &segment(SYN), REFUSED);
    let opened = (Verdict::Pass, Reason::NewConnection, V4);
    let frame = segment_from(CLIENT + 1, SYN);
    check(&mut object, "neighbour", &frame, opened);
}

/// Who merely knocks too often has no trickle on top of its rate.
#[test]
fn a_source_over_its_rate_by_charges_alone_has_no_trickle() {
    let Some(mut object) = object(per_second(1, 2, true)) else {
        return;
    };
    for _ in 0..10 {
        let opened = (Verdict::Pass, Reason::NewConnection, V4);
        check(&mut object, "SYN", &segment(SYN), opened);
    }
    for _ in 0..5 {
        check(&mut object, "SYN beyond", &segment(SYN), REFUSED);
    }
}

#[test]
fn without_a_trickle_a_source_in_debt_is_refused_until_it_has_paid() {
    let Some(mut object) = object(SourceLimit::default()) else {
        return;
    };
    owe(&mut object, 300 * SECOND);
    check(&mut object, "in debt", &segment(SYN), REFUSED);
    owe(&mut object, 5 * SECOND);
    let opened = (Verdict::Pass, Reason::NewConnection, V4);
    check(&mut object, "nearly paid", &segment(SYN), opened);
}

const LINE: u32 = 77;
const TAG: u64 = 0x5eed;
const SLACK: u64 = 10 * SECOND;

fn penalise(object: &mut Object, owed_ns: u64) {
    let key = FlowKey {
        source: Address::v4(CLIENT),
        destination: Address::v4(SERVER),
        ports: 40_000 << 16 | u32::from(PORT),
        protocol: u32::from(TCP),
    };
    let row = FlowRow {
        tag: TAG,
        slack_ns: SLACK,
        line: LINE,
        reserved: 0,
    };
    let map = object.map(name::MAP_FLOWS).unwrap();
    let mut map = HashMap::<_, FlowKey, FlowRow>::try_from(map).unwrap();
    map.insert(key, row, 0).unwrap();
    offend(object, TAG, owed_ns);
    let control = Control {
        penalties: 1,
        ..Control::default()
    };
    object.control(control).unwrap();
}

fn offend(object: &mut Object, tag: u64, owed_ns: u64) {
    let now = object.tick().unwrap().1;
    let mut line = PlainLine::default();
    line.ways[1] = Way {
        tag,
        tat: now + owed_ns,
    };
    let mut offences = object.array::<PlainLine>(name::MAP_OFFENCES).unwrap();
    offences.set(LINE, line, 0).unwrap();
}

#[test]
fn a_penalised_flow_is_held_back_while_its_offence_is_in_debt() {
    let Some(mut object) = site(settings()) else {
        return;
    };
    let dropped = (Verdict::Drop, Reason::Penalised, V4);
    let admitted = (Verdict::Pass, Reason::Admitted, V4);
    penalise(&mut object, SLACK + 300 * SECOND);
    check(&mut object, "the flow", &segment(ACK), dropped);
    let opened = (Verdict::Pass, Reason::NewConnection, V4);
    check(&mut object, "its SYN", &segment(SYN), opened);
    let other = segment_from(CLIENT + 1, ACK);
    check(&mut object, "another flow", &other, admitted);
    offend(&mut object, TAG, SLACK - SECOND);
    check(&mut object, "paid", &segment(ACK), admitted);
    offend(&mut object, TAG + 1, SLACK + 300 * SECOND);
    check(
        &mut object,
        "a row whose offence is gone",
        &segment(ACK),
        admitted,
    );
    offend(&mut object, TAG, SLACK + 300 * SECOND);
    check(&mut object, "again", &segment(ACK), dropped);
    object.control(Control::default()).unwrap();
    check(&mut object, "nobody is penalised", &segment(ACK), admitted);
}
