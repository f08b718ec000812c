//! Limits per source: exact counts, table states, recovery.

use gateway_common::address::{self, Address, Class, KIND_CONNECTIONS, KIND_PACKETS};
use gateway_common::bucket::{PlainLine, Way};
use gateway_common::capacity::{AGGREGATE_BITS, SOURCE_LINE_BITS};
use gateway_common::counter::Incident;
use gateway_common::limit::{Limit, Rate};
use gateway_common::name;
use gateway_common::reason::{Family, Reason, Verdict};
use gateway_common::settings::SourceLimit;
use gateway_tests::object::Object;
use gateway_tests::object::Orders;
use gateway_tests::packet::{ACK, SYN};

use crate::site::{
    CLIENT, DROP, PASS, check, client6, orders, per_second, segment, segment_from, segment6,
    settings, site,
};

const SECOND: u64 = 1_000_000_000;
const V4: Family = Family::Ipv4;
const OPENED: (Verdict, Reason, Family) = (Verdict::Pass, Reason::NewConnection, V4);
const REFUSED: (Verdict, Reason, Family) = (Verdict::Drop, Reason::ConnectionRate, V4);
const ADMITTED: (Verdict, Reason, Family) = (Verdict::Pass, Reason::Admitted, V4);
const LIMITED: (Verdict, Reason, Family) = (Verdict::Drop, Reason::PacketRate, V4);

/// Rates so low that nothing is paid back while a test runs.
fn limited(precise: bool) -> Orders {
    orders([per_second(1, 600, precise), per_second(1, 700, precise)])
}

/// A limit of `burst` that pays one unit back per day.
fn per_day(burst: u64, precise: bool) -> SourceLimit {
    let rate = Rate {
        micro_per_second: 12,
    };
    let limit = Limit::new(rate, burst, 1).unwrap();
    SourceLimit {
        source: limit,
        aggregate: limit,
        yields_ns: limit.increment(1).min(limit.slack_ns(1)),
        precise: u64::from(precise),
        ..SourceLimit::default()
    }
}

fn line_of(object: &mut Object, tag: u64) -> (u32, PlainLine) {
    let index = address::index(tag, object.settings().seed, SOURCE_LINE_BITS);
    (index, object.sources().unwrap().get(&index, 0).unwrap())
}

#[test]
fn exactly_the_burst_passes_by_kind_and_clock() {
    for precise in [false, true] {
        let Some(mut object) = site(orders([per_day(3, precise), per_day(5, precise)])) else {
            return;
        };
        for _ in 0..3 {
            check(&mut object, "SYN", &segment(SYN), OPENED);
        }
        for _ in 0..4 {
            check(&mut object, "SYN beyond", &segment(SYN), REFUSED);
        }
        for _ in 0..5 {
            check(&mut object, "segment", &segment(ACK), ADMITTED);
        }
        check(&mut object, "segment beyond", &segment(ACK), LIMITED);
        check(&mut object, "SYN still beyond", &segment(SYN), REFUSED);
        // Another source has words of its own.
        check(
            &mut object,
            "neighbour",
            &segment_from(CLIENT + 1, SYN),
            OPENED,
        );
    }
}

#[test]
fn the_burst_is_one_for_all_cpus() {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    for precise in [false, true] {
        let Some(mut object) = site(orders([per_day(4, precise), SourceLimit::default()])) else {
            return;
        };
        let all = sched_getaffinity(None).unwrap();
        let mut passed = 0;
        for cpu in (0..CpuSet::MAX_CPU).filter(|cpu| all.is_set(*cpu)) {
            let mut one = CpuSet::new();
            one.set(cpu);
            sched_setaffinity(None, &one).unwrap();
            for _ in 0..4 {
                passed += u32::from(object.judge(&segment(SYN)).unwrap() == PASS);
            }
        }
        sched_setaffinity(None, &all).unwrap();
        assert_eq!(passed, 4, "precise: {precise}");
    }
}

#[test]
fn limits_that_are_off_write_nothing() {
    let Some(mut object) = site(settings()) else {
        return;
    };
    for flags in [SYN, ACK] {
        object.judge(&segment(flags)).unwrap();
    }
    for kind in [KIND_CONNECTIONS, KIND_PACKETS] {
        let tag = Address::v4(CLIENT).tag(&Class::new(kind, 0, object.settings().seed));
        let (_, line) = line_of(&mut object, tag);
        assert!(line.ways.iter().all(|way| way.tag == 0 && way.tat == 0));
    }
}

#[test]
fn a_charge_moves_the_word_by_one_increment_and_a_refusal_leaves_it() {
    let Some(mut object) = site(orders([per_day(2, true), SourceLimit::default()])) else {
        return;
    };
    let tag = Address::v4(CLIENT).tag(&Class::new(KIND_CONNECTIONS, 0, object.settings().seed));
    let increment = per_day(2, true).source.increment(1);
    let before = object.tick().unwrap().1;
    object.judge(&segment(SYN)).unwrap();
    let after = object.tick().unwrap().1;
    let first = line_of(&mut object, tag).1.ways[0];
    assert_eq!(first.tag, tag);
    assert!((before + increment..=after + increment).contains(&first.tat));
    object.judge(&segment(SYN)).unwrap();
    let second = line_of(&mut object, tag).1.ways[0].tat;
    assert_eq!(second, first.tat + increment);
    for _ in 0..100 {
        assert_eq!(object.judge(&segment(SYN)).unwrap(), DROP);
    }
    assert_eq!(line_of(&mut object, tag).1.ways[0].tat, second);
}

#[test]
fn one_subnet_of_ipv6_is_one_source() {
    let Some(mut object) = site(orders([per_day(2, true), SourceLimit::default()])) else {
        return;
    };
    let v6 = |verdict, reason| (verdict, reason, Family::Ipv6);
    let mut host = client6();
    for _ in 0..2 {
        host.low = host.low.wrapping_mul(31).wrapping_add(7);
        let opened = v6(Verdict::Pass, Reason::NewConnection);
        check(&mut object, "host", &segment6(host, SYN), opened);
    }
    host.low += 1;
    let refused = v6(Verdict::Drop, Reason::ConnectionRate);
    check(&mut object, "another host", &segment6(host, SYN), refused);
    host.high += 1;
    let opened = v6(Verdict::Pass, Reason::NewConnection);
    check(&mut object, "another subnet", &segment6(host, SYN), opened);
}

#[test]
fn a_limited_source_recovers_after_one_increment() {
    let Some(mut object) = site(orders([per_second(10, 1, true), SourceLimit::default()])) else {
        return;
    };
    let start = object.tick().unwrap().1;
    assert_eq!(object.judge(&segment(SYN)).unwrap(), PASS);
    loop {
        let action = object.judge(&segment(SYN)).unwrap();
        let now = object.tick().unwrap().1;
        if action == PASS {
            assert!(now - start >= SECOND / 10, "after {} ns", now - start);
            break;
        }
        assert!(now - start < 2 * SECOND, "never recovered");
    }
}

/// No fixed window: what passes in any second is the burst and one second's rate at most.
#[test]
fn no_window_admits_twice_the_rate() {
    let Some(mut object) = site(orders(
        // A tenth of a second's worth, so that the pauses between two runs cost little.
        [per_second(1000, 100, true), SourceLimit::default()],
    )) else {
        return;
    };
    let start = object.tick().unwrap().1;
    while object.tick().unwrap().1 - start < SECOND / 2 {
        object.run(name::PROGRAM_EDGE, &segment(SYN), 1000).unwrap();
    }
    let elapsed = object.tick().unwrap().1 - start;
    let passed = object
        .counter(Verdict::Pass, Reason::NewConnection, V4)
        .unwrap()
        .packets;
    let permitted = elapsed / 1_000_000 + 100 + 1;
    assert!(passed <= permitted, "{passed} of {permitted}");
    // Pauses longer than the burst lose some of the rate on a loaded machine.
    assert!(passed * 2 >= permitted, "{passed} of {permitted}");
}

/// Fills the line of `tag` with debtors that owe `owed_ns`.
fn crowd(object: &mut Object, tag: u64, owed_ns: u64) {
    let now = object.tick().unwrap().1;
    let (index, mut line) = line_of(object, tag);
    for (way, stranger) in line.ways.iter_mut().zip(1..) {
        *way = Way {
            tag: stranger,
            tat: now + owed_ns,
        };
    }
    object.sources().unwrap().set(index, line, 0).unwrap();
}

#[test]
fn a_full_line_charges_the_aggregate() {
    let settings = orders([
        SourceLimit {
            aggregate: per_day(2, true).source,
            ..per_second(1, 600, true)
        },
        SourceLimit::default(),
    ]);
    let Some(mut object) = site(settings) else {
        return;
    };
    let tag = Address::v4(CLIENT).tag(&Class::new(KIND_CONNECTIONS, 0, settings.settings.seed));
    crowd(&mut object, tag, 300 * SECOND);
    check(&mut object, "first", &segment(SYN), OPENED);
    check(&mut object, "second", &segment(SYN), OPENED);
    check(&mut object, "third", &segment(SYN), REFUSED);
    assert_eq!(object.incident(Incident::LineFull).unwrap(), 3);
    let (_, line) = line_of(&mut object, tag);
    assert!(
        line.ways.iter().all(|way| way.tag < 5),
        "no debtor is pushed out"
    );
    let aggregate =
        Address::v4(CLIENT).aggregate_tag(&Class::new(KIND_CONNECTIONS, 0, settings.settings.seed));
    let index = address::index(aggregate, settings.settings.seed, AGGREGATE_BITS);
    let word = object.array::<u64>(name::MAP_AGGREGATES).unwrap();
    assert_ne!(word.get(&index, 0).unwrap(), 0);
}

#[test]
fn a_newcomer_takes_the_first_way_that_owes_at_most_one_unit() {
    let Some(mut object) = site(limited(true)) else {
        return;
    };
    let tag = Address::v4(CLIENT).tag(&Class::new(KIND_CONNECTIONS, 0, object.settings().seed));
    crowd(&mut object, tag, 300 * SECOND);
    let (index, mut line) = line_of(&mut object, tag);
    let now = object.tick().unwrap().1;
    // Two ways owe half a unit, the last owes nothing: that one is taken first.
    line.ways[1].tat = now + SECOND / 2;
    line.ways[2].tat = now + SECOND / 2;
    line.ways[3].tat = now - 1;
    object.sources().unwrap().set(index, line, 0).unwrap();
    check(&mut object, "idle way", &segment(SYN), OPENED);
    assert_eq!(line_of(&mut object, tag).1.ways[3].tag, tag);
    line.ways[3].tat = now + 300 * SECOND;
    object.sources().unwrap().set(index, line, 0).unwrap();
    check(&mut object, "nearly idle way", &segment(SYN), OPENED);
    assert_eq!(line_of(&mut object, tag).1.ways[1].tag, tag);
}

#[test]
fn spoofed_sources_that_appear_once_never_push_out_an_offender() {
    let Some(mut object) = site(orders([per_second(1, 5, true), SourceLimit::default()])) else {
        return;
    };
    for _ in 0..6 {
        object.judge(&segment(SYN)).unwrap();
    }
    let tag = Address::v4(CLIENT).tag(&Class::new(KIND_CONNECTIONS, 0, object.settings().seed));
    let seed = object.settings().seed;
    let (line, _) = line_of(&mut object, tag);
    // Sources that land in the offender's line, where only they could do harm.
    let neighbours = neighbours(Class::new(KIND_CONNECTIONS, 0, seed), seed, line);
    let mut spoofed = 0;
    for source in neighbours.filter(|source| *source != CLIENT) {
        object.judge(&segment_from(source, SYN)).unwrap();
        spoofed += 1;
    }
    assert!(spoofed > 30, "{spoofed}");
    check(&mut object, "offender", &segment(SYN), REFUSED);
}

/// Sources whose buckets under `class` lie in a line.
fn neighbours(class: Class, seed: u64, line: u32) -> impl Iterator<Item = u32> {
    (0..4_000_000).filter(move |source| {
        let tag = Address::v4(*source).tag(&class);
        address::index(tag, seed, SOURCE_LINE_BITS) == line
    })
}

/// Four sources in one line have spent their packets and are refused more; then sources that come for
/// the first time open connections under a limit of which one unit is worth far more than what the
/// four owe.
#[test]
fn nobody_out_of_packets_gives_way_to_newcomers_under_a_limit_of_connections_that_is_slower() {
    const LINE: u32 = 77;
    const PACKETS: u64 = 3;
    const NEWCOMERS: usize = 20;
    let per_minute = Rate {
        micro_per_second: 1_000_000 / 60,
    };
    let fast = Limit::new(per_minute, PACKETS, 1).unwrap();
    let (slow, packets) = (per_day(300, true), per_second(1, PACKETS, true));
    let (unit_ns, yields_ns) = (slow.source.increment(1), fast.slack_ns(1));
    assert!(unit_ns > fast.tolerance_ns);
    // By one unit of the newcomers' own limit all four would be lost.
    for (yields_ns, are_kept) in [(yields_ns, true), (unit_ns, false)] {
        let connections = SourceLimit { yields_ns, ..slow };
        let packets = SourceLimit {
            source: fast,
            ..packets
        };
        let Some(mut object) = site(orders([connections, packets])) else {
            return;
        };
        let seed = object.settings().seed;
        let [connections, packets, _] = object.rules().limits.map(|limit| limit.class);
        let offenders: Vec<_> = neighbours(packets, seed, LINE).take(4).collect();
        for &offender in &offenders {
            for _ in 0..PACKETS {
                check(
                    &mut object,
                    "packet",
                    &segment_from(offender, ACK),
                    ADMITTED,
                );
            }
            check(&mut object, "beyond", &segment_from(offender, ACK), LIMITED);
        }
        let full = object.sources().unwrap().get(&LINE, 0).unwrap();
        assert!(full.ways.iter().all(|way| way.tag != 0));
        for newcomer in neighbours(connections, seed, LINE).take(NEWCOMERS) {
            check(
                &mut object,
                "newcomer",
                &segment_from(newcomer, SYN),
                OPENED,
            );
        }
        let line = object.sources().unwrap().get(&LINE, 0).unwrap();
        let kept = line.ways.iter().zip(&full.ways);
        let kept = kept.filter(|(now, before)| now.tag == before.tag).count();
        assert_eq!(kept, if are_kept { 4 } else { 0 });
        for &offender in offenders.iter().filter(|_| are_kept) {
            check(
                &mut object,
                "offender",
                &segment_from(offender, ACK),
                LIMITED,
            );
        }
    }
}

#[test]
fn a_word_far_in_the_future_is_no_ban_for_hours() {
    let Some(mut object) = site(limited(true)) else {
        return;
    };
    let tag = Address::v4(CLIENT).tag(&Class::new(KIND_CONNECTIONS, 0, object.settings().seed));
    let (index, mut line) = line_of(&mut object, tag);
    line.ways[0] = Way { tag, tat: u64::MAX };
    object.sources().unwrap().set(index, line, 0).unwrap();
    check(&mut object, "SYN", &segment(SYN), REFUSED);
    // The next debt that is written starts from the bound, as `Limit::decide` has it.
    let wait = per_second(1, 600, true).source.decide(u64::MAX, 0, SECOND);
    assert!(wait.unwrap_err() <= 601 * SECOND);
}
