//! A word for each caller that has anything under way.
//!
//! The table has lines of eight words. A caller's line is known by its tag, and in it the word that says
//! the tag; a word that nobody is in is free for anybody. Between looking for its word and writing it,
//! another worker may have written one for the same caller elsewhere in the line, because other words
//! became free meanwhile. So whoever has written looks again, and where there are two leaves and begins anew:
//! of two that are in, the later one has seen the earlier.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Seat, Taken};

/// Lines of the table.
const LINES: usize = 8192;
/// Words of a line: those of one cache line.
const WAYS: usize = 8;
/// Bits of a word that count; the others tell whom.
const COUNT_BITS: u32 = 20;
const COUNT: u64 = (1 << COUNT_BITS) - 1;
/// How often somebody begins anew. Each time another worker has come or gone in between.
const ATTEMPTS_MAX: usize = 1000;

/// The table.
#[derive(Debug)]
pub struct Callers {
    lines: Box<[Line]>,
    /// Attempts that found no word.
    wordless: AtomicU64,
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct Line([AtomicU64; WAYS]);

/// Where a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    line: usize,
    way: usize,
}

/// Why there is no seat for a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSeat {
    /// It has as many as it may.
    Full,
    /// The line is full of others.
    NoWord,
}

impl Default for Callers {
    fn default() -> Self {
        Self {
            lines: (0..LINES).map(|_| Line::default()).collect(),
            wordless: AtomicU64::new(0),
        }
    }
}

impl Callers {
    /// A seat for the caller of `tag`, where it has taken fewer than `max`, at most
    /// [`super::CONCURRENCY_MAX`]. Tags are hashes under a secret key, so that nobody can aim at the line
    /// of another.
    ///
    /// # Errors
    /// See [`NoSeat`].
    pub fn enter(self: &Arc<Self>, tag: u64, max: u32) -> Result<Seat, NoSeat> {
        let (index, mark) = split(tag);
        let line = self.lines.get(index).ok_or(NoSeat::NoWord)?;
        for _ in 0..ATTEMPTS_MAX {
            let Some(way) = line.way_of(mark) else {
                self.wordless.fetch_add(1, Ordering::Relaxed);
                return Err(NoSeat::NoWord);
            };
            match line.join(way, mark, max) {
                Joined::In if line.has_no_other(way, mark) => {
                    let place = Place { line: index, way };
                    return Ok(Seat(Taken::Caller(Arc::clone(self), place)));
                }
                Joined::In => line.leave(way),
                Joined::Full => return Err(NoSeat::Full),
                Joined::Lost => {}
            }
            std::hint::spin_loop();
        }
        // What cannot be decided is refused.
        Err(NoSeat::Full)
    }

    /// How many seats the caller of `tag` has taken.
    #[must_use]
    pub fn inside(&self, tag: u64) -> u64 {
        let (index, mark) = split(tag);
        let words = self.lines.get(index).into_iter().flat_map(|line| &line.0);
        let words = words.map(|word| word.load(Ordering::SeqCst));
        let own = words.filter(|word| word & !COUNT == mark);
        own.map(|word| word & COUNT).sum()
    }

    /// How often somebody found no word, since the start.
    #[must_use]
    pub fn wordless(&self) -> u64 {
        self.wordless.load(Ordering::Relaxed)
    }

    pub(super) fn leave(&self, place: Place) {
        if let Some(line) = self.lines.get(place.line) {
            line.leave(place.way);
        }
    }
}

/// What became of an attempt to be counted in a word.
enum Joined {
    In,
    Full,
    /// It has become another caller's.
    Lost,
}

impl Line {
    /// The word of a caller or, where it has none, one that is free.
    fn way_of(&self, mark: u64) -> Option<usize> {
        let mut free = None;
        for (way, word) in self.0.iter().enumerate() {
            match word.load(Ordering::SeqCst) {
                0 => free = free.or(Some(way)),
                other if other & !COUNT == mark => return Some(way),
                _ => {}
            }
        }
        free
    }

    fn join(&self, way: usize, mark: u64, max: u32) -> Joined {
        let Some(word) = self.0.get(way) else {
            return Joined::Lost;
        };
        let mut found = word.load(Ordering::SeqCst);
        loop {
            let next = match found {
                0 => mark | 1,
                own if own & !COUNT != mark => return Joined::Lost,
                own if own & COUNT >= u64::from(max) => return Joined::Full,
                own => own.saturating_add(1),
            };
            match word.compare_exchange(found, next, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return Joined::In,
                Err(other) => found = other,
            }
        }
    }

    /// Whether no other word of the line is that of the same caller.
    fn has_no_other(&self, way: usize, mark: u64) -> bool {
        let mut others = self.0.iter().enumerate().filter(|(other, _)| *other != way);
        others.all(|(_, word)| word.load(Ordering::SeqCst) & !COUNT != mark)
    }

    fn leave(&self, way: usize) {
        let Some(word) = self.0.get(way) else {
            return;
        };
        let mut found = word.load(Ordering::SeqCst);
        loop {
            // The last one leaves the word to whoever comes next.
            let next = if found & COUNT > 1 {
                found.saturating_sub(1)
            } else {
                0
            };
            match word.compare_exchange(found, next, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return,
                Err(other) => found = other,
            }
        }
    }
}

/// The line of a tag, and what its word says beside the count: never zero, which is free.
fn split(tag: u64) -> (usize, u64) {
    let line = usize::try_from(tag & COUNT).unwrap_or(0) % LINES;
    let mark = tag & !COUNT;
    (line, if mark == 0 { 1 << COUNT_BITS } else { mark })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    /// Tags of one line.
    fn tag(caller: u64) -> u64 {
        (caller + 1) << COUNT_BITS | 7
    }

    fn table() -> Arc<Callers> {
        Arc::default()
    }

    fn free(callers: &Callers) -> bool {
        let words = callers.lines.iter().flat_map(|line| &line.0);
        words
            .into_iter()
            .all(|word| word.load(Ordering::SeqCst) == 0)
    }

    #[test]
    fn each_caller_has_as_many_seats_as_it_may() {
        let callers = table();
        let one: Vec<Seat> = (0..2).map(|_| callers.enter(tag(1), 2).unwrap()).collect();
        assert_eq!(callers.enter(tag(1), 2).unwrap_err(), NoSeat::Full);
        assert_eq!((callers.inside(tag(1)), callers.inside(tag(2))), (2, 0));
        let other = callers.enter(tag(2), 1).unwrap();
        drop(one);
        assert_eq!(callers.inside(tag(1)), 0);
        drop(callers.enter(tag(1), 1).unwrap());
        drop(other);
        assert!(free(&callers));
    }

    #[test]
    fn a_caller_without_a_word_is_told_apart_from_one_without_a_seat() {
        let callers = table();
        let ways = u64::try_from(WAYS).unwrap();
        let seats: Vec<Seat> = (0..ways)
            .map(|it| callers.enter(tag(it), 1).unwrap())
            .collect();
        assert_eq!(callers.enter(tag(0), 1).unwrap_err(), NoSeat::Full);
        assert_eq!(callers.enter(tag(ways), 1).unwrap_err(), NoSeat::NoWord);
        assert_eq!(callers.wordless(), 1);
        drop(seats);
        drop(callers.enter(tag(ways), 1).unwrap());
        // A tag of zeros is one as well.
        let zero = callers.enter(0, 1).unwrap();
        assert_eq!(callers.enter(0, 1).unwrap_err(), NoSeat::Full);
        drop(zero);
        assert!(free(&callers));
    }

    #[test]
    fn the_largest_limit_fits_a_word() {
        assert!(u64::from(super::super::CONCURRENCY_MAX) <= COUNT);
    }

    /// Callers of one line that come and go, so that words change owners all the time.
    #[test]
    fn nobody_gets_in_beside_its_limit_on_many_threads() {
        const CALLERS: usize = 12;
        const MAX: u32 = 2;
        let callers = table();
        let inside: Vec<AtomicU32> = (0..CALLERS).map(|_| AtomicU32::new(0)).collect();
        let entered = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (callers, inside, entered) = (&callers, &inside, &entered);
                scope.spawn(move || {
                    let mut held = std::collections::VecDeque::new();
                    for round in 0..40_000 {
                        let caller = (round * (thread + 1) + round / 7) % CALLERS;
                        if let Ok(seat) = callers.enter(tag(caller as u64), MAX) {
                            let before = inside[caller].fetch_add(1, Ordering::SeqCst);
                            assert!(before < MAX, "{caller} has {before} already");
                            entered.fetch_add(1, Ordering::Relaxed);
                            held.push_back((caller, seat));
                        }
                        if held.len() > 3 {
                            let (caller, seat) = held.pop_front().unwrap();
                            inside[caller].fetch_sub(1, Ordering::SeqCst);
                            drop(seat);
                        }
                    }
                    for (caller, seat) in held {
                        inside[caller].fetch_sub(1, Ordering::SeqCst);
                        drop(seat);
                    }
                });
            }
        });
        assert!(entered.into_inner() > 10_000);
        assert!(free(&callers));
    }
}
