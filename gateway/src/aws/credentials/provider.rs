//! Credentials that are there when a request needs them.
//!
//! One task, [`Provider::refresh`] on the control runtime, asks for them and asks again before they
//! end; whoever signs reads the last good ones through one atomic pointer and never waits. A question
//! that fails changes nothing: the last good credentials sign until they end. Then nothing is signed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::watch;
use tokio::time::sleep;

use super::Credentials;
use super::server::{self, ServerError};
use super::source::Source;
use crate::clock::Clock;
use crate::upstream::UpstreamPlan;

/// Credentials are asked for again when this is left of them, or half of what was left.
pub const REFRESH_BEFORE_END: Duration = Duration::from_secs(300);

/// Longest time until they are asked for again.
pub const REFRESH_MAX: Duration = Duration::from_secs(900);

/// Shortest time until they are asked for again.
pub const REFRESH_MIN: Duration = Duration::from_secs(1);

/// Time until they are asked for again after a failure.
pub const RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// Why there is nothing to sign with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoCredentials {
    /// Their source has not given any yet.
    #[error("there are no credentials of AWS yet")]
    NotYet,
    /// Their source has given no others in time.
    #[error("the credentials of AWS have ended, and there are no others yet")]
    Ended,
}

/// Where credentials come from, and the last good ones.
#[derive(Debug)]
pub struct Provider {
    source: Source,
    /// The way to a source that is a server.
    plan: Option<UpstreamPlan>,
    current: ArcSwapOption<Credentials>,
    /// Whether a question has been answered, well or not.
    asked: watch::Sender<bool>,
    questions: AtomicU64,
    failures: AtomicU64,
    clock: Clock,
}

impl Provider {
    /// What provides the credentials of `source`. `plan` is the way to it where it is a server.
    #[must_use]
    pub fn new(source: Source, plan: Option<UpstreamPlan>, clock: Clock) -> Self {
        let (asked, _) = watch::channel(plan.is_none());
        let current = match &source {
            Source::Fixed(credentials) => Some(Arc::new(credentials.clone())),
            Source::Server(_) => None,
        };
        Self {
            source,
            plan,
            current: ArcSwapOption::new(current),
            asked,
            questions: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            clock,
        }
    }

    /// Where they come from.
    #[must_use]
    pub const fn source(&self) -> &Source {
        &self.source
    }

    /// Credentials that are good at `now` (seconds since 1970).
    ///
    /// # Errors
    /// There are none.
    pub fn current(&self, now: u64) -> Result<Arc<Credentials>, NoCredentials> {
        let current = self.current.load_full().ok_or(NoCredentials::NotYet)?;
        if current.are_good(now) {
            Ok(current)
        } else {
            Err(NoCredentials::Ended)
        }
    }

    /// Asks for them whenever it is time. Ends at once where they never change. Has to run where tasks
    /// can be spawned locally.
    ///
    /// # Cancel safety
    /// Dropping it ends the question that is under way; the last good ones stay.
    pub async fn refresh(self: Arc<Self>) {
        while let Some(pause) = self.ask().await {
            self.asked.send_replace(true);
            sleep(pause).await;
        }
    }

    /// Waits until a question has been answered, well or not; at once where none is asked. For a start
    /// that wants credentials before the first request.
    pub async fn first_answer(&self) {
        let mut asked = self.asked.subscribe();
        // The sender lives in `self`, so waiting ends only with an answer.
        if asked.wait_for(|asked| *asked).await.is_err() {
            tracing::error!("the source of credentials of AWS ended while it was awaited");
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

    /// Asks once; the time until it is to be asked again, and `None` where there is nothing to ask.
    async fn ask(&self) -> Option<Duration> {
        let (Source::Server(source), Some(plan)) = (&self.source, &self.plan) else {
            return None;
        };
        let answered = server::ask(source, plan).await;
        self.questions.fetch_add(1, Ordering::Relaxed);
        let now = self.clock.unix_seconds();
        let judged = answered.and_then(|credentials| {
            let good = credentials.are_good(now).then_some(credentials);
            good.ok_or(ServerError::Ended)
        });
        match judged {
            Ok(credentials) => {
                let pause = pause_until_next(&credentials, now);
                tracing::debug!(?credentials, "credentials of AWS renewed");
                self.current.store(Some(Arc::new(credentials)));
                Some(pause)
            }
            Err(error) => {
                self.failures.fetch_add(1, Ordering::Relaxed);
                let usable = self.current(now).is_ok();
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, usable, "credentials of AWS not renewed");
                Some(RETRY_INTERVAL)
            }
        }
    }
}

/// Five minutes before their end, or at half of what is left of a shorter life.
fn pause_until_next(credentials: &Credentials, now: u64) -> Duration {
    let Some(end) = credentials.expires_at() else {
        return REFRESH_MAX;
    };
    let left = Duration::from_secs(end.saturating_sub(now));
    let early = left.saturating_sub(REFRESH_BEFORE_END);
    early.max(left / 2).clamp(REFRESH_MIN, REFRESH_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_renewed_five_minutes_before_their_end_or_at_half_time() {
        let pause = |seconds: Option<u64>| {
            let end = seconds.map(|seconds| 1000 + seconds);
            let credentials = Credentials::new("A", "s", None, end).unwrap();
            pause_until_next(&credentials, 1000).as_secs()
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
    fn ended_credentials_sign_nothing() {
        let credentials = Credentials::new("A", "s", None, Some(1000)).unwrap();
        let fixed = Source::Fixed(credentials);
        let provider = Provider::new(fixed, None, Clock::manual(0));
        assert!(provider.current(999).is_ok());
        assert_eq!(provider.current(1000), Err(NoCredentials::Ended));
    }
}
