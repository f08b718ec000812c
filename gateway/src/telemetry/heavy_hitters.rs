//! Who is refused most, of those whom nobody has named.
//!
//! A sketch of bounded size (Metwally and others, "Efficient Computation of Frequent and Top-k Elements in
//! Data Streams", 2005), in lines: whoever is not known takes the place of the one in its line that was
//! refused least, with that one's count as what may be too much. So nobody is counted too little, and
//! whoever makes up more than a quarter of its line is there.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use arrayvec::ArrayVec;

/// Lines of the sketch.
const LINES: usize = 1_024;
/// Callers of one line.
const WAYS: usize = 4;

/// Who is refused most. Shared by all workers.
#[derive(Debug)]
pub struct HeavyHitters {
    lines: Box<[Mutex<Line>]>,
    hasher: RandomState,
}

type Line = ArrayVec<Hitter, WAYS>;

/// One who is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hitter {
    /// What refuses it.
    pub throttle: u64,
    /// What it is told by there.
    pub caller: Box<str>,
    /// Refusals, at most.
    pub count: u64,
    /// How many of them may have been others'.
    pub error: u64,
}

impl Default for HeavyHitters {
    fn default() -> Self {
        let lines = std::iter::repeat_with(Mutex::default).take(LINES);
        Self {
            lines: lines.collect(),
            hasher: RandomState::new(),
        }
    }
}

impl HeavyHitters {
    /// Counts a refusal.
    pub fn count(&self, throttle: u64, caller: &str) {
        let hash = self.hasher.hash_one((throttle, caller));
        self.count_in(usize::try_from(hash).unwrap_or(0) % LINES, throttle, caller);
    }

    fn count_in(&self, place: usize, throttle: u64, caller: &str) {
        let Some(line) = self.lines.get(place) else {
            return;
        };
        let mut line = lock(line);
        let is_it = |known: &&mut Hitter| known.throttle == throttle && *known.caller == *caller;
        if let Some(known) = line.iter_mut().find(is_it) {
            known.count = known.count.saturating_add(1);
            return;
        }
        let mut hitter = Hitter {
            throttle,
            caller: caller.into(),
            count: 1,
            error: 0,
        };
        if line.is_full() {
            let least = line.iter().enumerate().min_by_key(|(_, known)| known.count);
            let Some((place, count)) = least.map(|(place, known)| (place, known.count)) else {
                return;
            };
            hitter.count = count.saturating_add(1);
            hitter.error = count;
            line.swap_remove(place);
        }
        line.push(hitter);
    }

    /// The ones that were refused most, at most so many, the most refused first.
    #[must_use]
    pub fn top(&self, count: usize) -> Vec<Hitter> {
        let mut all: Vec<Hitter> = Vec::new();
        for line in &self.lines {
            all.extend(lock(line).iter().cloned());
        }
        // Of two with one count the one that is surer.
        all.sort_by(|one, other| {
            let order = |hitter: &Hitter| (hitter.count, hitter.count - hitter.error);
            order(other)
                .cmp(&order(one))
                .then_with(|| one.caller.cmp(&other.caller))
        });
        all.truncate(count);
        all
    }
}

fn lock(line: &Mutex<Line>) -> MutexGuard<'_, Line> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_few_who_are_refused_most_are_found_among_many_who_are_refused_once() {
        let hitters = HeavyHitters::default();
        for turn in 0..2_000 {
            for abuser in ["a", "b", "c"] {
                hitters.count(7, abuser);
            }
            for number in 0..50 {
                hitters.count(7, &format!("{turn}-{number}"));
            }
        }
        let mut top: Vec<_> = hitters.top(3).into_iter().map(|it| it.caller).collect();
        top.sort();
        assert_eq!(top, ["a", "b", "c"].map(Box::from));
        for hitter in hitters.top(3) {
            let range = hitter.count - hitter.error..=hitter.count;
            assert!(range.contains(&2_000), "{hitter:?}");
        }
        assert!(hitters.top(usize::MAX).len() <= LINES * WAYS);
    }

    #[test]
    fn one_caller_of_two_throttles_is_two() {
        let hitters = HeavyHitters::default();
        hitters.count(1, "a");
        hitters.count(2, "a");
        hitters.count(2, "a");
        let found: Vec<_> = hitters
            .top(9)
            .iter()
            .map(|it| (it.throttle, it.count))
            .collect();
        assert_eq!(found, [(2, 2), (1, 1)]);
    }

    proptest! {
        #[test]
        fn nobody_is_counted_too_little_nor_more_than_is_said(
            stream in prop::collection::vec(0..40_u64, 0..2_000),
        ) {
            // All in one line, so that they push each other out.
            let hitters = HeavyHitters {
                lines: std::iter::repeat_with(Mutex::default).take(1).collect(),
                hasher: RandomState::new(),
            };
            let mut truth: HashMap<u64, u64> = HashMap::new();
            for &throttle in &stream {
                *truth.entry(throttle).or_default() += 1;
                hitters.count_in(0, throttle, "x");
            }
            let top = hitters.top(usize::MAX);
            for hitter in &top {
                let really = truth[&hitter.throttle];
                prop_assert!(hitter.count >= really && hitter.count - hitter.error <= really);
            }
            let quarter = stream.len() as u64 / WAYS as u64;
            for (throttle, really) in truth {
                let is_there = top.iter().any(|hitter| hitter.throttle == throttle);
                prop_assert!(is_there || really <= quarter, "{throttle}: {really}");
            }
        }
    }
}
