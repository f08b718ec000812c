//! One client of an authorization server, with the token that it has.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::answer::{AnswerError, read};
use super::request::{RequestError, request};
use crate::body::BodyBudget;
use crate::clock::Clock;
use crate::model::{BearerToken, OAuthClient, OAuthClientName};
use crate::store::kept::{Kept, NoneKept, Perishable, Unrenewed};
use crate::upstream::{CallBounds, CallError, Pool, UpstreamPlan, call};

/// Longest time for one question, and for the connection that it needs.
pub const TIMEOUT: Duration = Duration::from_secs(5);

/// Largest answer that is read.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Longest time until another token is asked for.
pub const REFRESH_MAX: Duration = Duration::from_secs(24 * 3600);

/// A token, and when it ends.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) bearer: BearerToken,
    /// In seconds since 1970.
    pub(super) expires_at: u64,
}

impl Perishable for Token {
    const REFRESH_MAX: Duration = REFRESH_MAX;

    fn expires_at(&self) -> Option<u64> {
        Some(self.expires_at)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Why a server gave no token.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It cannot be asked.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// It did not answer.
    #[error("it gave no answer")]
    Call(#[from] CallError),
    /// Its answer has none.
    #[error(transparent)]
    Answer(#[from] AnswerError),
}

/// Why there is no token to show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoToken {
    /// None has been given yet.
    #[error("the client `{0}` has been given no token yet")]
    NotYet(OAuthClientName),
    /// The last has ended.
    #[error("the last token of the client `{0}` has ended, and there is no other yet")]
    Ended(OAuthClientName),
}

/// A client, the way to its server, and the last good token.
#[derive(Debug)]
pub struct Client {
    settings: OAuthClient,
    plan: UpstreamPlan,
    clock: Clock,
    kept: Kept<Token>,
}

impl Client {
    /// A client without a token, to whose server `plan` leads.
    #[must_use]
    pub fn new(settings: OAuthClient, plan: UpstreamPlan, clock: Clock) -> Self {
        Self {
            settings,
            plan,
            kept: Kept::new(None, clock.clone()),
            clock,
        }
    }

    /// What it was built from.
    #[must_use]
    pub const fn settings(&self) -> &OAuthClient {
        &self.settings
    }

    /// Asks for a token whenever it is time. Has to run where tasks can be spawned locally.
    ///
    /// # Cancel safety
    /// Dropping it ends the question that is under way; the last good token stays.
    pub async fn refresh(self: Arc<Self>) {
        let name = &self.settings.name;
        let tell = |outcome: Result<&Token, (&Unrenewed<FetchError>, bool)>| match outcome {
            Ok(token) => tracing::debug!(?token, "token of the client `{name}` renewed"),
            Err((error, usable)) => {
                let error: &dyn std::error::Error = error;
                tracing::warn!(error, usable, "token of the client `{name}` not renewed");
            }
        };
        self.kept.keep(async || self.ask().await, tell).await;
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

    /// A token that is good at `now` (seconds since 1970).
    pub(super) fn current(&self, now: u64) -> Result<Arc<Token>, NoToken> {
        let name = || self.settings.name.clone();
        self.kept.current(now).map_err(|none| match none {
            NoneKept::NotYet => NoToken::NotYet(name()),
            NoneKept::Ended => NoToken::Ended(name()),
        })
    }

    /// See [`Kept::unwanted`].
    pub(super) fn unwanted(&self, token: &Arc<Token>) {
        self.kept.unwanted(token);
    }

    async fn ask(&self) -> Result<Token, FetchError> {
        // A token ages while it is on its way.
        let asked_at = self.clock.unix_seconds();
        let bounds = CallBounds {
            timeout: TIMEOUT,
            bytes_max: ANSWER_BYTES_MAX,
        };
        let budget = BodyBudget::new(ANSWER_BYTES_MAX as u64);
        let pool = Rc::new(Pool::default());
        let request = request(&self.settings)?;
        // Boxed: a handshake's state is large, and this runs rarely.
        let answer = Box::pin(call(&pool, &self.plan, request, bounds, &budget)).await?;
        Ok(read(answer.status(), answer.body(), asked_at)?)
    }
}
