//! Whom there is room for.

use super::tests::{SECOND, SOURCE, rules, s};
use super::*;

const START: u64 = 100 * SECOND;

const fn key(key: u64) -> Culprit {
    Culprit {
        source: SOURCE,
        key: Some(key),
    }
}

fn source(number: u32) -> Culprit {
    let mut source = [0; 16];
    source[..4].copy_from_slice(&number.to_be_bytes());
    Culprit { source, key: None }
}

/// A request that comes then and is told to wait so long.
fn told(offences: &Offences, culprit: Culprit, now_ns: u64, wait: Duration) -> Step {
    let moment = (now_ns, wait);
    offences.told(culprit, || "caller".into(), now_ns, moment, &rules())
}

fn overages(offences: &Offences) -> u64 {
    let mut kinds = offences.offences();
    kinds.next().map_or(0, |(_overage, count)| count)
}

/// More sources than there is room for, which are told to wait for a month.
fn crowd(offences: &Offences, now_ns: u64) {
    for number in 0..100_000 {
        assert_eq!(
            told(offences, source(number), now_ns, s(2_600_000)),
            Step::Tell
        );
    }
}

#[test]
fn a_wait_is_remembered_for_as_long_as_the_longest_penalty() {
    let offences = Offences::default();
    let month = s(2_600_000);
    for second in [0, 34, 68] {
        told(&offences, key(1), START + second * SECOND, month);
    }
    // The second time it had been told within 35 seconds, and the third as well.
    assert_eq!(overages(&offences), 2);
    told(&offences, key(1), START + (68 + 36) * SECOND, month);
    assert_eq!(overages(&offences), 2);
}

#[test]
fn sources_that_only_wait_make_room_for_others_and_offenders_do_not() {
    let offences = Offences::default();
    for second in 0..=3 {
        told(&offences, key(1), START + second * SECOND, s(3));
    }
    crowd(&offences, START + 3 * SECOND);
    let shed = offences.shed();
    assert!(shed > 30_000, "{shed}");
    // A moment later it is known of them that they wait.
    for number in 200_000..210_000 {
        told(&offences, source(number), START + 5 * SECOND, s(3));
    }
    assert_eq!(offences.shed(), shed);
    let goes_on = |second| told(&offences, key(1), START + second * SECOND, s(3));
    assert_eq!(
        [goes_on(5), goes_on(6)],
        [Step::Slow(s(1)), Step::Cut(s(10))]
    );
}
