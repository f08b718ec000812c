use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;

use super::*;
use crate::limit::Rate;

const SECOND: u64 = 1_000_000_000;

fn limit() -> Limit {
    Limit::new(Rate::per_second(10), 5, 1).unwrap()
}

/// One unit of the limit above.
const UNIT_NS: u64 = SECOND / 10;

/// What yields to a newcomer under the first of `limits`, where all of them share the table.
fn yields_ns(limits: &[Limit]) -> u64 {
    let least = limits.iter().map(|limit| limit.slack_ns(1)).min().unwrap();
    limits[0].increment(1).min(least)
}

/// A line whose four ways, tagged 1 to 4, owe so much at one second.
fn crowd(owed_ns: u64) -> Line<AtomicU64> {
    let line = Line::<AtomicU64>::default();
    for (way, tag) in line.ways.iter().zip(1..) {
        way.tag.store(tag, Relaxed);
        way.tat.store(SECOND + owed_ns, Relaxed);
    }
    line
}

#[test]
fn a_tag_keeps_its_way() {
    let line = Line::<AtomicU64>::default();
    for _ in 0..5 {
        assert!(matches!(
            line.charge(7, SECOND, 1, &limit(), UNIT_NS),
            Some(Charge::Admitted { .. })
        ));
    }
    assert!(matches!(
        line.charge(7, SECOND, 1, &limit(), UNIT_NS),
        Some(Charge::Limited { .. })
    ));
    assert!(matches!(
        line.charge(8, SECOND, 1, &limit(), UNIT_NS),
        Some(Charge::Admitted { .. })
    ));
}

#[test]
fn newcomers_never_push_out_a_debtor() {
    let line = Line::<AtomicU64>::default();
    for _ in 0..5 {
        line.charge(7, SECOND, 1, &limit(), UNIT_NS);
    }
    for newcomer in 100..10_000 {
        line.charge(newcomer, SECOND, 1, &limit(), UNIT_NS);
    }
    assert!(matches!(
        line.charge(7, SECOND, 1, &limit(), UNIT_NS),
        Some(Charge::Limited { .. })
    ));
}

#[test]
fn a_line_full_of_debtors_sends_newcomers_to_the_parent() {
    let line = Line::<AtomicU64>::default();
    for tag in 1..=4 {
        for _ in 0..3 {
            line.charge(tag, SECOND, 1, &limit(), UNIT_NS);
        }
    }
    assert_eq!(line.charge(5, SECOND, 1, &limit(), UNIT_NS), None);
    // Once a debtor has paid, its way is free again.
    assert!(line.charge(5, 2 * SECOND, 1, &limit(), UNIT_NS).is_some());
}

#[test]
fn a_duplicate_tag_is_released_in_favour_of_the_lower_way() {
    let line = Line::<AtomicU64>::default();
    line.ways[0].tag.store(9, Relaxed);
    line.ways[2].tag.store(9, Relaxed);
    assert_eq!(line.settle(2, 9), 0);
    assert_eq!(line.ways[2].tag.load(Relaxed), 0);
}

#[test]
fn a_newcomer_takes_the_first_idle_way_else_the_first_that_owes_no_more_than_yields() {
    let claimed = |owed: [u64; 4]| {
        let line = crowd(0);
        for (way, owed) in line.ways.iter().zip(owed) {
            way.tat.store(SECOND + owed, Relaxed);
        }
        line.position_or_claim(9, SECOND, UNIT_NS, |index| index)
    };
    assert_eq!(claimed([UNIT_NS, 1, 0, 0]), Some(2));
    assert_eq!(claimed([UNIT_NS + 1, UNIT_NS, 1, 1]), Some(1));
    assert_eq!(claimed([UNIT_NS + 1; 4]), None);
}

/// A unit of one limit lasts five seconds, a full bucket of the other two.
#[test]
fn nobody_refused_by_a_fast_limit_gives_way_to_a_newcomer_under_a_slow_one() {
    let rate = Rate {
        micro_per_second: 200_000,
    };
    let slow = Limit::new(rate, 10, 1).unwrap();
    let fast = Limit::new(Rate::per_second(100), 200, 1).unwrap();
    let yields_ns = yields_ns(&[slow, fast]);
    assert!(slow.increment(1) > fast.tolerance_ns && yields_ns == fast.slack_ns(1));

    let line = Line::<AtomicU64>::default();
    for tag in 1..=4 {
        let admitted = |_: &u32| {
            let charge = line.charge(tag, SECOND, 1, &fast, fast.increment(1));
            matches!(charge, Some(Charge::Admitted { .. }))
        };
        assert_eq!((0..300).filter(admitted).count(), 200);
    }
    // They are refused until a unit is paid, and that long nobody gives way.
    for now in [SECOND, SECOND + fast.increment(1) - 1] {
        for newcomer in 100..1_000 {
            assert_eq!(line.charge(newcomer, now, 1, &slow, yields_ns), None);
        }
        for tag in 1..=4 {
            let charge = line.charge(tag, now, 1, &fast, yields_ns);
            assert!(matches!(charge, Some(Charge::Limited { .. })), "{tag}");
        }
    }
    // Whoever would be admitted may give way, and what is owed with the way refuses nobody.
    let now = SECOND + fast.increment(1);
    for (newcomer, limit) in [(100, &slow), (101, &fast)] {
        let charge = line.charge(newcomer, now, 1, limit, yields_ns);
        assert!(matches!(charge, Some(Charge::Admitted { .. })));
    }
}

#[test]
fn beside_a_burst_of_one_only_who_owes_nothing_gives_way() {
    let single = Limit::new(Rate::per_second(1_000), 1, 1).unwrap();
    let yields_ns = yields_ns(&[limit(), single]);
    assert_eq!(yields_ns, 0);
    assert_eq!(crowd(1).charge(9, SECOND, 1, &limit(), yields_ns), None);
    let line = crowd(0);
    let charge = line.charge(9, SECOND, 1, &limit(), yields_ns);
    assert!(matches!(charge, Some(Charge::Admitted { .. })));
}
