//! Steps of penalties, as callers who do or do not behave come to them.

use gateway_common::limit::{Limit, Rate};

use super::*;
use crate::model::{PenaltyMode, PenaltyRules};

pub(super) const SECOND: u64 = 1_000_000_000;
pub(super) const SOURCE: [u8; 16] = [7; 16];
const WAIT: Duration = Duration::from_secs(3);

/// Two offences for nothing, and one more each hundred seconds.
pub(super) fn rules() -> PenaltyRules {
    let rate = Rate {
        micro_per_second: 10_000,
    };
    PenaltyRules {
        mode: PenaltyMode::Enforce,
        offences: Limit::new(rate, 2, 1).unwrap(),
        first: Duration::from_secs(10),
        most: Duration::from_secs(35),
        handshakes: Limit::new(Rate::per_second(2), 3, 1).unwrap(),
    }
}

const fn of(key: u64) -> Culprit {
    Culprit {
        source: SOURCE,
        key: Some(key),
    }
}

pub(super) const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A request that arrives at that second, and is refused at once.
fn refused(offences: &Offences, culprit: Culprit, second: u64) -> Step {
    let now_ns = second * SECOND;
    offences.told(
        culprit,
        || "caller".into(),
        now_ns,
        (now_ns, WAIT),
        &rules(),
    )
}

#[test]
fn whoever_waits_or_could_not_have_heard_of_it_offends_nobody() {
    let offences = Offences::default();
    for turn in 0..50 {
        // Waits as it is told, and is refused again because others were faster.
        assert_eq!(refused(&offences, of(1), 100 + turn * 3), Step::Tell);
    }
    // Sent before the first answer came.
    let now_ns = 1_000 * SECOND;
    for _ in 0..100 {
        let moment = (now_ns + SECOND / 2, WAIT);
        let step = offences.told(of(2), || "caller".into(), now_ns, moment, &rules());
        assert_eq!(step, Step::Tell);
    }
    assert!(offences.penalised(now_ns).is_empty());
}

/// How many overages there are once requests have come at these milliseconds, each told to wait so long.
fn overages(told: &[(u64, Duration)]) -> u64 {
    let offences = Offences::default();
    for &(millisecond, wait) in told {
        let now_ns = 100 * SECOND + millisecond * 1_000_000;
        let moment = (now_ns, wait);
        let _step = offences.told(of(1), || "caller".into(), now_ns, moment, &rules());
    }
    let counted = offences.offences();
    counted.map(|(_kind, count)| count).sum()
}

#[test]
fn whoever_goes_on_oftener_than_it_could_hear_of_it_has_known_since_it_was_told_first() {
    let hammers: Vec<_> = (0..20).map(|turn| (turn * 100, s(1 + turn % 3))).collect();
    // All but those of the first second.
    assert_eq!(overages(&hammers), 10);
}

#[test]
fn whoever_waits_as_the_last_answer_said_offends_nobody_whatever_others_said_before() {
    let mut told = vec![(0, s(30)), (200, s(3))];
    told.extend((1..10).map(|turn| (200 + turn * 3_000, s(3))));
    assert_eq!(overages(&told), 0);
    // One that says more again counts as well.
    told.extend([(29_000, s(30)), (31_000, s(3)), (34_000, s(3))]);
    assert_eq!(overages(&told), 2);
}

/// What becomes of requests once a second.
fn hammered(offences: &Offences, seconds: std::ops::Range<u64>) -> Vec<Step> {
    seconds
        .map(|second| refused(offences, of(1), second))
        .collect()
}

#[test]
fn whoever_goes_on_is_told_then_slowed_then_cut_for_longer_each_time_up_to_the_most() {
    let offences = Offences::default();
    let steps = hammered(&offences, 100..172);
    let at = |second: usize| steps[second - 100];
    // Told, and two offences for nothing.
    assert_eq!([at(100), at(101), at(102)], [Step::Tell; 3]);
    // Those that come by other connections meet the same penalty.
    assert_eq!([at(103), at(105)], [Step::Slow(WAIT), Step::Slow(s(1))]);
    assert_eq!([at(106), at(115)], [Step::Cut(s(10)), Step::Cut(s(1))]);
    assert_eq!([at(116), at(135)], [Step::Cut(s(20)), Step::Cut(s(1))]);
    assert_eq!([at(136), at(171)], [Step::Cut(s(35)), Step::Cut(s(35))]);
    let left = offences.penalised(172 * SECOND);
    let penalised = Penalised {
        source: SOURCE,
        key: Some("caller".into()),
        is_slow: false,
        left: s(34),
    };
    assert_eq!(left, [penalised]);
    assert!(offences.penalised(206 * SECOND).is_empty());
}

#[test]
fn a_penalty_is_forgotten_after_ten_times_its_length() {
    let offences = Offences::default();
    assert_eq!(hammered(&offences, 100..107)[6], Step::Cut(s(10)));
    // It ended at 116, and is remembered until 216; one offence costs nothing again.
    let again = [Step::Tell, Step::Tell, Step::Cut(s(20))];
    assert_eq!(hammered(&offences, 212..215), again);
    // That one ended at 234, and is remembered until 434.
    let anew = [
        Step::Tell,
        Step::Tell,
        Step::Tell,
        Step::Slow(WAIT),
        Step::Slow(s(2)),
    ];
    assert_eq!(hammered(&offences, 435..440), anew);
}

#[test]
fn a_key_that_behaves_shields_its_source_and_is_never_punished_for_another() {
    let offences = Offences::default();
    offences.behaves(of(2), 100 * SECOND);
    let steps = hammered(&offences, 100..110);
    assert_eq!([steps[3], steps[6]], [Step::Slow(WAIT), Step::Hold(s(10))]);
    assert_eq!(refused(&offences, of(2), 110), Step::Tell);
    // Its good word is good for a minute.
    offences.behaves(of(2), 110 * SECOND);
    let steps = hammered(&offences, 110..172);
    let at = |second: usize| steps[second - 110];
    assert_eq!([at(116), at(136)], [Step::Hold(s(20)), Step::Hold(s(35))]);
    assert_eq!([at(169), at(170)], [Step::Hold(s(2)), Step::Cut(s(1))]);
    // The offender's own word is none for itself.
    offences.behaves(of(1), 172 * SECOND);
    assert_eq!(refused(&offences, of(1), 172), Step::Cut(s(34)));
}

#[test]
fn keys_that_both_go_on_do_not_shield_each_other() {
    let offences = Offences::default();
    let mut steps = Vec::new();
    for second in 100..112 {
        for key in [1, 2] {
            // Each is admitted now and then.
            offences.behaves(of(key), second * SECOND);
            steps.push(refused(&offences, of(key), second));
        }
    }
    assert_eq!(steps[6..8], [Step::Slow(WAIT); 2]);
    assert_eq!(steps[12..14], [Step::Cut(s(10)); 2]);
    // A third one that waits as it is told does.
    offences.behaves(of(3), 112 * SECOND);
    assert_eq!(refused(&offences, of(1), 112), Step::Hold(s(4)));
}

#[test]
fn failed_authentications_are_the_sources_alone() {
    let offences = Offences::default();
    let fail = |second: u64| {
        let now_ns = second * SECOND;
        offences.failed(SOURCE, OffenceKind::ForgedToken, now_ns, &rules())
    };
    assert_eq!([fail(100), fail(100)], [Step::Tell; 2]);
    assert_eq!(fail(100), Step::Slow(s(10)));
    assert_eq!(fail(110), Step::Cut(s(10)));
    // Whatever keys they named.
    assert_eq!(refused(&offences, of(1), 111), Step::Tell);
    let other = Culprit {
        source: [8; 16],
        key: None,
    };
    assert_eq!(refused(&offences, other, 111), Step::Tell);
    assert!(offences.pardon(SOURCE) && !offences.pardon(SOURCE));
    assert_eq!(fail(112), Step::Tell);
}

#[test]
fn an_operator_cuts_off_and_pardons() {
    let offences = Offences::default();
    assert!(offences.cut_off(SOURCE, s(60), 100 * SECOND));
    let cut = Penalised {
        source: SOURCE,
        key: None,
        is_slow: false,
        left: s(50),
    };
    assert_eq!(offences.penalised(110 * SECOND), [cut]);
    // One that ends sooner changes nothing, and one that ends later lasts longer.
    let left = |second: u64| offences.penalised(second * SECOND)[0].left;
    assert!(offences.cut_off(SOURCE, s(10), 110 * SECOND));
    assert_eq!(left(110), s(50));
    assert!(offences.cut_off(SOURCE, s(51), 110 * SECOND));
    assert_eq!(left(110), s(51));
    assert!(offences.pardon(SOURCE));
    assert!(offences.penalised(110 * SECOND).is_empty());
}

#[test]
fn so_many_keys_and_sources_are_remembered_and_offenders_are_not_pushed_out() {
    let offences = Offences::default();
    for second in [100, 101, 102, 103] {
        refused(&offences, of(1), second);
    }
    // Keys that a source makes up, while the offender is slowed.
    for key in 10..1_000 {
        refused(&offences, of(key), 103);
    }
    assert_eq!(refused(&offences, of(1), 104), Step::Slow(s(2)));
    for number in 0..100_000_u32 {
        let mut source = [0; 16];
        source[..4].copy_from_slice(&number.to_be_bytes());
        let culprit = Culprit { source, key: None };
        assert_eq!(refused(&offences, culprit, 105), Step::Tell);
    }
    assert!(offences.shed() > 30_000, "{}", offences.shed());
    assert_eq!(refused(&offences, of(1), 106), Step::Cut(s(10)));
    // Once the others need not be remembered any more there is room again.
    let shed = offences.shed();
    let newcomer = Culprit {
        source: [9; 16],
        key: None,
    };
    refused(&offences, newcomer, 200);
    assert_eq!(offences.shed(), shed);
}
