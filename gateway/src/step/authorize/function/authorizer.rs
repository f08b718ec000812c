//! One function that authorizes callers, as it runs.

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::Value;

use super::call::{Call, Way};
use super::event;
use super::rejection;
use super::result::{Expected, read};
use crate::exchange::{Context, Exchange, FunctionCall, FunctionCaller, Reason, Rejection, Said};
use crate::model::{
    ApiKind, AuthorizerName, FunctionEvent, FunctionSettings, FunctionSource, PayloadFormat, Track,
};
use crate::step::attempt::{Attempt, Purpose};
use crate::step::authorize::GuardPlan;
use crate::step::authorize::source::sent;
use crate::store::decision::{
    DecisionCache, DecisionKey, Decisions, Flights, Fresh, Lifetime, Looked,
};

/// Functions that are being asked, and who waits for what they return.
type Asked = Flights<FunctionCaller, Rejection>;

/// Asks a function who is calling.
#[derive(Debug)]
pub struct FunctionAuthorizer {
    settings: FunctionSettings,
    way: Way,
    results: Arc<DecisionCache<FunctionCaller>>,
    asked: Arc<Asked>,
}

impl FunctionAuthorizer {
    /// The authorizer `name` with these settings, to whose function `way` leads. As long as its settings
    /// stand and calls are signed as before, `running` hands what it remembers on.
    #[must_use]
    pub fn build(
        name: &AuthorizerName,
        settings: &FunctionSettings,
        way: Way,
        decisions: &Arc<Decisions>,
        running: Option<&Arc<Self>>,
    ) -> Arc<Self> {
        let unchanged = running.filter(|running| {
            running.settings == *settings
                && running.way.is_signed_as(&way)
                && Arc::ptr_eq(running.results.decisions(), decisions)
        });
        let (results, asked) = match unchanged {
            Some(running) => (Arc::clone(&running.results), Arc::clone(&running.asked)),
            None => (Arc::new(decisions.cache(name.as_str())), Arc::default()),
        };
        Arc::new(Self {
            settings: settings.clone(),
            way,
            results,
            asked,
        })
    }

    /// Finds out who makes an attempt: what the function returned of the same caller before, or what it
    /// returns now. Who asks about a caller while others do waits for what these get. `call` is told how a
    /// call went that was made.
    ///
    /// # Errors
    /// 401 where what identifies a caller is absent or the function does not know it, 403 where it simply
    /// says no, 414 where the ARN of the method is too long, 503 where too many wait, 500 for everything
    /// else that is no result.
    ///
    /// # Cancel safety
    /// Dropping the future ends a call that nobody else may wait for.
    pub async fn authorize(
        &self,
        attempt: &Attempt<'_>,
        guard: &GuardPlan,
        call: &mut Option<FunctionCall>,
    ) -> Result<Arc<FunctionCaller>, Rejection> {
        let values = self.values(attempt)?;
        let key = self.key(attempt.exchange, &values);
        let caller = match key {
            Some(key) if self.is_shared(attempt) => {
                self.shared((attempt, guard), &values, key, call).await
            }
            // Boxed: what a call takes would otherwise travel with every request.
            key => Box::pin(self.own((attempt, guard), &values, key, call)).await,
        };
        judged(caller?)
    }

    /// Whether others may get what the function returns. Many functions allow the very method that they
    /// were told of: where a caller could write its path so that this reads as a pattern, the result is
    /// good for this request alone. And nothing is remembered of what is only explained.
    fn is_shared(&self, attempt: &Attempt<'_>) -> bool {
        let path = &attempt.called.decoded;
        let is_for_others = self.settings.answers_simply() || !path.contains(['*', '?', '$']);
        is_for_others && attempt.asking.purpose == Purpose::Serve
    }

    /// What is remembered under `key`, or what the function returns now to all who wait for it.
    async fn shared(
        &self,
        (attempt, guard): (&Attempt<'_>, &GuardPlan),
        values: &[Cow<'_, str>],
        key: DecisionKey,
        called: &mut Option<FunctionCall>,
    ) -> Result<Arc<FunctionCaller>, Rejection> {
        let mut told = None;
        let lifetime = Lifetime {
            now: attempt.now,
            expires_at: u64::MAX,
            ttl: self.settings.result_ttl,
        };
        let begin = || {
            guard.charge(attempt)?;
            let told = told.insert(Rc::new(RefCell::new(None)));
            let call = self.call(attempt, values, told)?;
            Ok(Box::pin(async move {
                let decision = call.await?;
                Ok(Fresh { decision, lifetime })
            }))
        };
        let decided = self.results.decided(&self.asked, key, attempt.now, begin);
        let caller = decided.await.map_err(rejection::of_undecided);
        if let Some(told) = told {
            *called = told.take();
        }
        caller
    }

    /// What is remembered under `key`, where anything is, or what the function returns to this attempt
    /// alone.
    async fn own(
        &self,
        (attempt, guard): (&Attempt<'_>, &GuardPlan),
        values: &[Cow<'_, str>],
        key: Option<DecisionKey>,
        called: &mut Option<FunctionCall>,
    ) -> Result<Arc<FunctionCaller>, Rejection> {
        let known = key.and_then(|key| match attempt.asking.purpose {
            Purpose::Explain { .. } => self.results.peek(&key, attempt.now),
            Purpose::Serve => match self.results.look(&key, attempt.now) {
                Looked::Found(caller) => Some(caller),
                Looked::Missed(_) => None,
            },
        });
        if let Some(caller) = known {
            return Ok(caller);
        }
        if attempt.asking.purpose == (Purpose::Explain { calls: false }) {
            return Err(Reason::NotAsked.into());
        }
        guard.charge(attempt)?;
        let told = Rc::new(RefCell::new(None));
        let caller = self.call(attempt, values, &told)?.await;
        *called = told.take();
        caller
    }

    /// The call, which needs nothing of the attempt any more; how it went goes to `told`.
    fn call(
        &self,
        attempt: &Attempt<'_>,
        values: &[Cow<'_, str>],
        told: &Rc<RefCell<Option<FunctionCall>>>,
    ) -> Result<impl Future<Output = Result<Arc<FunctionCaller>, Rejection>> + use<>, Rejection>
    {
        let (event, expected) = self.event(attempt, values)?;
        let call = Call {
            pool: Rc::clone(attempt.asking.pool),
            budget: attempt.asking.budget.clone(),
            way: self.way.clone(),
            event: event.to_string().into(),
            longest: self.settings.timeout_for(attempt.exchange.kind),
            now: attempt.now,
        };
        let told = Rc::clone(told);
        Ok(async move {
            let answer = call.made(&told).await?;
            let caller = read(&answer.bytes, expected, answer.has_failed);
            caller.map(Arc::new).map_err(rejection::of_result)
        })
    }

    /// What the caller is known by: of a token that alone, otherwise the value of each identity source.
    fn values<'a>(&'a self, attempt: &Attempt<'a>) -> Result<Vec<Cow<'a, str>>, Rejection> {
        let (source, expression) = match &self.settings.event {
            FunctionEvent::Token { source, expression } => (source, expression),
            FunctionEvent::Request { sources, .. } => {
                let values = sources.iter().map(|source| value(source, attempt));
                let values: Option<Vec<_>> = values.collect();
                return values.ok_or_else(|| Reason::TokenMissing.into());
            }
        };
        let token = sent(source, attempt.called.head).filter(|token| !token.is_empty());
        let token = token.ok_or(Reason::TokenMissing)?;
        match expression {
            Some(pattern) if !pattern.matches(&token) => Err(Reason::TokenPattern.into()),
            Some(_) | None => Ok(vec![token]),
        }
    }

    /// What the function is told, and how it has to answer.
    fn event(
        &self,
        attempt: &Attempt<'_>,
        values: &[Cow<'_, str>],
    ) -> Result<(Value, Expected), Rejection> {
        let arn = attempt.called.arn(attempt.exchange)?;
        let (format, simple_responses) = match &self.settings.event {
            FunctionEvent::Token { .. } => {
                let token = values.first().map_or("", AsRef::as_ref);
                return Ok((event::token(token, &arn), Expected::Policy));
            }
            FunctionEvent::Request {
                format,
                simple_responses,
                ..
            } => (format, *simple_responses),
        };
        Ok(match (attempt.exchange.kind, format) {
            (ApiKind::Rest, _) => (event::rest(attempt, &arn), Expected::Policy),
            (ApiKind::Http, Some(PayloadFormat::V1)) => {
                (event::http_v1(attempt, &arn, values), Expected::Policy)
            }
            (ApiKind::Http, Some(PayloadFormat::V2) | None) => {
                let expected = if simple_responses {
                    Expected::Simple
                } else {
                    Expected::PolicyAndAnything
                };
                (event::http_v2(attempt, &arn, values), expected)
            }
        })
    }

    /// What a result is found by: the track of a stage, and each of the values; `None` where nothing is
    /// remembered.
    fn key(&self, exchange: &Exchange, values: &[Cow<'_, str>]) -> Option<DecisionKey> {
        if self.settings.result_ttl.is_zero() {
            return None;
        }
        let deployed = exchange.deployed.as_ref()?;
        let track = match deployed.track {
            Track::Base => "base",
            Track::Canary => "canary",
        };
        let scope = [deployed.arn.as_bytes(), track.as_bytes()].into_iter();
        let parts: Vec<&[u8]> = scope.chain(values.iter().map(|it| it.as_bytes())).collect();
        Some(self.results.key(0, &parts))
    }
}

/// A value that a caller is known by, unless there is none.
fn value<'a>(source: &'a FunctionSource, attempt: &Attempt<'a>) -> Option<Cow<'a, str>> {
    let value = match source {
        FunctionSource::Sent(source) => sent(source, attempt.called.head),
        FunctionSource::Known(reference) => {
            let context = Context {
                exchange: attempt.exchange,
                refused: None,
            };
            reference
                .resolve(&context)
                .map(|value| Cow::Owned(value.into_owned()))
        }
    };
    value.filter(|value| !value.is_empty())
}

/// A simple response decides here; policies are asked about each method.
fn judged(caller: Arc<FunctionCaller>) -> Result<Arc<FunctionCaller>, Rejection> {
    match caller.says {
        Said::Simply(false) => Err(Reason::FunctionDenied.into()),
        Said::Simply(true) | Said::Policies(_) => Ok(caller),
    }
}
