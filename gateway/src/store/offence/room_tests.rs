//! Whom there is room for, of sources and of the keys of one.

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

/// A key of one of many sources.
fn of(number: u32, key: u64) -> Culprit {
    Culprit {
        key: Some(key),
        ..source(number)
    }
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

/// What becomes of somebody who comes when all room is taken, and goes on.
fn comes(offences: &Offences, number: u32, begun: u64) -> Vec<Step> {
    let seconds = [0, 1, 2, 3, 4, 6];
    let goes_on = |second| told(offences, source(number), begun + second * SECOND, s(3));
    seconds.map(goes_on).to_vec()
}

#[test]
fn sources_that_behave_make_room_for_whoever_does_not() {
    let offences = Offences::default();
    for number in 0..100_000 {
        offences.behaves(of(number, 9), START);
    }
    // Who finds no room to be noted as behaving is not missed.
    assert_eq!(offences.shed(), 0);
    let steps = comes(&offences, 200_000, START + SECOND);
    assert_eq!(
        steps[3..],
        [Step::Slow(s(3)), Step::Slow(s(2)), Step::Cut(s(10))]
    );
    assert_eq!(offences.shed(), 0);
}

#[test]
fn sources_that_may_have_stopped_make_room_before_those_that_go_on() {
    let offences = Offences::default();
    for number in 0..100_000 {
        offences.behaves(of(number, 9), START);
    }
    // Some are heard of again, and one that is has another that does not behave at its address.
    let now_ns = START + 30 * SECOND;
    for number in 0..1_000 {
        offences.behaves(of(number, 9), now_ns);
    }
    for number in 200_000..200_100 {
        told(&offences, source(number), now_ns, s(3));
    }
    for number in 0..1_000 {
        let steps: Vec<_> = (1..10)
            .map(|second| told(&offences, of(number, 1), now_ns + second * SECOND, s(3)))
            .collect();
        assert!(steps.contains(&Step::Hold(s(10))), "{number}: {steps:?}");
    }
}

#[test]
fn those_who_behave_and_those_who_wait_make_room_for_a_ninth_key() {
    for waiting in 0..=8 {
        let offences = Offences::default();
        for number in 10..18 {
            let begun = START + number * 1_000;
            if number < 10 + waiting {
                told(&offences, key(number), begun, s(30));
            } else {
                offences.behaves(key(number), begun);
            }
        }
        let steps = [3, 4, 5, 6, 8, 9].map(|second| {
            let now_ns = START + second * SECOND;
            told(&offences, key(1), now_ns, s(3))
        });
        assert_eq!(steps[..3], [Step::Tell; 3]);
        assert_eq!(steps[3], Step::Slow(s(3)));
        // Of those who behave one alone was forgotten, though not that somebody does, and of those who wait none
        // as long as there was one.
        let last = if waiting == 8 {
            Step::Cut(s(10))
        } else {
            Step::Hold(s(10))
        };
        assert_eq!(steps[5], last, "{waiting}");
        let known = overages(&offences);
        for number in 10 + waiting / 8..10 + waiting {
            told(&offences, key(number), START + 10 * SECOND, s(30));
        }
        assert_eq!(overages(&offences), known + waiting.min(7), "{waiting}");
        assert_eq!(offences.shed(), 0);
    }
}

#[test]
fn failed_authentications_have_a_place_beside_eight_keys() {
    let offences = Offences::default();
    for number in 10..18 {
        offences.behaves(key(number), START);
    }
    let fail = || offences.failed(SOURCE, OffenceKind::ForgedToken, START, &rules());
    assert_eq!([fail(), fail()], [Step::Tell; 2]);
    assert_eq!(fail(), Step::Slow(s(10)));
}

#[test]
fn whoever_goes_on_with_more_keys_than_there_is_room_for_is_found() {
    let offences = Offences::default();
    let steps = (0..100).map(|turn| {
        let now_ns = START + turn * SECOND / 10;
        told(&offences, key(turn % 12), now_ns, s(3))
    });
    let steps: Vec<_> = steps.collect();
    assert!(steps.contains(&Step::Cut(s(10))), "{steps:?}");
}

#[test]
fn where_each_key_has_offended_there_is_no_room_and_that_is_counted_and_said() {
    let offences = Offences::default();
    for number in 10..18 {
        for second in [0, 1] {
            told(&offences, key(number), START + second * SECOND, s(3));
        }
    }
    assert_eq!((overages(&offences), offences.shed()), (8, 0));
    let now_ns = START + SECOND;
    assert_eq!(told(&offences, key(1), now_ns, s(3)), Step::Tell);
    assert_eq!(offences.shed(), 1);
    assert!(!offences.cut_off(SOURCE, s(60), now_ns));
    assert_eq!(offences.shed(), 2);
    // Each has paid for its offence, and may be forgotten.
    assert!(offences.cut_off(SOURCE, s(60), START + 150 * SECOND));
}

#[test]
fn who_behaves_beside_as_many_offenders_as_are_remembered_keeps_them_from_being_cut() {
    for behaves in [false, true] {
        let offences = Offences::default();
        let mut steps = Vec::new();
        for second in 0..20 {
            let now_ns = START + second * SECOND;
            for number in 10..18 {
                steps.push(told(&offences, key(number), now_ns, s(3)));
            }
            if behaves {
                offences.behaves(key(2), now_ns);
            }
        }
        let is_cut = steps.iter().any(|step| matches!(step, Step::Cut(_)));
        let is_held = steps.iter().any(|step| matches!(step, Step::Hold(_)));
        assert_eq!((is_cut, is_held), (!behaves, behaves));
    }
}
