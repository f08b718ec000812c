//! How many at once: counted exactly over all workers, without a lock.
//!
//! Whoever is let in holds a [`Seat`], which is given back when it is dropped: with the last byte of an
//! answer, when a client leaves, with a panic. A [`Hall`] is what many share, one word that says how many
//! are in it. [`Callers`] is a table of such words, one for each caller that has anything under way. What
//! is counted belongs to a name, not to a configuration: [`Halls`] finds the same hall again after a
//! reload, with all who are in it.

mod hall;
mod callers;

pub use callers::{Callers, NoSeat};
pub use hall::{Hall, Halls};

use std::sync::{Arc, OnceLock};

/// Most that a limit can let in at once.
pub const CONCURRENCY_MAX: u32 = 1_000_000;

/// What counts all that is limited in this way.
#[derive(Debug, Default)]
pub struct Concurrency {
    /// What many share.
    pub halls: Halls,
    /// Made when the first limit of callers asks for it.
    callers: OnceLock<Arc<Callers>>,
}

impl Concurrency {
    /// The table of callers.
    #[must_use]
    pub fn callers(&self) -> &Arc<Callers> {
        self.callers.get_or_init(Arc::default)
    }
}

/// One of those who are in; leaving is dropping.
#[derive(Debug)]
pub struct Seat(Taken);

#[derive(Debug)]
enum Taken {
    Hall(Arc<Hall>),
    Caller(Arc<Callers>, callers::Place),
}

impl Drop for Seat {
    fn drop(&mut self) {
        match &self.0 {
            Taken::Hall(hall) => hall.leave(),
            Taken::Caller(callers, place) => callers.leave(*place),
        }
    }
}
