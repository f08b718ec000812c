//! Allowances, with a test in the place of Redis.

use std::num::NonZeroU32;
use std::sync::Arc;

use gateway_common::limit::{Limit, Rate};

use super::allowance::{Allowance, Asked, Purpose, Verdict};
use super::question::{Answer, Given, Had};
use super::roll::Fleet;
use super::terms::{BucketTerms, Terms};
use super::{Claim, FLEET_CALLERS_MAX, Lender};
use crate::clock;
use crate::model::{self, Period, Redis, RedisLayout, WithoutStore};
use crate::store::usage::QuotaTerms;

const SECOND: u64 = 1_000_000_000;

pub(super) fn model(unreachable: WithoutStore) -> model::Fleet {
    model::Fleet {
        name: "test".to_owned(),
        gateways: NonZeroU32::new(2).unwrap(),
        lease: model::Fleet::LEASE,
        idle: model::Fleet::IDLE,
        timeout: model::Fleet::TIMEOUT,
        unreachable,
        redis: Redis {
            layout: RedisLayout::Standalone,
            servers: Vec::new(),
            database: 0,
            username: None,
            password: None,
            sentinel_password: None,
            tls: None,
        },
    }
}

/// One limit, and what whoever asks for more of it would be told.
struct Bench {
    fleet: Fleet,
    lender: Lender,
    limit: Arc<Allowance>,
}

fn bench(terms: Terms) -> Bench {
    let (fleet, lender) = Fleet::new(1);
    fleet.put_in_force(Some(&model(WithoutStore::Share)));
    let limit = fleet.named(1, || "pets".to_owned(), terms);
    Bench {
        fleet,
        lender,
        limit,
    }
}

/// 100 per second and 50 at once, of which a gateway takes 10 at a time.
fn bucket() -> Terms {
    let limit = Limit::new(Rate::per_second(100), 50, 1).unwrap();
    Terms::Bucket(BucketTerms::new(&limit))
}

fn quota(limit: u64) -> Terms {
    Terms::Quota(QuotaTerms {
        limit,
        offset: 0,
        period: Period::Day,
        since: 0,
    })
}

fn given(given: u64, left: u64, wait_ns: u64) -> Given {
    Given {
        given,
        left,
        wait_ns,
        ..Given::default()
    }
}

impl Bench {
    /// The question that was asked for, if one was.
    fn asked(&mut self, now_ns: u64) -> Option<Asked> {
        let ordered = self.lender.ordered()?;
        assert!(Arc::ptr_eq(&ordered, &self.limit));
        Some(self.limit.question(Purpose::Refill, now_ns))
    }

    fn answer(&self, asked: &Asked, given: Given, now_ns: u64) {
        self.limit.answered(asked, &Answer::Given(given), now_ns);
    }

    /// How many of `count` requests are admitted.
    fn admitted(&self, count: usize, now_ns: u64) -> usize {
        let taken = (0..count).map(|_| self.limit.take(now_ns));
        taken
            .filter(|verdict| *verdict == Verdict::Admitted)
            .count()
    }
}

#[test]
fn one_request_is_admitted_on_credit_and_charged_with_the_question() {
    let mut bench = bench(bucket());
    let now = clock::monotonic_ns();
    assert_eq!(bench.admitted(5, now), 1);
    assert!(matches!(bench.limit.verdict(now), Verdict::Refused { .. }));
    let asked = bench.asked(now).unwrap();
    assert_eq!((asked.question.spent, asked.question.wanted), (1, 10));
    assert_eq!(asked.question.had, None);
    assert!(bench.lender.ordered().is_none(), "once at a time");
    bench.answer(&asked, given(10, 39, 0), now);
    assert_eq!(bench.limit.left(), 49);
    assert_eq!(bench.admitted(4, now), 4);
    assert!(bench.lender.ordered().is_none(), "more than half is left");
    assert_eq!(bench.admitted(1, now), 1);
    let asked = bench.asked(now).unwrap();
    let had = asked.question.had.unwrap();
    assert_eq!((had.count, asked.question.wanted), (11, 5));
    // What is in hand while it is fetched, and one on credit.
    assert_eq!(bench.admitted(9, now), 6);
    bench.answer(&asked, given(5, 34, 0), now);
    assert_eq!(bench.admitted(9, now), 5, "the credit was charged");
}

#[test]
fn who_waits_as_long_as_told_is_admitted() {
    let mut bench = bench(bucket());
    let now = clock::monotonic_ns();
    assert_eq!(bench.admitted(1, now), 1);
    let asked = bench.asked(now).unwrap();
    bench.answer(&asked, given(0, 0, 3 * SECOND), now);
    let refused = Verdict::Refused {
        wait_ns: 3 * SECOND,
    };
    assert_eq!(bench.limit.take(now), refused);
    assert!(bench.lender.ordered().is_none(), "it was just asked");
    // Somebody else may have given something back since.
    assert!(matches!(
        bench.limit.take(now + SECOND),
        Verdict::Refused { .. }
    ));
    let asked = bench.asked(now + SECOND).unwrap();
    bench.answer(&asked, given(0, 0, 2 * SECOND), now + SECOND);
    assert_eq!(bench.admitted(3, now + 3 * SECOND), 1);
}

#[test]
fn a_limit_without_an_answer_is_decided_by_the_share_until_there_is_one() {
    let mut bench = bench(bucket());
    let now = clock::monotonic_ns();
    assert_eq!(bench.admitted(1, now), 1);
    bench.asked(now).unwrap();
    bench.limit.unanswered(now);
    assert_eq!(bench.limit.take(now), Verdict::Alone);
    assert_eq!(bench.fleet.counters().figures().by_share, 1);
    assert!(bench.lender.ordered().is_none(), "it was just asked");
    assert_eq!(bench.limit.take(now + SECOND), Verdict::Alone);
    let asked = bench.asked(now + SECOND).unwrap();
    assert_eq!(asked.question.spent, 1);
    bench.answer(&asked, given(10, 30, 0), now + SECOND);
    assert_eq!(bench.limit.take(now + SECOND), Verdict::Admitted);
    let model = model(WithoutStore::Refuse);
    bench.fleet.put_in_force(Some(&model));
    bench.limit.unanswered(now + SECOND);
    assert!(matches!(
        bench.limit.take(now + SECOND),
        Verdict::Refused { .. }
    ));
}

#[test]
fn what_the_share_admits_is_told_with_the_next_question() {
    let mut bench = bench(bucket());
    let now = clock::monotonic_ns();
    assert_eq!(bench.admitted(1, now), 1);
    bench.asked(now).unwrap();
    bench.limit.unanswered(now);
    for _ in 0..5 {
        let _kept = Claim::alone(&bench.limit, now);
    }
    Claim::alone(&bench.limit, now).give_back();
    // Its share of the rate is 50 per second, and pays for one every 20 ms.
    let told = |now_ns| {
        let asked = bench.limit.question(Purpose::GiveBack, now_ns);
        asked.question.untold.count
    };
    assert_eq!((told(now), told(now + SECOND / 25)), (5, 3));
    assert_eq!(told(now + SECOND), 0);
    let asked = bench.limit.question(Purpose::Refill, now);
    assert_eq!((asked.question.spent, asked.question.untold.count), (1, 5));
    let _kept = Claim::alone(&bench.limit, now);
    let answer = Given {
        told: 5,
        ..given(10, 30, 0)
    };
    bench.answer(&asked, answer, now);
    assert_eq!(bench.fleet.counters().figures().taken, 16);
    // What came while it was asked is told next.
    let asked = bench.limit.question(Purpose::Refill, now);
    assert_eq!(asked.question.untold.count, 1);
    assert_eq!(asked.question.had.unwrap().count, 16);
    let later = model::Fleet {
        name: "other".to_owned(),
        ..model(WithoutStore::Share)
    };
    bench.fleet.put_in_force(Some(&later));
    let asked = bench.limit.question(Purpose::Refill, now);
    assert_eq!(
        asked.question.untold.count, 0,
        "others have nothing to do with it"
    );
}

#[test]
fn what_a_gateway_owes_of_a_bucket_its_share_pays_for() {
    let mut bench = bench(bucket());
    let now = clock::monotonic_ns();
    assert_eq!(bench.admitted(1, now), 1);
    let asked = bench.asked(now).unwrap();
    bench.answer(&asked, given(10, 30, 0), now);
    let owing = |now_ns| {
        let asked = bench.limit.question(Purpose::Refill, now_ns);
        asked.question.had.unwrap().owing
    };
    // One every 20 ms.
    assert_eq!((owing(now), owing(now + SECOND / 10)), (11, 6));
    // Nobody owes more than there was, however much it has taken.
    for _ in 0..20 {
        let asked = bench.limit.question(Purpose::Refill, now);
        bench.answer(&asked, given(10, 30, 0), now);
    }
    assert_eq!(owing(now), 50);
}

#[test]
fn what_shares_admit_of_a_quota_is_told_with_when_that_was() {
    let bench = bench(quota(5_000));
    let now = clock::monotonic_ns();
    bench.limit.unanswered(now);
    let from = clock::unix_seconds();
    for _ in 0..3 {
        let _kept = Claim::alone(&bench.limit, now);
    }
    let asked = bench.limit.question(Purpose::Refill, now + 600 * SECOND);
    let untold = asked.question.untold;
    assert_eq!(untold.count, 3);
    assert!((from..=clock::unix_seconds()).contains(&untold.at));
}

#[test]
fn a_credit_that_was_not_charged_is_charged_when_nobody_comes_any_more() {
    let mut bench = bench(bucket());
    let now = clock::monotonic_ns();
    assert_eq!(bench.admitted(1, now), 1);
    bench.asked(now).unwrap();
    bench.limit.unanswered(now);
    let later = now + 20 * SECOND;
    assert_eq!(bench.fleet.idle(10 * SECOND, later).len(), 1);
    let asked = bench.limit.question(Purpose::GiveBack, later);
    assert_eq!((asked.question.spent, asked.question.wanted), (1, 0));
    bench.answer(&asked, given(0, 49, 0), later);
    assert!(bench.fleet.idle(10 * SECOND, later).is_empty());
}

#[test]
fn what_is_in_hand_lapses_with_the_period() {
    let mut bench = bench(quota(5_000));
    let now = clock::monotonic_ns();
    assert_eq!(bench.admitted(1, now), 1);
    let asked = bench.asked(now).unwrap();
    let first = Given {
        period: 7,
        ..given(5, 4_000, SECOND)
    };
    bench.answer(&asked, first, now);
    assert_eq!(bench.limit.ends_in(now), Some(SECOND));
    assert_eq!(bench.admitted(2, now), 2);
    // The next period: on credit, whatever is in hand.
    let later = now + 2 * SECOND;
    assert_eq!(bench.admitted(3, later), 1);
    let asked = bench.asked(later).unwrap();
    assert_eq!((asked.question.spent, asked.question.wanted), (1, 5));
    let had = Had {
        count: 6,
        owing: 0,
        period: 7,
    };
    assert_eq!(asked.question.had, Some(had));
    let second = Given {
        period: 8,
        ..given(5, 4_994, 100 * SECOND)
    };
    bench.answer(&asked, second, later);
    assert_eq!(bench.admitted(9, later), 6, "five, and one on credit");
    bench.limit.give_back(now);
    assert!(bench.limit.question(Purpose::Refill, later).question.spent <= 1);
    let asked = bench.limit.question(Purpose::Refill, later);
    let had = asked.question.had.unwrap();
    assert_eq!((had.count, had.period), (6, 8));
}

#[test]
fn what_nobody_uses_is_given_back_and_forgotten() {
    let mut bench = bench(bucket());
    let now = clock::monotonic_ns();
    assert_eq!(bench.admitted(1, now), 1);
    let asked = bench.asked(now).unwrap();
    bench.answer(&asked, given(10, 30, 0), now);
    let later = now + 20 * SECOND;
    assert!(bench.fleet.idle(30 * SECOND, later).is_empty());
    let found = bench.fleet.idle(10 * SECOND, later);
    assert_eq!(found.len(), 1);
    assert!(Arc::ptr_eq(&found[0], &bench.limit));
    assert!(
        bench.limit.begin() && !bench.limit.begin(),
        "once at a time"
    );
    let back = bench.limit.question(Purpose::GiveBack, now);
    assert_eq!((back.question.spent, back.question.wanted), (0, 0));
    assert_eq!(back.question.had.unwrap().count, 1);
    bench.answer(&back, given(0, 40, 0), now);
    assert_eq!(bench.limit.left(), 40);
    drop(found);
    // A bucket that is full again owes nothing of what was taken.
    let asked = bench.limit.question(Purpose::Refill, later);
    assert_eq!(asked.question.had, None);
    let Bench { fleet, limit, .. } = bench;
    let word = Arc::downgrade(&limit);
    assert!(fleet.idle(0, later).is_empty());
    assert!(fleet.known(1).is_some(), "somebody has it");
    drop(limit);
    assert!(fleet.idle(0, later).is_empty());
    assert!(fleet.known(1).is_none() && word.upgrade().is_none());
}

#[test]
fn a_gateway_of_another_fleet_begins_anew() {
    let mut bench = bench(quota(1_000));
    let now = clock::monotonic_ns();
    assert_eq!(bench.admitted(1, now), 1);
    let asked = bench.asked(now).unwrap();
    bench.answer(&asked, given(1, 900, 100 * SECOND), now);
    assert!(
        bench
            .limit
            .question(Purpose::Refill, now)
            .question
            .had
            .is_some()
    );
    let other = model::Fleet {
        name: "other".to_owned(),
        ..model(WithoutStore::Share)
    };
    bench.fleet.put_in_force(Some(&other));
    assert_eq!(
        bench.limit.question(Purpose::Refill, now).question.had,
        None
    );
    assert_eq!(bench.fleet.gateways(), 2);
    bench.fleet.put_in_force(None);
    assert_eq!(bench.fleet.gateways(), 1);
}

#[test]
fn callers_without_room_are_counted() {
    let (fleet, _lender) = Fleet::new(1);
    let mut held = Vec::new();
    for tag in 0..u64::try_from(FLEET_CALLERS_MAX).unwrap() {
        held.push(fleet.caller(tag, String::new, bucket()).unwrap());
    }
    let late = u64::MAX - 1;
    assert!(fleet.caller(late, String::new, bucket()).is_none());
    assert_eq!(fleet.counters().figures().without_room, 1);
    assert!(
        fleet.caller(3, String::new, bucket()).is_some(),
        "a known one"
    );
    held.clear();
    let later = clock::monotonic_ns() + SECOND;
    assert!(fleet.idle(0, later).is_empty());
    assert!(fleet.caller(late, String::new, bucket()).is_some());
}

#[test]
fn many_at_once_are_admitted_what_is_in_hand_and_one_on_credit() {
    let mut bench = bench(bucket());
    let now = clock::monotonic_ns();
    for round in 0..200 {
        let admitted: usize = std::thread::scope(|scope| {
            let threads = (0..4).map(|_| scope.spawn(|| bench.admitted(20, now)));
            let threads: Vec<_> = threads.collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        let asked = bench.asked(now).unwrap();
        let expected = if round == 0 { 1 } else { 10 };
        assert_eq!(admitted, expected, "{round}");
        assert_eq!((asked.question.spent, asked.question.wanted), (1, 10));
        // Ten, of which one was admitted already.
        bench.answer(&asked, given(9, 30, 0), now);
    }
}

#[test]
fn what_a_gateway_takes_at_once_follows_from_the_limit() {
    let of = |rate, burst| {
        let limit = Limit::new(Rate::per_second(rate), burst, 1).unwrap();
        Terms::Bucket(BucketTerms::new(&limit)).lease(model::Fleet::LEASE)
    };
    assert_eq!((of(1, 100), of(1_000, 2_000), of(1_000, 50)), (1, 100, 50));
    let quotas = [1, 999, 5_000, 100_000_000];
    let leases = quotas.map(|limit| quota(limit).lease(model::Fleet::LEASE));
    assert_eq!(leases, [1, 1, 5, 1_000]);
}
