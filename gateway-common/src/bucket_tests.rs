use core::sync::atomic::AtomicU64;

use super::*;
use crate::limit::Rate;

const SECOND: u64 = 1_000_000_000;

fn limit() -> Limit {
    Limit::new(Rate::per_second(10), 5, 1).unwrap()
}

#[test]
fn a_tag_keeps_its_way() {
    let line = Line::<AtomicU64>::default();
    for _ in 0..5 {
        assert!(matches!(
            line.charge(7, SECOND, 1, &limit()),
            Some(Charge::Admitted { .. })
        ));
    }
    assert!(matches!(
        line.charge(7, SECOND, 1, &limit()),
        Some(Charge::Limited { .. })
    ));
    assert!(matches!(
        line.charge(8, SECOND, 1, &limit()),
        Some(Charge::Admitted { .. })
    ));
}

#[test]
fn newcomers_never_push_out_a_debtor() {
    let line = Line::<AtomicU64>::default();
    for _ in 0..5 {
        line.charge(7, SECOND, 1, &limit());
    }
    for newcomer in 100..10_000 {
        line.charge(newcomer, SECOND, 1, &limit());
    }
    assert!(matches!(
        line.charge(7, SECOND, 1, &limit()),
        Some(Charge::Limited { .. })
    ));
}

#[test]
fn a_line_full_of_debtors_sends_newcomers_to_the_parent() {
    let line = Line::<AtomicU64>::default();
    for tag in 1..=4 {
        for _ in 0..3 {
            line.charge(tag, SECOND, 1, &limit());
        }
    }
    assert_eq!(line.charge(5, SECOND, 1, &limit()), None);
    // Once a debtor has paid, its way is free again.
    assert!(line.charge(5, 2 * SECOND, 1, &limit()).is_some());
}

#[test]
fn a_duplicate_tag_is_released_in_favour_of_the_lower_way() {
    let line = Line::<AtomicU64>::default();
    line.ways[0]
        .tag
        .store(9, core::sync::atomic::Ordering::Relaxed);
    line.ways[2]
        .tag
        .store(9, core::sync::atomic::Ordering::Relaxed);
    assert_eq!(line.settle(2, 9), 0);
    assert_eq!(
        line.ways[2].tag.load(core::sync::atomic::Ordering::Relaxed),
        0
    );
}
