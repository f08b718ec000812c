//! Servers that decide: one question over HTTP, one answer that is remembered for a while.
//!
//! What is not plainly a yes or a no decides nothing: another status than 200, no JSON, nothing where
//! the answer should be, no answer in time. The request is refused then, and nothing is remembered.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::uri::PathAndQuery;
use http::{Method, Request, StatusCode};
use serde_json::Value;

use super::question::Asked;
use super::server::{JSON, Means, NoAnswer, Server};
use crate::exchange::Caller;
use crate::language::document::Document;
use crate::language::json_path::{Found, JsonPath};
use crate::model::HttpEngine;
use crate::oauth::{NoToken, Shown};
use crate::step::attempt::{Attempt, NEVER_ASKS};
use crate::store::decision::{DecisionCache, Flights, Fresh, Lifetime, Remembered, Undecided};
use crate::upstream::{CallBounds, UpstreamPlan};

/// Largest answer that is read.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// A server, and what is remembered of its answers.
#[derive(Debug)]
pub struct RemoteEngine {
    decider: Arc<Decider>,
    request: Document,
    ttl: Duration,
    remembered: Arc<DecisionCache<RemoteDecision>>,
    flights: Arc<Flights<RemoteDecision, Unanswered>>,
}

/// How a server is asked, and what its answer means.
#[derive(Debug)]
struct Decider {
    server: Server,
    path: PathAndQuery,
    answer_at: JsonPath,
    allowed: Value,
}

/// What a server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteDecision {
    is_allowed: bool,
    principal: Option<Box<str>>,
}

impl Remembered for RemoteDecision {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.principal.as_ref().map_or(0, |name| name.len())
    }

    fn principal(&self) -> Option<&str> {
        self.principal.as_deref()
    }
}

/// Why a server said nothing. Nothing of the request is quoted: logs may hold this.
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

impl RemoteEngine {
    /// Of what the configuration says; `plan` leads to the server, which is shown `authorization`.
    ///
    /// # Errors
    /// Where its path cannot be asked for.
    pub fn new(
        engine: &HttpEngine,
        plan: Arc<UpstreamPlan>,
        authorization: Option<Shown>,
        remembered: DecisionCache<RemoteDecision>,
    ) -> Result<Self, http::uri::InvalidUri> {
        Ok(Self {
            decider: Arc::new(Decider {
                server: Server::new(
                    plan,
                    authorization,
                    CallBounds {
                        timeout: engine.timeout,
                        bytes_max: ANSWER_BYTES_MAX,
                    },
                ),
                path: engine.remote.path.parse()?,
                answer_at: engine.answer_at.clone(),
                allowed: engine.allowed.clone(),
            }),
            request: engine.request.clone(),
            ttl: engine.decision_ttl,
            remembered: Arc::new(remembered),
            flights: Arc::default(),
        })
    }

    /// Whether the server allows an attempt, of which `asked` is what can be asked.
    ///
    /// # Cancel safety
    /// Safe: the question goes on, and who asks the same finds what it came to.
    pub(super) async fn ask(
        &self,
        asked: &Asked<'_>,
        attempt: &Attempt<'_>,
    ) -> Result<bool, Unanswered> {
        let question = asked
            .document(&self.request)
            .ok_or(Unanswered::NoQuestion)?;
        let question = Bytes::from(question.to_string());
        let caller = attempt.exchange.caller.as_ref();
        let principal = caller.and_then(Caller::subject).map(Into::into);
        let key = self.remembered.key(0, &[&question]);
        let means = Means {
            pool: Rc::clone(attempt.asking.pool),
            budget: attempt.asking.budget.clone(),
            now: attempt.now,
        };
        let (decider, ttl, now) = (Arc::clone(&self.decider), self.ttl, attempt.now);
        if ttl.is_zero() && attempt.asking.purpose != NEVER_ASKS {
            return decider.ask(question, &means).await;
        }
        let begin = || {
            if attempt.asking.purpose == NEVER_ASKS {
                return Err(Unanswered::NotAsked);
            }
            Ok(async move {
                let is_allowed = decider.ask(question, &means).await?;
                let decision = Arc::new(RemoteDecision {
                    is_allowed,
                    principal,
                });
                let lifetime = Lifetime {
                    now,
                    // The caller's token is judged with every request.
                    expires_at: u64::MAX,
                    ttl,
                };
                Ok(Fresh { decision, lifetime })
            })
        };
        let decided = self
            .remembered
            .decided(&self.flights, key, now, begin)
            .await;
        match decided {
            Ok(decision) => Ok(decision.is_allowed),
            Err(Undecided::Failed(why)) => Err(why),
            Err(Undecided::Crowded) => Err(Unanswered::Crowded),
            Err(Undecided::Abandoned) => Err(Unanswered::Abandoned),
        }
    }
}

impl Decider {
    async fn ask(&self, question: Bytes, means: &Means) -> Result<bool, Unanswered> {
        let mut request = Request::new(question);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.path.clone().into();
        request.headers_mut().insert(CONTENT_TYPE, JSON);
        let answer = self.server.ask(request, means).await;
        let answer = answer.map_err(|error| match error {
            NoAnswer::Token(error) => Unanswered::Token(error),
            NoAnswer::Call(error) => Unanswered::Call(error.to_string()),
        })?;
        if answer.status() != StatusCode::OK {
            return Err(Unanswered::Status(answer.status()));
        }
        let answer: Value =
            serde_json::from_slice(answer.body()).map_err(|_error| Unanswered::Json)?;
        match self.answer_at.find(&answer) {
            Some(Found::One(value)) => Ok(*value == self.allowed),
            // Of none, nobody can say that all of them are so.
            Some(Found::Many(values)) if !values.is_empty() => {
                Ok(values.into_iter().all(|value| *value == self.allowed))
            }
            Some(Found::Many(_)) | None => Err(Unanswered::Nothing),
        }
    }
}
