//! Credentials that are there when a request needs them.

use std::sync::Arc;
use std::time::Duration;

use super::Credentials;
use super::server::{self, ServerError};
use super::source::Source;
use crate::clock::Clock;
use crate::store::kept::{Kept, NoneKept, Perishable, Unrenewed};
use crate::upstream::UpstreamPlan;

/// Longest time until they are asked for again.
pub const REFRESH_MAX: Duration = Duration::from_secs(900);

impl Perishable for Credentials {
    const REFRESH_MAX: Duration = REFRESH_MAX;

    fn expires_at(&self) -> Option<u64> {
        self.expires_at()
    }
}

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
    kept: Kept<Credentials>,
}

impl Provider {
    /// What provides the credentials of `source`. `plan` is the way to it where it is a server.
    #[must_use]
    pub fn new(source: Source, plan: Option<UpstreamPlan>, clock: Clock) -> Self {
        let current = match &source {
            Source::Fixed(credentials) => Some(credentials.clone()),
            Source::Server(_) => None,
        };
        Self {
            source,
            plan,
            kept: Kept::new(current, clock),
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
        self.kept.current(now).map_err(|none| match none {
            NoneKept::NotYet => NoCredentials::NotYet,
            NoneKept::Ended => NoCredentials::Ended,
        })
    }

    /// Asks for them whenever it is time. Ends at once where they never change. Has to run where tasks
    /// can be spawned locally.
    ///
    /// # Cancel safety
    /// Dropping it ends the question that is under way; the last good ones stay.
    pub async fn refresh(self: Arc<Self>) {
        if let (Source::Server(source), Some(plan)) = (&self.source, &self.plan) {
            let ask = async || server::ask(source, plan).await;
            self.kept.keep(ask, tell).await;
        }
    }

    /// See [`Kept::first_answer`].
    pub async fn first_answer(&self) {
        self.kept.first_answer().await;
    }

    /// Questions that were answered, well or not.
    #[must_use]
    pub fn questions(&self) -> u64 {
        self.kept.questions()
    }

    /// Questions that failed, which are among them.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.kept.failures()
    }
}

fn tell(outcome: Result<&Credentials, (&Unrenewed<ServerError>, bool)>) {
    match outcome {
        Ok(credentials) => tracing::debug!(?credentials, "credentials of AWS renewed"),
        Err((error, usable)) => {
            let error: &dyn std::error::Error = error;
            tracing::warn!(error, usable, "credentials of AWS not renewed");
        }
    }
}
