//! What many share, and how it is found again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::{Seat, Taken};

/// A word that says how many are in.
#[derive(Debug, Default)]
pub struct Hall {
    inside: AtomicU32,
}

impl Hall {
    /// A seat, where fewer than `max` are taken.
    #[must_use]
    pub fn enter(self: &Arc<Self>, max: u32) -> Option<Seat> {
        // What the word guards is itself, so that its own order is enough.
        let more = |inside: u32| (inside < max).then_some(inside.saturating_add(1));
        let entered = self
            .inside
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        entered.ok()?;
        Some(Seat(Taken::Hall(Arc::clone(self))))
    }

    pub(super) fn leave(&self) {
        self.inside.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many are in now.
    #[must_use]
    pub fn inside(&self) -> u32 {
        self.inside.load(Ordering::Relaxed)
    }
}

/// The halls that anybody still knows, by their tags.
#[derive(Debug, Default)]
pub struct Halls(Mutex<HashMap<u64, Weak<Hall>>>);

impl Halls {
    /// The hall of `tag`: the same one as long as a plan names it or somebody is in it.
    #[must_use]
    pub fn of(&self, tag: u64) -> Arc<Hall> {
        // Nothing that is done under the lock can panic half-way.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hall) = known.get(&tag).and_then(Weak::upgrade) {
            return hall;
        }
        if known.len() == known.capacity() {
            known.retain(|_, hall| hall.strong_count() > 0);
        }
        let hall = Arc::new(Hall::default());
        known.insert(tag, Arc::downgrade(&hall));
        hall
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_let_in_as_there_are_seats() {
        let hall = Arc::new(Hall::default());
        let seats: Vec<Seat> = (0..3).map_while(|_| hall.enter(2)).collect();
        assert_eq!((seats.len(), hall.inside()), (2, 2));
        // More seats let more in, and fewer nobody until enough have left.
        let third = hall.enter(3).unwrap();
        assert!(hall.enter(1).is_none());
        drop(seats);
        assert!(hall.enter(1).is_none());
        drop(third);
        assert_eq!(hall.inside(), 0);
        assert!(hall.enter(1).is_some());
    }

    #[test]
    fn a_room_is_found_again_while_anybody_knows_it() {
        let halls = Halls::default();
        let seat = halls.of(1).enter(1).unwrap();
        assert!(halls.of(1).enter(1).is_none(), "who is in keeps the hall");
        assert!(halls.of(2).enter(1).is_some());
        drop(seat);
        assert!(halls.of(1).enter(1).is_some());
        for tag in 0..10_000 {
            drop(halls.of(tag));
        }
        assert!(halls.0.lock().unwrap().len() < 100, "forgotten ones go");
    }

    #[test]
    fn nobody_gets_in_beside_the_others_on_many_threads() {
        const THREADS: usize = 4;
        const MAX: u32 = 3;
        let hall = Arc::new(Hall::default());
        let inside = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        if let Some(seat) = hall.enter(MAX) {
                            assert!(inside.fetch_add(1, Ordering::SeqCst) < MAX);
                            inside.fetch_sub(1, Ordering::SeqCst);
                            drop(seat);
                        }
                    }
                });
            }
        });
        assert_eq!(hall.inside(), 0);
    }
}
