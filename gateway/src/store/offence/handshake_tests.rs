//! Handshakes of sources that are penalised and of those that are not.

use proptest::prelude::*;

use super::tests::{SECOND, SOURCE, rules, s};
use super::*;

const NOW: u64 = 100 * SECOND;

/// A source that was cut off for ten seconds at [`NOW`].
fn penalised() -> Offences {
    let offences = Offences::default();
    assert!(!offences.caps_handshakes(NOW));
    assert!(offences.cut_off(SOURCE, s(10), NOW));
    offences
}

/// How long a handshake waits in milliseconds; `None` where it is refused.
fn turn(offences: &Offences, now_ns: u64) -> Option<u128> {
    match offences.handshake(SOURCE, &rules().handshakes, now_ns) {
        Handshake::Charged { wait, .. } => Some(wait.as_millis()),
        Handshake::Refused { .. } => None,
        Handshake::Free => panic!("nothing is charged"),
    }
}

#[test]
fn a_full_bucket_begins_at_once_then_each_waits_its_turn_and_what_would_wait_too_long_is_refused() {
    let offences = penalised();
    let turns: Vec<_> = (0..8).map(|_| turn(&offences, NOW)).collect();
    let waits = [0, 0, 0, 500, 1_000, 1_500, 2_000];
    assert_eq!(turns[..7], waits.map(Some));
    assert_eq!(turns[7], None);
    // A refusal costs its source nothing: half a second later there is one more turn.
    assert_eq!(turn(&offences, NOW + SECOND / 2), Some(2_000));
    assert_eq!(turn(&offences, NOW + SECOND / 2), None);
}

#[test]
fn what_is_charged_is_given_back_once_an_authorized_request_follows() {
    let offences = penalised();
    for _ in 0..100 {
        let handshake = offences.handshake(SOURCE, &rules().handshakes, NOW);
        let Handshake::Charged { charge_ns, wait } = handshake else {
            panic!("{handshake:?}");
        };
        assert!(wait.is_zero());
        offences.proven(SOURCE, charge_ns);
    }
    // More than was charged is never at hand.
    for _ in 0..9 {
        offences.proven(SOURCE, 10 * SECOND);
    }
    let turns: Vec<_> = (0..4).map(|_| turn(&offences, NOW)).collect();
    assert_eq!(turns, [0, 0, 0, 500].map(Some));
}

#[test]
fn handshakes_are_charged_during_a_penalty_and_for_as_long_again_and_of_nobody_else() {
    let offences = penalised();
    let handshake = |source, second| {
        let now_ns = second * SECOND;
        let limit = rules().handshakes;
        (
            offences.caps_handshakes(now_ns),
            offences.handshake(source, &limit, now_ns),
        )
    };
    assert_ne!(handshake(SOURCE, 119).1, Handshake::Free);
    assert_eq!(handshake([8; 16], 119), (true, Handshake::Free));
    assert_eq!(handshake(SOURCE, 120), (false, Handshake::Free));
    assert!(offences.pardon(SOURCE));
    assert_eq!(handshake(SOURCE, 110).1, Handshake::Free);
    // Whoever is only slowed is charged as well.
    let fail = |second: u64| {
        let now_ns = second * SECOND;
        offences.failed(SOURCE, OffenceKind::ForgedToken, now_ns, &rules())
    };
    assert_eq!([fail(200), fail(200)], [Step::Tell; 2]);
    assert_eq!(handshake(SOURCE, 200).1, Handshake::Free);
    assert_eq!(fail(200), Step::Slow(s(10)));
    assert_ne!(handshake(SOURCE, 219).1, Handshake::Free);
    assert_eq!(handshake(SOURCE, 220), (false, Handshake::Free));
}

#[test]
fn it_is_told_once_in_ten_seconds_that_handshakes_of_a_source_are_refused() {
    let offences = penalised();
    let told = |ns: u64| loop {
        if let Handshake::Refused { is_news } = offences.handshake(SOURCE, &rules().handshakes, ns)
        {
            return is_news;
        }
    };
    let seconds = [0, 1, 9, 10, 11];
    let news = seconds.map(|second| told(NOW + second * SECOND));
    assert_eq!(news, [true, false, false, true, false]);
}

proptest! {
    /// However they come: those begun within any time are at most a full bucket, what the rate gives in that
    /// time, and what was given back.
    #[test]
    fn no_more_begin_than_the_bucket_says(
        pauses_ms in prop::collection::vec((0..400_u64, prop::bool::weighted(0.2)), 1..300),
    ) {
        let offences = Offences::default();
        assert!(offences.cut_off(SOURCE, s(600), NOW));
        let (mut now_ns, mut given_back, mut begun) = (NOW, 0, Vec::new());
        for (pause_ms, behaves) in pauses_ms {
            now_ns += pause_ms * 1_000_000;
            let handshake = offences.handshake(SOURCE, &rules().handshakes, now_ns);
            if let Handshake::Charged { charge_ns, wait } = handshake {
                prop_assert!(wait <= PATIENCE);
                begun.push(now_ns + u64::try_from(wait.as_nanos()).unwrap());
                if behaves {
                    offences.proven(SOURCE, charge_ns);
                    given_back += 1;
                }
            }
        }
        begun.sort_unstable();
        for (before, at_ns) in (1..).zip(&begun) {
            let most = 3 + (at_ns - NOW) * 2 / SECOND + given_back;
            prop_assert!(before <= most, "{before} begun, {most} may");
        }
    }
}
