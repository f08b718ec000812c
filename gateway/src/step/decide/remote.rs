//! Whoever decides elsewhere: one question, one answer that is remembered for a while.
//!
//! What decides nothing refuses the request, and nothing of it is remembered.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use super::plan::denial;
use super::question::{Asked, Unaskable};
use super::server::Means;
use crate::exchange::{Caller, Reason, Refusal};
use crate::oauth::NoToken;
use crate::step::attempt::{Attempt, NEVER_ASKS};
use crate::store::decision::{DecisionCache, Flights, Fresh, Lifetime, Remembered, Undecided};

/// Somebody who decides, and what is remembered of the answers.
#[derive(Debug)]
pub struct RemoteEngine<D> {
    decider: Arc<D>,
    ttl: Duration,
    remembered: Arc<DecisionCache<RemoteDecision>>,
    flights: Arc<Flights<RemoteDecision, Unanswered>>,
}

/// Who decides.
pub(super) trait Decider: 'static {
    /// What is asked.
    type Question: 'static;

    /// What is asked about an attempt of whoever has `token`, of which `asked` is what can be asked.
    async fn question(
        &self,
        asked: &Asked<'_>,
        attempt: &Attempt<'_>,
        token: Option<&str>,
    ) -> Result<Self::Question, Refusal>;

    /// All of a question: what differs in nothing is one.
    fn parts(question: &Self::Question) -> Vec<&[u8]>;

    /// What is said.
    async fn ask(&self, question: Self::Question, means: &Means) -> Result<Said, Unanswered>;
}

/// What was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// Whether it is allowed, as far as policies could be evaluated.
    pub(super) is_allowed: bool,
    /// The policies that decided; `None` where nobody names any.
    pub(super) policies: Option<Vec<Arc<str>>>,
    /// Policies that could not be evaluated.
    pub(super) errors: usize,
}

/// What was said, and of whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteDecision {
    said: Said,
    principal: Option<Box<str>>,
}

impl Remembered for RemoteDecision {
    fn bytes(&self) -> usize {
        let policies = self.said.policies.iter().flatten();
        // Each has two counters in front.
        let policies: usize = policies
            .map(|id| id.len() + 2 * size_of::<Arc<str>>())
            .sum();
        let principal = self.principal.as_ref().map_or(0, |name| name.len());
        size_of::<Self>() + policies + principal
    }

    fn principal(&self) -> Option<&str> {
        self.principal.as_deref()
    }
}

/// Why nothing was said. Nothing of the request is quoted: logs may hold this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unanswered {
    /// The request has nothing to ask about.
    #[error("the request has no value for what is asked")]
    NoQuestion,
    /// There is nothing to show the server.
    #[error(transparent)]
    Token(#[from] NoToken),
    /// No answer came.
    #[error("the server did not answer: {0}")]
    Call(String),
    /// A service of AWS decided nothing, and this says why.
    #[error("{0}")]
    Service(String),
    /// An answer of another kind came.
    #[error("the server answered {0}")]
    Status(StatusCode),
    /// What came is no JSON.
    #[error("the server answered no JSON")]
    Json,
    /// It has nothing where the answer should be.
    #[error("the server's answer has no value where `allow.at` says")]
    Nothing,
    /// More wait than may.
    #[error("too many wait for answers of the server already")]
    Crowded,
    /// The worker that asked has ended.
    #[error("whoever asked the server has ended")]
    Abandoned,
    /// Nobody is asked just to explain.
    #[error("the server would be asked, and was not: nothing is remembered of this")]
    NotAsked,
}

impl<D> RemoteEngine<D> {
    /// One of whose answers nothing is remembered yet, and none longer than `ttl`.
    #[must_use]
    pub fn new(decider: D, ttl: Duration, remembered: DecisionCache<RemoteDecision>) -> Self {
        Self {
            decider: Arc::new(decider),
            ttl,
            remembered: Arc::new(remembered),
            flights: Arc::default(),
        }
    }

    /// Who decides.
    pub(super) fn decider(&self) -> &D {
        &self.decider
    }
}

/// What `engine` says of an attempt of whoever has `token`, of which `asked` is what can be asked: why it is
/// refused, if it is, and the policies that decided.
///
/// # Cancel safety
/// Safe: the question goes on, and who asks the same finds what it came to.
pub(super) async fn by_others<D: Decider>(
    engine: &RemoteEngine<D>,
    asked: &Asked<'_>,
    attempt: &Attempt<'_>,
    token: Option<&str>,
) -> (Option<Refusal>, Vec<Arc<str>>) {
    let question = match engine.decider.question(asked, attempt, token).await {
        Ok(question) => question,
        Err(refusal) => return (Some(refusal), Vec::new()),
    };
    match ask(engine, question, attempt).await {
        Ok(decision) => {
            let policies = decision.said.policies.clone().unwrap_or_default();
            (decision.said.refusal(), policies)
        }
        Err(why) => (Some(why.refusal()), Vec::new()),
    }
}

async fn ask<D: Decider>(
    engine: &RemoteEngine<D>,
    question: D::Question,
    attempt: &Attempt<'_>,
) -> Result<Arc<RemoteDecision>, Unanswered> {
    let caller = attempt.exchange.caller.as_ref();
    let principal = caller.and_then(Caller::subject).map(Into::into);
    let key = engine.remembered.key(0, &D::parts(&question));
    let means = Means {
        pool: Rc::clone(attempt.asking.pool),
        budget: attempt.asking.budget.clone(),
        now: attempt.now,
    };
    let (decider, ttl, now) = (Arc::clone(&engine.decider), engine.ttl, attempt.now);
    let asking = async move {
        let said = decider.ask(question, &means).await?;
        Ok(Arc::new(RemoteDecision { said, principal }))
    };
    if ttl.is_zero() && attempt.asking.purpose != NEVER_ASKS {
        return asking.await;
    }
    let begin = || {
        if attempt.asking.purpose == NEVER_ASKS {
            return Err(Unanswered::NotAsked);
        }
        Ok(async move {
            let decision = asking.await?;
            let lifetime = Lifetime {
                now,
                // The caller's token is judged with every request.
                expires_at: u64::MAX,
                ttl,
            };
            Ok(Fresh { decision, lifetime })
        })
    };
    let decided = engine
        .remembered
        .decided(&engine.flights, key, now, begin)
        .await;
    decided.map_err(|undecided| match undecided {
        Undecided::Failed(why) => why,
        Undecided::Crowded => Unanswered::Crowded,
        Undecided::Abandoned => Unanswered::Abandoned,
    })
}

impl Said {
    fn refusal(&self) -> Option<Refusal> {
        if self.errors > 0 {
            let detail = format!("policies failed: {}", self.errors);
            return Some(Refusal {
                reason: Reason::DecisionFailed,
                detail: Some(detail),
            });
        }
        if self.is_allowed {
            return None;
        }
        Some(Refusal {
            reason: Reason::DecisionDenied,
            detail: self.policies.as_deref().map(denial),
        })
    }
}

impl Unanswered {
    pub(super) fn refusal(&self) -> Refusal {
        Refusal {
            reason: Reason::DecisionUnavailable,
            detail: Some(self.to_string()),
        }
    }
}

impl Unaskable {
    /// Of a question that the request cannot make.
    pub(super) fn refusal(&self) -> Refusal {
        Refusal {
            reason: Reason::DecisionFailed,
            detail: Some(self.to_string()),
        }
    }
}
