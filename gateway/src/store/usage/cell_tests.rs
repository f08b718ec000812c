use std::sync::Barrier;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::*;
use crate::store::usage::tally::{COUNT_MAX, STEP_BACK_MAX};

const DAY: u64 = 86_400;
/// Monday, 23 November 2026, 00:00 UTC.
const MONDAY: u64 = 20_780 * DAY;

const fn terms(limit: u64, period: Period) -> QuotaTerms {
    QuotaTerms {
        limit,
        offset: 0,
        period,
        since: 0,
    }
}

/// How many of `asked` requests at this time are admitted.
fn admitted(cell: &QuotaCell, terms: &QuotaTerms, at: u64, asked: u64) -> u64 {
    (0..asked)
        .map(|_| u64::from(cell.charge(terms, at).is_ok()))
        .sum()
}

#[test]
fn a_period_has_its_limit_and_the_next_one_has_it_again() {
    for period in [Period::Day, Period::Week, Period::Month] {
        let (cell, terms) = (QuotaCell::default(), terms(3, period));
        let end = period.span(MONDAY).end;
        assert_eq!(admitted(&cell, &terms, MONDAY, 5), 3);
        let exhausted = cell.charge(&terms, MONDAY).unwrap_err();
        assert_eq!(exhausted.seconds, end - MONDAY);
        assert_eq!(cell.charge(&terms, end - 1).unwrap_err().seconds, 1);
        // Whoever waits so long is admitted, and nothing of the last period is carried over.
        assert_eq!(admitted(&cell, &terms, MONDAY + exhausted.seconds, 5), 3);
        assert_eq!(
            admitted(&cell, &terms, period.span(end).end + 40 * DAY, 5),
            3
        );
    }
}

#[test]
fn what_is_given_back_can_be_taken_again() {
    let (cell, terms) = (QuotaCell::default(), terms(1, Period::Day));
    for _ in 0..3 {
        cell.charge(&terms, MONDAY).unwrap().give_back();
    }
    let standing = cell.standing(&terms, MONDAY);
    assert_eq!(
        (standing.used, standing.remaining, standing.today),
        (0, 1, 0)
    );
    let taken = cell.charge(&terms, MONDAY).unwrap();
    cell.charge(&terms, MONDAY).unwrap_err();
    // What was taken of a period that has ended is no gift to the next.
    let _kept = cell.charge(&terms, MONDAY + DAY).unwrap();
    taken.give_back();
    cell.charge(&terms, MONDAY + DAY).unwrap_err();
    assert_eq!(cell.standing(&terms, MONDAY + DAY).today, 1);
}

#[test]
fn the_offset_counts_in_the_period_in_which_the_key_joined_and_in_no_other() {
    let cell = QuotaCell::default();
    let terms = QuotaTerms {
        offset: 7,
        since: MONDAY + 100,
        ..terms(10, Period::Day)
    };
    assert_eq!(cell.standing(&terms, MONDAY + 200).remaining, 3);
    assert_eq!(admitted(&cell, &terms, MONDAY + 200, 20), 3);
    assert_eq!(admitted(&cell, &terms, MONDAY + DAY, 20), 10);
    // As much as the limit, or more, leaves nothing.
    let nothing = QuotaTerms {
        offset: 11,
        ..terms
    };
    assert_eq!(admitted(&QuotaCell::default(), &nothing, MONDAY, 1), 0);
}

#[test]
fn a_limit_that_is_changed_holds_for_what_was_used_already() {
    let cell = QuotaCell::default();
    assert_eq!(admitted(&cell, &terms(5, Period::Week), MONDAY, 9), 5);
    assert_eq!(admitted(&cell, &terms(8, Period::Week), MONDAY, 9), 3);
    let lowered = terms(2, Period::Week);
    assert_eq!(admitted(&cell, &lowered, MONDAY, 9), 0);
    assert_eq!(cell.standing(&lowered, MONDAY).remaining, 0);
    assert_eq!(admitted(&cell, &lowered, MONDAY + 7 * DAY, 9), 2);
}

#[test]
fn a_quota_of_another_period_begins_with_what_was_used_today() {
    let cell = QuotaCell::default();
    assert_eq!(admitted(&cell, &terms(9, Period::Month), MONDAY, 4), 4);
    assert_eq!(
        admitted(&cell, &terms(9, Period::Month), MONDAY + DAY, 3),
        3
    );
    assert_eq!(admitted(&cell, &terms(9, Period::Day), MONDAY + DAY, 9), 6);
    assert_eq!(
        admitted(&cell, &terms(12, Period::Week), MONDAY + DAY, 9),
        3
    );
    // So does one that comes to a plan that had none.
    let cell = QuotaCell::default();
    let _counted = (cell.count(MONDAY), cell.count(MONDAY + DAY));
    assert_eq!(
        admitted(&cell, &terms(5, Period::Month), MONDAY + DAY, 9),
        4
    );
}

#[test]
fn a_plan_that_has_no_quota_any_more_leaves_nothing_to_tell_of() {
    let usage = |cell: &QuotaCell| cell.take_changes().words.remaining_on(Day::of(MONDAY));
    let (cell, terms) = (QuotaCell::default(), terms(5, Period::Day));
    assert_eq!(admitted(&cell, &terms, MONDAY, 2), 2);
    assert_eq!(usage(&cell), Some(3));
    let _counted = cell.count(MONDAY);
    assert_eq!(usage(&cell), None);
    // It goes on with what was used where there is one again.
    assert_eq!(admitted(&cell, &terms, MONDAY, 9), 3);
}

#[test]
fn an_operator_leaves_a_key_as_much_as_he_says_for_the_period() {
    let (cell, terms) = (QuotaCell::default(), terms(10, Period::Day));
    assert_eq!(cell.set_remaining(1, None, MONDAY), Err(NoPeriod));
    assert_eq!(admitted(&cell, &terms, MONDAY, 6), 6);
    cell.set_remaining(1, None, MONDAY).unwrap();
    assert_eq!(admitted(&cell, &terms, MONDAY, 9), 1);
    cell.set_remaining(20, None, MONDAY).unwrap();
    assert_eq!(cell.standing(&terms, MONDAY).remaining, 20);
    assert_eq!(admitted(&cell, &terms, MONDAY, 50), 20);
    assert_eq!(admitted(&cell, &terms, MONDAY + DAY, 50), 10);
    cell.set_remaining(0, Some(Period::Day), MONDAY + 2 * DAY)
        .unwrap();
    assert_eq!(admitted(&cell, &terms, MONDAY + 2 * DAY, 50), 0);
    assert_eq!(admitted(&cell, &terms, MONDAY + 3 * DAY, 50), 10);
}

#[test]
fn a_clock_that_steps_back_neither_begins_a_period_again_nor_refuses() {
    let (cell, terms) = (QuotaCell::default(), terms(10, Period::Day));
    assert_eq!(admitted(&cell, &terms, MONDAY, 4), 4);
    // By a little: the day that had begun goes on.
    assert_eq!(admitted(&cell, &terms, MONDAY - STEP_BACK_MAX, 3), 3);
    assert_eq!(cell.standing(&terms, MONDAY).used, 7);
    assert_eq!(cell.standing(&terms, MONDAY - 1).today, 7);
    let exhausted = {
        assert_eq!(admitted(&cell, &terms, MONDAY - 1, 5), 3);
        cell.charge(&terms, MONDAY - 1).unwrap_err()
    };
    assert_eq!(exhausted.seconds, DAY + 1);

    // By far: the clock was wrong before, and its days were others.
    let cell = QuotaCell::default();
    assert_eq!(admitted(&cell, &terms, MONDAY + 900 * DAY, 4), 4);
    assert_eq!(admitted(&cell, &terms, MONDAY, 9), 6);
    assert!(cell.charge(&terms, MONDAY).unwrap_err().seconds <= DAY);
    assert_eq!(admitted(&cell, &terms, MONDAY + DAY, 20), 10);
}

#[test]
fn a_quota_that_is_watched_counts_what_it_would_refuse() {
    let (cell, terms) = (QuotaCell::default(), terms(2, Period::Day));
    let refused = (0..5)
        .filter(|_| cell.watch(&terms, MONDAY).1.is_some())
        .count();
    let standing = cell.standing(&terms, MONDAY);
    assert_eq!(
        (refused, standing.used, standing.remaining, standing.today),
        (3, 5, 0, 5)
    );
}

#[test]
fn no_limit_overflows_what_a_word_counts() {
    let cell = QuotaCell::default();
    let largest = terms(u64::MAX, Period::Month);
    assert_eq!(cell.standing(&largest, MONDAY).remaining, COUNT_MAX);
    let _taken = cell.charge(&largest, MONDAY).unwrap();
    cell.set_remaining(u64::MAX, None, MONDAY).unwrap();
    assert_eq!(cell.standing(&largest, MONDAY).remaining, COUNT_MAX - 1);
    assert_eq!(cell.standing(&largest, u64::MAX).used, 0);
    let _taken = cell.charge(&largest, u64::MAX).unwrap();
    assert!(cell.standing(&terms(1, Period::Month), u64::MAX).remaining == 0);
}

/// Threads that charge and give back while days end, each with a clock that is up to half an hour behind or
/// ahead of the others.
#[test]
fn no_day_has_more_than_its_limit_however_many_ask_at_once() {
    const DAYS: u64 = 40;
    const LIMIT: u64 = 1_000;
    const THREADS: u64 = 4;
    /// Within one of these, no thread waits for another.
    const TURN_SECONDS: u64 = STEP_BACK_MAX / 2;
    const ASKED_PER_TURN: u64 = 16;
    let (cell, terms) = (QuotaCell::default(), terms(LIMIT, Period::Day));
    let kept: Vec<AtomicU64> = (0..=DAYS).map(|_| AtomicU64::new(0)).collect();
    let turns = Barrier::new(usize::try_from(THREADS).unwrap());
    let ask = &|thread: u64| {
        for turn in 0..DAYS * DAY / TURN_SECONDS {
            turns.wait();
            // Days end in the middle of turns.
            let begin = MONDAY + turn * TURN_SECONDS + TURN_SECONDS / 2;
            for asked in 0..ASKED_PER_TURN {
                let at = begin + (asked * 701 + thread * 997 + turn * 13) % TURN_SECONDS;
                let Ok(taken) = cell.charge(&terms, at) else {
                    continue;
                };
                if (asked + turn) % 7 == 0 {
                    taken.give_back();
                    continue;
                }
                let day = taken.stretch.unwrap().number - 20_780;
                kept[usize::try_from(day).unwrap()].fetch_add(1, Relaxed);
            }
        }
    };
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || ask(thread));
        }
    });
    let kept: Vec<u64> = kept.iter().map(|count| count.load(Relaxed)).collect();
    assert!(kept.iter().all(|&count| count <= LIMIT), "{kept:?}");
    // A thread that was interrupted over the end of a day may leave one with less.
    let full = kept.iter().filter(|&&count| count == LIMIT).count() as u64;
    assert!(full >= DAYS - 2, "{kept:?}");
}
