//! What somebody else gives out for a while, and has to be there when a request needs it.
//!
//! One task, [`Kept::keep`] on the control runtime, asks for it and asks again before it ends; whoever
//! needs it reads the last good one through one atomic pointer and never waits. A question that fails
//! changes nothing: the last good one serves until it ends. Then there is none.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::clock::Clock;

/// It is asked for again when this is left of it, or half of what was left.
pub const REFRESH_BEFORE_END: Duration = Duration::from_secs(300);

/// Shortest time until it is asked for again.
pub const REFRESH_MIN: Duration = Duration::from_secs(1);

/// Time until it is asked for again after a failure, and shortest time until it is where somebody did
/// not want it.
pub const RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// What is good for a while.
pub trait Perishable: Send + Sync {
    /// Longest time until it is asked for again.
    const REFRESH_MAX: Duration;

    /// When it ends, in seconds since 1970; `None` for never.
    fn expires_at(&self) -> Option<u64>;

    /// Whether it is good at `now` (seconds since 1970).
    fn is_good(&self, now: u64) -> bool {
        self.expires_at().is_none_or(|end| now < end)
    }
}

/// Why a question was for nothing.
#[derive(Debug, thiserror::Error)]
pub enum Unrenewed<E> {
    /// There was no answer that can be used.
    #[error(transparent)]
    Failed(E),
    /// What came is over.
    #[error("what it gave has ended")]
    Ended,
}

/// Why there is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoneKept {
    /// Nothing has been given out yet.
    NotYet,
    /// The last one has ended, and no other was given out in time.
    Ended,
}

/// The last good one.
pub struct Kept<T> {
    current: ArcSwapOption<T>,
    /// Whether a question has been answered, well or not.
    asked: watch::Sender<bool>,
    /// One that somebody did not want, the last of them.
    unwanted: watch::Sender<Option<Arc<T>>>,
    questions: AtomicU64,
    failures: AtomicU64,
    clock: Clock,
}

impl<T: Perishable> Kept<T> {
    /// One that is asked for, or with what is there already, where nobody is to be asked.
    #[must_use]
    pub fn new(current: Option<T>, clock: Clock) -> Self {
        Self {
            asked: watch::Sender::new(current.is_some()),
            current: ArcSwapOption::new(current.map(Arc::new)),
            unwanted: watch::Sender::new(None),
            questions: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            clock,
        }
    }

    /// The last one, if it is good at `now` (seconds since 1970).
    ///
    /// # Errors
    /// There is none.
    pub fn current(&self, now: u64) -> Result<Arc<T>, NoneKept> {
        let current = self.current.load_full().ok_or(NoneKept::NotYet)?;
        if current.is_good(now) {
            Ok(current)
        } else {
            Err(NoneKept::Ended)
        }
    }

    /// Tells that whoever was shown this did not want it. Another is asked for, unless there is one
    /// already, once within [`RETRY_INTERVAL`].
    pub fn unwanted(&self, shown: &Arc<T>) {
        if self.is_current(shown) {
            self.unwanted.send_replace(Some(Arc::clone(shown)));
        }
    }

    /// Asks for it by `ask` whenever it is time, and tells `told` what came of that.
    ///
    /// # Cancel safety
    /// Dropping it ends the question that is under way; the last good one stays.
    pub async fn keep<E>(
        &self,
        ask: impl AsyncFn() -> Result<T, E>,
        told: impl Fn(Result<&T, (&Unrenewed<E>, bool)>),
    ) {
        let mut unwanted = self.unwanted.subscribe();
        loop {
            let pause = self.ask(&ask, &told).await;
            self.asked.send_replace(true);
            let earliest = Instant::now() + RETRY_INTERVAL;
            tokio::select! {
                () = sleep(pause) => {}
                () = self.until_unwanted(&mut unwanted) => sleep_until(earliest).await,
            }
        }
    }

    /// Waits until somebody does not want the last one. Nothing of the channel is held behind it: who
    /// tells of another would wait for that.
    async fn until_unwanted(&self, unwanted: &mut watch::Receiver<Option<Arc<T>>>) {
        let is_unwanted = |it: &Option<Arc<T>>| it.as_ref().is_some_and(|it| self.is_current(it));
        let is_told = unwanted.wait_for(is_unwanted).await.is_ok();
        // The sender lives in `self`.
        if !is_told {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until a question has been answered, well or not; at once where none is asked. For a start
    /// that wants it before the first request.
    pub async fn first_answer(&self) {
        let mut asked = self.asked.subscribe();
        // The sender lives in `self`, so waiting ends only with an answer.
        if asked.wait_for(|asked| *asked).await.is_err() {
            tracing::error!("whoever was asked ended while it was awaited");
        }
    }

    /// Questions that were answered, well or not.
    #[must_use]
    pub fn questions(&self) -> u64 {
        self.questions.load(Ordering::Relaxed)
    }

    /// Questions that failed, which are among them.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Asks once; the time until it is to be asked again.
    async fn ask<E>(
        &self,
        ask: &impl AsyncFn() -> Result<T, E>,
        told: &impl Fn(Result<&T, (&Unrenewed<E>, bool)>),
    ) -> Duration {
        let answered = ask().await;
        self.questions.fetch_add(1, Ordering::Relaxed);
        let now = self.clock.unix_seconds();
        let judged = match answered {
            Ok(fresh) if fresh.is_good(now) => Ok(fresh),
            Ok(_) => Err(Unrenewed::Ended),
            Err(error) => Err(Unrenewed::Failed(error)),
        };
        match judged {
            Ok(fresh) => {
                told(Ok(&fresh));
                let pause = pause_until_next(&fresh, now);
                self.current.store(Some(Arc::new(fresh)));
                pause
            }
            Err(error) => {
                self.failures.fetch_add(1, Ordering::Relaxed);
                told(Err((&error, self.current(now).is_ok())));
                RETRY_INTERVAL
            }
        }
    }

    fn is_current(&self, shown: &Arc<T>) -> bool {
        let current = self.current.load();
        current
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, shown))
    }
}

// What is kept is secret.
impl<T> fmt::Debug for Kept<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept")
            .field("questions", &self.questions)
            .field("failures", &self.failures)
            .finish_non_exhaustive()
    }
}

/// Five minutes before its end, or at half of what is left of a shorter life.
fn pause_until_next<T: Perishable>(fresh: &T, now: u64) -> Duration {
    let Some(end) = fresh.expires_at() else {
        return T::REFRESH_MAX;
    };
    let left = Duration::from_secs(end.saturating_sub(now));
    let early = left.saturating_sub(REFRESH_BEFORE_END);
    early.max(left / 2).clamp(REFRESH_MIN, T::REFRESH_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Numbered(u32, Option<u64>);

    impl Perishable for Numbered {
        const REFRESH_MAX: Duration = Duration::from_secs(900);

        fn expires_at(&self) -> Option<u64> {
            self.1
        }
    }

    #[test]
    fn it_is_renewed_five_minutes_before_its_end_or_at_half_time() {
        let pause = |seconds: Option<u64>| {
            let end = seconds.map(|seconds| 1000 + seconds);
            pause_until_next(&Numbered(1, end), 1000).as_secs()
        };
        for (left, expected) in [
            (0, 1),
            (1, 1),
            (10, 5),
            (600, 300),
            (700, 400),
            (21_600, 900),
        ] {
            assert_eq!(pause(Some(left)), expected, "{left}");
        }
        assert_eq!(pause(None), 900);
    }

    #[test]
    fn what_has_ended_is_not_there() {
        let kept = Kept::new(Some(Numbered(1, Some(1000))), Clock::manual(0));
        assert!(kept.current(999).is_ok());
        assert_eq!(kept.current(1000), Err(NoneKept::Ended));
        let kept = Kept::<Numbered>::new(None, Clock::manual(0));
        assert_eq!(kept.current(0), Err(NoneKept::NotYet));
    }

    #[test]
    fn only_of_the_last_one_it_matters_who_does_not_want_it() {
        let kept = Kept::new(Some(Numbered(1, None)), Clock::manual(0));
        let first = kept.current(0).unwrap();
        kept.current.store(Some(Arc::new(Numbered(2, None))));
        kept.unwanted(&first);
        assert_eq!(*kept.unwanted.borrow(), None);
        let second = kept.current(0).unwrap();
        kept.unwanted(&second);
        assert_eq!(*kept.unwanted.borrow(), Some(second));
    }

    #[tokio::test]
    async fn who_tells_that_one_is_unwanted_waits_for_nobody() {
        let kept = Arc::new(Kept::new(None, Clock::manual(1000)));
        let ask = async || Ok::<_, std::convert::Infallible>(Numbered(1, None));
        let telling = async {
            kept.first_answer().await;
            let first = kept.current(1000).unwrap();
            for number in 0..3 {
                let (teller, first) = (Arc::clone(&kept), Arc::clone(&first));
                let told = tokio::task::spawn_blocking(move || teller.unwanted(&first));
                let told = tokio::time::timeout(Duration::from_secs(2), told).await;
                assert!(told.is_ok(), "number {number}");
            }
        };
        tokio::select! {
            () = kept.keep(ask, |_outcome| {}) => {}
            () = telling => {}
        }
    }
}
