use core::sync::atomic::AtomicU64;

use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000_000;

fn limit(per_second: u64, burst: u64) -> Limit {
    Limit::new(Rate::per_second(per_second), burst, 1).unwrap()
}

#[test]
fn admits_exactly_the_burst_from_idle_then_one_per_increment() {
    for (rate, burst) in [(1, 1), (3, 7), (1000, 100), (700_000, 50), (1_000_000, 1)] {
        let limit = limit(rate, burst);
        let tat = AtomicU64::new(0);
        let now = 5 * SECOND;
        for _ in 0..burst {
            assert!(matches!(
                limit.charge(&tat, now, 1),
                Charge::Admitted { .. }
            ));
        }
        let Charge::Limited { wait_ns } = limit.charge(&tat, now, 1) else {
            panic!("{rate}/{burst}")
        };
        assert_eq!(wait_ns, limit.increment(1), "{rate}/{burst}");
        assert!(matches!(
            limit.charge(&tat, now + wait_ns - 1, 1),
            Charge::Limited { wait_ns: 1 }
        ));
        assert!(matches!(
            limit.charge(&tat, now + wait_ns, 1),
            Charge::Admitted { .. }
        ));
    }
}

#[test]
fn a_refusal_writes_nothing() {
    let limit = limit(1, 1);
    let tat = AtomicU64::new(0);
    limit.charge(&tat, SECOND, 1);
    let owed = Word::load(&tat);
    for step in 0..1000 {
        limit.charge(&tat, SECOND + step, 1);
    }
    assert_eq!(Word::load(&tat), owed);
}

#[test]
fn increments_are_rounded_up_and_never_zero() {
    assert_eq!(limit(3, 1).increment(1), 333_333_334);
    assert_eq!(limit(700_000, 1).increment(1), 1_429);
    let bytes = |rate| Limit::new(Rate::per_second(rate), 1 << 20, 1500).unwrap();
    // 0.8 ns per byte has no exact binary fraction; a frame of 1200 ns costs one more, never less.
    assert_eq!(bytes(1_250_000_000).increment(1500), 1201);
    assert_eq!(bytes(1_000_000_000).increment(1500), 1500);
    assert_eq!(bytes(1_250_000_000).increment(1), 1);
    // A fraction of a nanosecond per byte keeps its value over a frame.
    assert_eq!(bytes(700_000_000).increment(1500), 2_143);
}

#[test]
fn slow_rates_keep_their_increment() {
    let half = Limit::new(
        Rate {
            micro_per_second: 500_000,
        },
        2,
        1,
    )
    .unwrap();
    assert_eq!(half.increment(1), 2 * SECOND);
    let per_day = Limit::new(
        Rate {
            micro_per_second: 12,
        },
        2,
        1,
    )
    .unwrap();
    assert_eq!(per_day.increment(1), 83_333_333_333_334);
}

#[test]
fn refuses_limits_that_cannot_be_kept() {
    let new = |micro_per_second, burst| Limit::new(Rate { micro_per_second }, burst, 1);
    assert_eq!(new(0, 1), Err(LimitError::RateZero));
    assert_eq!(new(11, 1), Err(LimitError::RateTooSlow));
    assert_eq!(new(1_000_000, 0), Err(LimitError::BurstZero));
    assert_eq!(new(1_000_000, 40_000_000), Err(LimitError::BurstTooLarge));
    let Err(LimitError::RateInexact { below, above }) = new(300_000_000_000_000, 1) else {
        panic!("3.33 ns per unit cannot be a whole number of nanoseconds");
    };
    assert_eq!(below.micro_per_second, 250_000_000_000_000);
    assert_eq!(above.micro_per_second, 333_333_333_333_334);
    // What is named as exact is accepted as written.
    assert!(new(below.micro_per_second, 1).is_ok() && new(above.micro_per_second, 1).is_ok());
}

/// Time since the last charge is never multiplied by the rate: centuries of silence are one full
/// bucket, for the fastest and the slowest limits and costs alike.
#[test]
fn no_time_and_no_cost_overflows() {
    let century = 100 * 366 * 86_400 * SECOND;
    let fastest = Rate::per_second(10_000_000_000);
    let slowest = Rate {
        micro_per_second: 12,
    };
    for (rate, burst, quantum) in [
        (fastest, COST_MAX, u16::MAX),
        (slowest, 300, 1),
        (Rate::per_second(1), 1, 1),
        (Rate::per_second(1_000_000), 1 << 40, 1),
    ] {
        let limit = Limit::new(rate, burst, quantum).unwrap();
        for cost in [1, 300, COST_MAX, COST_MAX + 1, u64::MAX] {
            let fits = cost.min(COST_MAX) <= burst;
            for idle in [0, century, 2 * century] {
                let tat = AtomicU64::new(SECOND);
                let now = SECOND + idle;
                match limit.charge(&tat, now, cost) {
                    Charge::Admitted { after, .. } => {
                        assert!(fits, "{rate:?} {burst} admits {cost}");
                        assert!(after > now && after - now <= limit.tolerance_ns);
                    }
                    Charge::Limited { wait_ns } => {
                        assert!(!fits, "{rate:?} {burst} refuses {cost} after {idle} ns");
                        assert!(wait_ns <= limit.increment(cost));
                    }
                    Charge::AdmittedAfterRaces => panic!("nobody races"),
                }
            }
        }
    }
}

#[test]
fn a_clock_fault_bans_for_minutes_not_hours() {
    let limit = limit(10, 10);
    let tat = AtomicU64::new(u64::MAX - 5);
    let Charge::Limited { wait_ns } = limit.charge(&tat, SECOND, 1) else {
        panic!("admitted")
    };
    assert!(wait_ns <= DEBT_NS_MAX + limit.increment(1));
}

#[test]
fn a_bounded_charge_that_loses_its_races_still_pays() {
    struct Contended(AtomicU64);
    impl Word for Contended {
        fn load(&self) -> u64 {
            Word::load(&self.0)
        }
        fn compare_exchange(&self, _: u64, _: u64) -> Result<u64, u64> {
            Err(Word::load(&self.0))
        }
        fn add(&self, amount: u64) {
            Word::add(&self.0, amount);
        }
    }
    let limit = limit(1000, 10);
    let word = Contended(AtomicU64::new(SECOND));
    assert_eq!(
        limit.charge_bounded(&word, SECOND, 1),
        Charge::AdmittedAfterRaces
    );
    assert_eq!(word.load(), SECOND + limit.increment(1));
}

/// The bucket as a textbook has it: tokens as a fraction, refilled by elapsed time.
struct Reference {
    tokens_scaled: u128,
    at: u64,
}

impl Reference {
    fn charge(&mut self, now: u64, unit_ns: u64, burst: u64) -> bool {
        let full = u128::from(burst) * u128::from(unit_ns);
        let refilled = self.tokens_scaled + u128::from(now - self.at);
        self.tokens_scaled = refilled.min(full);
        self.at = now;
        let admitted = self.tokens_scaled >= u128::from(unit_ns);
        if admitted {
            self.tokens_scaled -= u128::from(unit_ns);
        }
        admitted
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(traces()))]
    #[test]
    fn equals_the_token_bucket_of_the_textbook(
        rate in 1u64..2_000_000,
        burst in 1u64..500,
        steps in proptest::collection::vec((0u64..4, 0u64..3_000_000_000), 1..100),
    ) {
        let Ok(limit) = Limit::new(Rate::per_second(rate), burst, 1) else { return Ok(()) };
        let unit = limit.increment(1);
        let tat = AtomicU64::new(0);
        let mut now = 10 * SECOND;
        let mut reference =
            Reference { tokens_scaled: u128::from(burst) * u128::from(unit), at: now };
        for (scale, step) in steps {
            // Gaps around the increment, the whole burst, and long silence.
            now += match scale {
                0 => 0,
                1 => step % unit.saturating_mul(2).max(1),
                2 => step % (unit * burst).max(1),
                _ => step,
            };
            let admitted = matches!(limit.charge(&tat, now, 1), Charge::Admitted { .. });
            prop_assert_eq!(admitted, reference.charge(now, unit, burst));
        }
    }
}

/// 10^4 traces by default; the soak asks for 10^6.
fn traces() -> u32 {
    std::env::var("GATEWAY_SOAK_TRACES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(10_000)
}

#[test]
fn whoever_is_refused_owes_more_than_the_slack_and_whoever_is_not_does_not() {
    let now = 5 * SECOND;
    let frames = Limit::new(Rate::per_second(125_000_000), 1 << 17, 1_500).unwrap();
    for (limit, cost) in [
        (limit(1, 2), 1),
        (limit(3, 7), 1),
        (limit(700_000, 50), 1),
        (limit(1_000, 1), 1),
        (frames, 60),
        (frames, COST_MAX),
        // The whole burst leaves none.
        (limit(10, 5), 5),
    ] {
        let slack_ns = limit.slack_ns(cost);
        let admits = |owed_ns| {
            let increment = limit.increment(cost);
            limit.decide(now + owed_ns, now, increment).is_ok()
        };
        assert!(admits(slack_ns), "{limit:?} at {cost}");
        assert!(!admits(slack_ns + 1), "{limit:?} at {cost}");
    }
    assert_eq!(limit(10, 5).slack_ns(6), 0, "a cost above the whole burst");
}

#[test]
fn rates_named_as_exact_are_so_for_whole_frames_too() {
    const FRAME: u16 = 1_500;
    let mut refused = 0;
    for rate in (1_000_000_000..150_000_000_000).step_by(777_777_777) {
        let Err(error) = Limit::new(Rate::per_second(rate), 1 << 20, FRAME) else {
            continue;
        };
        let LimitError::RateInexact { below, above } = error else {
            panic!("{rate}: {error:?}")
        };
        refused += 1;
        for exact in [below, above] {
            assert!(
                Limit::new(exact, 1 << 20, FRAME).is_ok(),
                "{rate}: {exact:?}"
            );
        }
    }
    assert!(refused > 50, "{refused}");
}

#[test]
fn debt_refuses_until_it_has_passed_and_ends_by_itself() {
    let limit = limit(10, 5);
    let tat = AtomicU64::new(0);
    let now = 5 * SECOND;
    // Within a full bucket nothing is refused yet.
    assert_eq!(limit.add_debt(&tat, now, SECOND / 10, 600 * SECOND), 0);
    assert!(matches!(
        limit.charge(&tat, now, 1),
        Charge::Admitted { .. }
    ));
    // 0.2 s are owed; 10 s more lie 9.7 s beyond the 0.5 s of a full bucket.
    let beyond = limit.add_debt(&tat, now, 10 * SECOND, 600 * SECOND);
    assert_eq!(beyond, 97 * SECOND / 10);
    let unit = limit.increment(1);
    let Charge::Limited { wait_ns } = limit.charge(&tat, now, 1) else {
        panic!("admitted")
    };
    assert_eq!(wait_ns, beyond + unit);
    assert!(matches!(
        limit.charge(&tat, now + wait_ns, 1),
        Charge::Admitted { .. }
    ));
}

#[test]
fn debt_is_clamped_and_never_lowers_what_is_owed() {
    let limit = limit(10, 5);
    let tat = AtomicU64::new(0);
    let now = 5 * SECOND;
    for _ in 0..10 {
        assert!(limit.add_debt(&tat, now, 3 * SECOND, 10 * SECOND) <= 10 * SECOND);
    }
    let owed = Word::load(&tat);
    assert_eq!(owed, now + limit.tolerance_ns + 10 * SECOND);
    assert_eq!(limit.add_debt(&tat, now, SECOND, 2 * SECOND), 10 * SECOND);
    assert_eq!(Word::load(&tat), owed);
    assert_eq!(limit.add_debt(&tat, now, u64::MAX, u64::MAX), DEBT_NS_MAX);
    // A clock that went wrong owes no more than that either.
    tat.store(u64::MAX, core::sync::atomic::Ordering::SeqCst);
    assert_eq!(limit.add_debt(&tat, now, SECOND, u64::MAX), DEBT_NS_MAX);
}

#[test]
fn debt_of_two_enforcers_adds_up() {
    let limit = limit(1_000_000, 1);
    let tat = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..10_000 {
                    limit.add_debt(&tat, SECOND, 7, DEBT_NS_MAX);
                }
            });
        }
    });
    assert_eq!(Word::load(&tat), SECOND + 140_000);
}
