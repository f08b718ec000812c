//! One question for many who ask the same at once.
//!
//! The first asks, in a task of its own that goes on when its client leaves; the others wait for what
//! it comes to, on whatever worker they are. Who comes after something was forgotten waits for no
//! question that is older than that.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, watch};

use super::counts::count;
use super::{DecisionCache, DecisionKey, Era, Lifetime, Looked, Remembered};

/// Most requests that wait for answers of one authorizer, and most questions that are under way.
pub const WAITERS_MAX: usize = 4_096;

/// Questions under way, and who waits for what they come to: a decision of type `T`, or why there is
/// none.
pub struct Flights<T, E> {
    under_way: Mutex<HashMap<Flight, Answer<T, E>>>,
    questions: Arc<Semaphore>,
    waiters: Semaphore,
}

/// What is asked, and since when.
type Flight = (DecisionKey, Era);
type Answer<T, E> = watch::Receiver<Option<Result<Arc<T>, E>>>;

/// A decision that was just made.
#[derive(Debug)]
pub struct Fresh<T> {
    /// What was decided.
    pub decision: Arc<T>,
    /// How long it may be reused.
    pub lifetime: Lifetime,
}

/// Why nothing was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undecided<E> {
    /// Whoever was asked says so.
    Failed(E),
    /// As many wait as may ([`WAITERS_MAX`]).
    Crowded,
    /// The worker that had asked has ended.
    Abandoned,
}

impl<T: Remembered> DecisionCache<T> {
    /// What is remembered under `key` at `now` (seconds since 1970); otherwise what others who asked
    /// the same wait for already; otherwise what the future comes to that `begin` gives, which is
    /// remembered.
    ///
    /// `begin` is called under a lock and so must be brief; it may refuse to ask. What the future fails
    /// with is told to all who wait for it, and not remembered.
    ///
    /// # Errors
    /// See [`Undecided`].
    ///
    /// # Panics
    /// Outside of a [`tokio::task::LocalSet`], where the future is spawned.
    ///
    /// # Cancel safety
    /// Safe: the question goes on, and who asks again finds it or what it came to.
    pub async fn decided<E, F>(
        self: &Arc<Self>,
        flights: &Arc<Flights<T, E>>,
        key: DecisionKey,
        now: u64,
        begin: impl FnOnce() -> Result<F, E>,
    ) -> Result<Arc<T>, Undecided<E>>
    where
        E: Clone + Send + Sync + 'static,
        F: Future<Output = Result<Fresh<T>, E>> + 'static,
    {
        let since = match self.look(&key, now) {
            Looked::Found(decision) => return Ok(decision),
            Looked::Missed(since) => since,
        };
        let Ok(_place) = flights.waiters.try_acquire() else {
            return Err(Undecided::Crowded);
        };
        let mut answer = match self.boarded(flights, (key, since), now, begin)? {
            Boarded::Found(decision) => return Ok(decision),
            Boarded::Waits(answer) => answer,
        };
        match answer.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(outcome)) => outcome.clone().map_err(Undecided::Failed),
            Ok(None) | Err(_) => Err(Undecided::Abandoned),
        }
    }

    fn boarded<E, F>(
        self: &Arc<Self>,
        flights: &Arc<Flights<T, E>>,
        flight: Flight,
        now: u64,
        begin: impl FnOnce() -> Result<F, E>,
    ) -> Result<Boarded<T, E>, Undecided<E>>
    where
        E: Clone + Send + Sync + 'static,
        F: Future<Output = Result<Fresh<T>, E>> + 'static,
    {
        let mut under_way = flights.lock();
        if let Some(answer) = under_way.get(&flight) {
            count(&self.account.coalesced);
            return Ok(Boarded::Waits(answer.clone()));
        }
        // A question that has ended since this request looked has left its answer before it went.
        if let Some(decision) = self.peek(&flight.0, now) {
            count(&self.account.coalesced);
            return Ok(Boarded::Found(decision));
        }
        let Ok(place) = Arc::clone(&flights.questions).try_acquire_owned() else {
            return Err(Undecided::Crowded);
        };
        let asking = begin().map_err(Undecided::Failed)?;
        let (sender, answer) = watch::channel(None);
        under_way.insert(flight, answer.clone());
        drop(under_way);

        let landing = Landing {
            flights: Arc::clone(flights),
            flight,
        };
        let cache = Arc::clone(self);
        // Whoever waits has bounded it, and it ends with its worker.
        drop(tokio::task::spawn_local(async move {
            let outcome = asking.await.map(|Fresh { decision, lifetime }| {
                let (key, since) = flight;
                cache.remember(since, key, &decision, lifetime);
                decision
            });
            // Behind what is remembered and before the answer: who comes now looks there.
            drop(landing);
            sender.send_replace(Some(outcome));
            drop(place);
        }));
        Ok(Boarded::Waits(answer))
    }
}

enum Boarded<T, E> {
    Found(Arc<T>),
    Waits(Answer<T, E>),
}

/// Takes a question off those under way, whatever ends it.
struct Landing<T, E> {
    flights: Arc<Flights<T, E>>,
    flight: Flight,
}

impl<T, E> Drop for Landing<T, E> {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.flight);
    }
}

impl<T, E> Flights<T, E> {
    // Every change of the map is one call, so that it is whole also where one panicked.
    fn lock(&self) -> MutexGuard<'_, HashMap<Flight, Answer<T, E>>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T, E> Default for Flights<T, E> {
    fn default() -> Self {
        Self {
            under_way: Mutex::default(),
            questions: Arc::new(Semaphore::new(WAITERS_MAX)),
            waiters: Semaphore::new(WAITERS_MAX),
        }
    }
}

impl<T, E> fmt::Debug for Flights<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights")
            .field("waiters", &self.waiters)
            .finish_non_exhaustive()
    }
}
