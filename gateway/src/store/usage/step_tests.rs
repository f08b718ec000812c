//! Every way in which workers can come between each other, step by step: each reads the word, and later
//! changes it if it is the same still.

use std::collections::HashSet;

use super::tally::{Asked, QuotaTerms, Stretch, Tally};
use crate::model::Period;

const DAY_SECONDS: u64 = 86_400;
/// The second before a day ends.
const LATE: u64 = 20_780 * DAY_SECONDS - 1;
const LIMIT: u64 = 2;

const TERMS: QuotaTerms = QuotaTerms {
    limit: LIMIT,
    offset: 0,
    period: Period::Day,
    since: 0,
};

/// A worker between its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Worker {
    /// Is to read the word, at each of these times (seconds behind [`LATE`]) once.
    Reads(&'static [u64]),
    /// Has read it, and is to change it.
    Changes(&'static [u64], u64),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    word: u64,
    workers: Vec<Worker>,
    /// Requests that were admitted in the period that ends, and in the next.
    admitted: [u64; 2],
    refused: u64,
}

fn ask(word: u64, after: u64) -> Asked {
    Asked::new(Tally::read(word), None, || 0, &TERMS, LATE + after)
}

fn step(state: &State, which: usize) -> Option<State> {
    let mut next = state.clone();
    next.workers[which] = match state.workers[which] {
        Worker::Reads([]) => return None,
        Worker::Reads(times) => Worker::Changes(times, state.word),
        Worker::Changes(times, word) => {
            let asked = ask(word, times[0]);
            if asked.exhausted.is_some() {
                next.refused += 1;
                Worker::Reads(&times[1..])
            } else if state.word == word {
                next.word = asked.used.more().word();
                let first = Stretch::of(Period::Day, LATE).number;
                let period = asked.used.stretch.number - first;
                next.admitted[usize::try_from(period).unwrap()] += 1;
                Worker::Reads(&times[1..])
            } else {
                Worker::Changes(times, state.word)
            }
        }
    };
    Some(next)
}

/// Every state that is left when all workers are done.
fn ends(workers: &[Worker]) -> Vec<State> {
    let start = State {
        word: 0,
        workers: workers.to_vec(),
        admitted: [0; 2],
        refused: 0,
    };
    let (mut seen, mut open, mut ends) = (HashSet::new(), vec![start], Vec::new());
    while let Some(state) = open.pop() {
        let steps = (0..workers.len()).filter_map(|which| step(&state, which));
        let before = open.len();
        let mut is_end = true;
        for next in steps {
            is_end = false;
            if seen.insert(next.clone()) {
                open.push(next);
            }
        }
        if is_end && before == open.len() {
            ends.push(state);
        }
    }
    ends
}

#[test]
fn no_order_of_workers_admits_more_than_the_limit_in_a_period() {
    let workers = [
        Worker::Reads(&[0, 0, 1]),
        Worker::Reads(&[0, 1, 1]),
        Worker::Reads(&[0, 1, 0]),
    ];
    let ends = ends(&workers);
    assert!(
        ends.iter()
            .all(|end| end.admitted.iter().all(|&it| it <= LIMIT)),
        "{ends:?}"
    );
    let with = |admitted| ends.iter().any(|end| end.admitted == admitted);
    // As many as there may be are; fewer in the first where the second had begun before.
    assert!(with([2, 2]) && with([1, 2]), "{ends:?}");
    let all = |end: &State| end.admitted.iter().sum::<u64>() + end.refused == 9;
    assert!(ends.iter().all(all));
}

#[test]
fn no_order_of_workers_refuses_while_there_is_any_left() {
    let workers = [Worker::Reads(&[0]), Worker::Reads(&[0])];
    let ends = ends(&workers);
    assert!(
        ends.iter()
            .all(|end| end.admitted == [2, 0] && end.refused == 0),
        "{ends:?}"
    );
}
