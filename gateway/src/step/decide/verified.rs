//! Policy stores of Amazon Verified Permissions, and what they are asked.
//!
//! A store is asked about the entities of a question, with what the request says of them, or about the
//! token that the route's authorizer has accepted; whom that is about, the service finds out. Its answer
//! counts as one of our own stores does: where a policy failed, nobody knows what it would have said.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::found::FoundPlan;
use super::question::{Asked, PRINCIPAL, Unaskable};
use super::remote::{Decider, Said, Unanswered};
use super::server::Means;
use super::tenant::NoStore;
use crate::aws::verified_permissions::{Entity, Principal, Question, Written, ask};
use crate::aws::{AskError, Calling, Client};
use crate::exchange::Refusal;
use crate::language::cedar::{EntityName, each_once, members};
use crate::model::{CallMap, TokenKind, VerifiedPrincipal, VerifiedStore, VerifiedStoreId};
use crate::step::attempt::Attempt;
use crate::upstream::CallBounds;

/// Largest answer that is read.
pub const VERIFIED_ANSWER_BYTES_MAX: usize = 256 * 1024;

/// A service with policy stores, and how one of them is asked.
#[derive(Debug)]
pub struct VerifiedDecider {
    client: Arc<Client>,
    policy_store: VerifiedStorePlan,
    principal: VerifiedPrincipal,
    call: CallMap,
    timeout: Duration,
}

/// Which store is asked.
#[derive(Debug)]
pub enum VerifiedStorePlan {
    /// Always the one of this id.
    Fixed(String),
    /// The one whose id a record has.
    Found(FoundPlan),
}

/// An entity as the service names it.
struct Named<'a> {
    kind: String,
    id: &'a str,
}

impl VerifiedDecider {
    /// As `engine` says; `client` leads to the service, and `policy_store` to the store.
    #[must_use]
    pub fn new(
        engine: &VerifiedStore,
        client: Arc<Client>,
        policy_store: VerifiedStorePlan,
    ) -> Self {
        Self {
            client,
            policy_store,
            principal: engine.principal.clone(),
            call: engine.call.clone(),
            timeout: engine.timeout,
        }
    }

    /// Whether it asks about the token that the route's authorizer has accepted.
    pub(super) const fn wants_token(&self) -> bool {
        match self.principal {
            VerifiedPrincipal::Token(_) => true,
            VerifiedPrincipal::Entity(_) => false,
        }
    }

    /// Asks the store of this id about whoever calls.
    fn written(
        &self,
        policy_store: &str,
        asked: &Asked<'_>,
        route: &str,
        token: Option<&str>,
    ) -> Result<Written, Unaskable> {
        let call = asked.call(&self.call, route)?;
        let described = match &self.principal {
            VerifiedPrincipal::Entity(map) => Some(asked.entity(map, PRINCIPAL)?),
            VerifiedPrincipal::Token(_) => None,
        };
        // The service has to know of an entity only what is not its name.
        let entities = each_once(described.as_ref(), &call.resource)?
            .iter()
            .map(|(_, entity)| entity.written())
            .collect::<Result<Vec<Value>, _>>()?;
        let context = members(&call.context)?;
        let caller = described.as_ref().map(|it| Named::of(&it.name));
        let principal = match (&self.principal, &caller) {
            (VerifiedPrincipal::Entity(_), caller) => {
                let caller = caller.as_ref().ok_or(Unaskable::Missing(PRINCIPAL))?;
                Principal::Entity(caller.entity())
            }
            (VerifiedPrincipal::Token(TokenKind::Access), _) => {
                Principal::AccessToken(token.ok_or(Unaskable::Token)?)
            }
            (VerifiedPrincipal::Token(TokenKind::Identity), _) => {
                Principal::IdentityToken(token.ok_or(Unaskable::Token)?)
            }
        };
        let (action, resource) = (Named::of(&call.action), Named::of(&call.resource.name));
        Ok(Written::of(&Question {
            policy_store,
            principal,
            action: action.entity(),
            resource: resource.entity(),
            context: &context,
            entities: &entities,
        }))
    }
}

impl Decider for VerifiedDecider {
    type Question = Written;

    async fn question(
        &self,
        asked: &Asked<'_>,
        attempt: &Attempt<'_>,
        token: Option<&str>,
    ) -> Result<Written, Refusal> {
        let route = attempt.called.route;
        let written = match &self.policy_store {
            VerifiedStorePlan::Fixed(id) => self.written(id, asked, route, token),
            VerifiedStorePlan::Found(found) => {
                let record = found.record(attempt).await.map_err(|why| why.refusal())?;
                let id = match record.as_deref().map(|record| found.value(record)) {
                    None => Err(NoStore::NoRecord(Arc::clone(found.lookup.name()))),
                    Some(Some(Value::String(id))) if VerifiedStoreId::is_id(id) => Ok(id),
                    Some(_) => Err(NoStore::NoId(Arc::clone(found.lookup.name()))),
                };
                let id = id.map_err(|why| why.refusal())?;
                self.written(id, asked, route, token)
            }
        };
        written.map_err(|why| why.refusal())
    }

    fn parts(question: &Written) -> Vec<&[u8]> {
        question.parts().into()
    }

    async fn ask(&self, question: Written, means: &Means) -> Result<Said, Unanswered> {
        let calling = Calling {
            pool: &means.pool,
            budget: &means.budget,
            bounds: CallBounds {
                timeout: self.timeout,
                bytes_max: VERIFIED_ANSWER_BYTES_MAX,
            },
            now: means.now,
        };
        let answer = ask(&self.client, &question, calling).await;
        let answer = answer.map_err(|error| Unanswered::Service(told(&error)))?;
        Ok(Said {
            is_allowed: answer.is_allowed,
            policies: Some(answer.policies.into_iter().map(Arc::from).collect()),
            errors: answer.errors,
        })
    }
}

impl<'a> Named<'a> {
    fn of(name: &'a EntityName) -> Self {
        Self {
            kind: name.kind.to_string(),
            id: &name.id,
        }
    }

    fn entity(&self) -> Entity<'_> {
        Entity {
            kind: &self.kind,
            id: self.id,
        }
    }
}

/// What the service says besides the name of its fault may quote the question.
fn told(error: &AskError) -> String {
    match error {
        AskError::Fault(fault) => format!("the service answered {}, {}", fault.status, fault.name),
        AskError::BasePath(_) | AskError::Call(_) | AskError::Answer(_) => error.to_string(),
    }
}
