//! The step: from what is called, and who calls, to what the policies say.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::enrich::{EnrichPlan, enrich};
use super::http::HttpDecider;
use super::question::Asked;
use super::remote::{RemoteEngine, by_others};
use super::tenant::FoundStores;
use super::verified::VerifiedDecider;
use crate::exchange::{Decided, Reason, Refusal, Rejection};
use crate::language::cedar::{Answer, Store};
use crate::model::QuestionMap;
use crate::step::attempt::Attempt;

/// The policy set of a route.
#[derive(Debug)]
pub struct DecidePlan {
    /// Its name.
    pub name: Arc<str>,
    /// Whether it only tells what it would refuse.
    pub is_monitor: bool,
    lookups: Vec<EnrichPlan>,
    engine: Engine,
    /// When the operator was last told of what it would refuse, in seconds since 1970.
    told: AtomicU64,
}

impl DecidePlan {
    /// A plan that nobody has asked yet.
    #[must_use]
    pub const fn new(
        name: Arc<str>,
        is_monitor: bool,
        lookups: Vec<EnrichPlan>,
        engine: Engine,
    ) -> Self {
        Self {
            name,
            is_monitor,
            lookups,
            engine,
            told: AtomicU64::new(0),
        }
    }

    /// Whether it asks about the token that the route's authorizer has accepted.
    #[must_use]
    pub fn wants_token(&self) -> bool {
        match &self.engine {
            Engine::Cedar { .. } | Engine::Http(_) => false,
            Engine::VerifiedPermissions(engine) => engine.decider().wants_token(),
        }
    }

    /// Tells the operator what would be refused, once in a second at most: the access log has all.
    pub fn tell(&self, refusal: &Rejection, now: u64) {
        if self.told.swap(now, Ordering::Relaxed) == now {
            return;
        }
        let detail = refusal.detail.as_deref().unwrap_or_default();
        let reason = refusal.reason.name();
        tracing::warn!(
            reason,
            detail,
            "policy set `{}` would refuse requests",
            self.name
        );
    }
}

/// Who decides.
#[derive(Debug)]
pub enum Engine {
    /// A store of the gateway's own.
    Cedar {
        /// The store.
        store: StorePlan,
        /// What it is asked.
        question: Box<QuestionMap>,
    },
    /// A server.
    Http(RemoteEngine<HttpDecider>),
    /// A policy store of Amazon Verified Permissions.
    VerifiedPermissions(RemoteEngine<VerifiedDecider>),
}

/// Which store is asked.
#[derive(Debug)]
pub enum StorePlan {
    /// Always this one.
    Fixed(Arc<Store>),
    /// The one that a record has.
    Found(Box<FoundStores>),
}

impl StorePlan {
    async fn store(&self, set: &str, attempt: &Attempt<'_>) -> Result<Arc<Store>, Refusal> {
        match self {
            Self::Fixed(store) => Ok(Arc::clone(store)),
            Self::Found(stores) => {
                let store = stores.store(set, attempt).await;
                store.map_err(|why| why.refusal())
            }
        }
    }
}

/// Asks the policy set about a request. `token` is what the route's authorizer has accepted, for a set
/// that [wants it](DecidePlan::wants_token).
///
/// # Cancel safety
/// Safe: nothing is half done.
pub async fn decide(plan: &DecidePlan, attempt: &Attempt<'_>, token: Option<&str>) -> Decided {
    let (refusal, policies) = match enrich(&plan.lookups, attempt).await {
        Ok(records) => {
            let asked = Asked::of(attempt, &records);
            match &plan.engine {
                Engine::Cedar { store, question } => match store.store(&plan.name, attempt).await {
                    Ok(store) => by_store(&store, question, &asked, attempt.called.route),
                    Err(refusal) => (Some(refusal), Vec::new()),
                },
                Engine::Http(engine) => by_others(engine, &asked, attempt, token).await,
                Engine::VerifiedPermissions(engine) => {
                    by_others(engine, &asked, attempt, token).await
                }
            }
        }
        Err(error) => (Some(error.refusal()), Vec::new()),
    };
    Decided {
        set: Arc::clone(&plan.name),
        refusal,
        policies,
    }
}

fn by_store(
    store: &Store,
    question: &QuestionMap,
    asked: &Asked<'_>,
    route: &str,
) -> (Option<Refusal>, Vec<Arc<str>>) {
    let outcome = asked
        .question(question, route)
        .map_err(|error| error.to_string())
        .and_then(|asked| store.answer(&asked).map_err(|error| error.to_string()));
    match outcome {
        Ok(answer) => (refusal(&answer), answer.policies),
        Err(detail) => (Some(failed(detail)), Vec::new()),
    }
}

fn refusal(answer: &Answer) -> Option<Refusal> {
    if answer.is_allowed {
        return None;
    }
    if answer.failed.is_empty() {
        return Some(Refusal {
            reason: Reason::DecisionDenied,
            detail: Some(denial(&answer.policies)),
        });
    }
    Some(failed(format!(
        "policies failed: {}",
        listed(&answer.failed)
    )))
}

/// Why policies deny something, by those that decided.
pub(super) fn denial(policies: &[Arc<str>]) -> String {
    if policies.is_empty() {
        "no policy permits it".to_owned()
    } else {
        format!("forbidden by {}", listed(policies))
    }
}

const fn failed(detail: String) -> Refusal {
    Refusal {
        reason: Reason::DecisionFailed,
        detail: Some(detail),
    }
}

/// Names that are told, beyond which only their number is.
const LISTED_MAX: usize = 4;

fn listed(names: &[Arc<str>]) -> String {
    let shown: Vec<String> = names
        .iter()
        .take(LISTED_MAX)
        .map(|name| format!("`{name}`"))
        .collect();
    let more = names.len().saturating_sub(LISTED_MAX);
    let more = if more == 0 {
        String::new()
    } else {
        format!(" and {more} more")
    };
    format!("{}{more}", shown.join(", "))
}
