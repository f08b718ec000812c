//! Asking a policy store of Amazon Verified Permissions.
//!
//! Context and entities travel as Cedar writes them in JSON. An answer that is not plainly one of the two
//! decisions is an error. What the service says of errors in policies may quote attributes and is not
//! kept, only that there were any. Source: Amazon Verified Permissions API Reference, `IsAuthorized` and
//! `IsAuthorizedWithToken`.

use std::fmt;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::json::{self, AskError};
use super::{Calling, Client};

/// Most policies that are named of an answer.
const POLICIES_MAX: usize = 64;

/// An entity, or an action: its type, with its namespace, and its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entity<'a> {
    /// Such as `Shop::User`.
    pub kind: &'a str,
    /// Such as `alice`.
    pub id: &'a str,
}

/// Who wants to do something. Its `Debug` shows no token.
#[derive(Clone, Copy)]
pub enum Principal<'a> {
    /// This entity.
    Entity(Entity<'a>),
    /// Whom a token of a user is about, as the service finds out.
    IdentityToken(&'a str),
    /// Whom a token for access is about.
    AccessToken(&'a str),
}

impl fmt::Debug for Principal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entity(entity) => entity.fmt(f),
            Self::IdentityToken(_) => f.write_str("IdentityToken(..)"),
            Self::AccessToken(_) => f.write_str("AccessToken(..)"),
        }
    }
}

/// Whether somebody may do something.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Id of the policy store, or its alias behind `policy-store-alias/`.
    pub policy_store: &'a str,
    /// Who.
    pub principal: Principal<'a>,
    /// What.
    pub action: Entity<'a>,
    /// With what.
    pub resource: Entity<'a>,
    /// Members of the context, in Cedar's JSON.
    pub context: &'a Map<String, Value>,
    /// Entities with their attributes and parents, in Cedar's JSON.
    pub entities: &'a [Value],
}

/// What the service says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization {
    /// Whether it allows it.
    pub is_allowed: bool,
    /// Ids of the policies that decided, at most 64; of a denial for want of a permit none.
    pub policies: Vec<String>,
    /// Policies that could not be evaluated, and therefore did not count.
    pub errors: usize,
}

/// Asks whether `question` is to be answered with yes.
///
/// # Errors
/// See [`AskError`].
///
/// # Cancel safety
/// Dropping the future closes the connection it uses.
pub async fn is_authorized(
    client: &Client,
    question: &Question<'_>,
    calling: Calling<'_>,
) -> Result<Authorization, AskError> {
    ask(client, &Written::of(question), calling).await
}

/// A question as it is sent. Its `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Written {
    operation: &'static str,
    body: Bytes,
}

impl Written {
    /// Writes `question`.
    #[must_use]
    pub fn of(question: &Question<'_>) -> Self {
        let (operation, body) = written(question);
        Self {
            operation,
            body: Bytes::from(Value::Object(body).to_string()),
        }
    }

    /// All of it, a token included: what differs in nothing is one question.
    #[must_use]
    pub fn parts(&self) -> [&[u8]; 2] {
        [self.operation.as_bytes(), &self.body]
    }
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Written(..)")
    }
}

/// As [`is_authorized`], of a question that is written already.
///
/// # Errors
/// See [`AskError`].
///
/// # Cancel safety
/// Dropping the future closes the connection it uses.
pub async fn ask(
    client: &Client,
    question: &Written,
    calling: Calling<'_>,
) -> Result<Authorization, AskError> {
    let (operation, body) = (question.operation, question.body.clone());
    read(&json::ask_written(client, operation, body, calling).await?)
}

fn written(question: &Question<'_>) -> (&'static str, Map<String, Value>) {
    let entity = |entity: Entity<'_>| json!({"entityType": entity.kind, "entityId": entity.id});
    let action = json!({"actionType": question.action.kind, "actionId": question.action.id});
    let with_token = "VerifiedPermissions.IsAuthorizedWithToken";
    let (operation, who, principal) = match question.principal {
        Principal::Entity(principal) => {
            let operation = "VerifiedPermissions.IsAuthorized";
            (operation, "principal", entity(principal))
        }
        Principal::IdentityToken(token) => (with_token, "identityToken", Value::from(token)),
        Principal::AccessToken(token) => (with_token, "accessToken", Value::from(token)),
    };
    let mut body = json::members([
        ("policyStoreId", Value::from(question.policy_store)),
        (who, principal),
        ("action", action),
        ("resource", entity(question.resource)),
    ]);
    let cedar = |value: Value| json!({ "cedarJson": value.to_string() });
    if !question.context.is_empty() {
        let context = cedar(Value::Object(question.context.clone()));
        body.insert("context".to_owned(), context);
    }
    if !question.entities.is_empty() {
        let entities = cedar(Value::from(question.entities.to_vec()));
        body.insert("entities".to_owned(), entities);
    }
    (operation, body)
}

fn read(answer: &Map<String, Value>) -> Result<Authorization, AskError> {
    let is_allowed = match answer.get("decision").and_then(Value::as_str) {
        Some("ALLOW") => true,
        Some("DENY") => false,
        Some(_) | None => return Err(AskError::Answer("`decision` is neither `ALLOW` nor `DENY`")),
    };
    let list = |name: &str| answer.get(name).and_then(Value::as_array);
    let policies = list("determiningPolicies");
    let policies = policies.ok_or(AskError::Answer("`determiningPolicies` is no list"))?;
    let errors = list("errors").ok_or(AskError::Answer("`errors` is no list"))?;
    let ids = policies.iter().take(POLICIES_MAX).map(|policy| {
        let id = policy.get("policyId").and_then(Value::as_str);
        id.map(str::to_owned)
    });
    let ids: Option<Vec<String>> = ids.collect();
    Ok(Authorization {
        is_allowed,
        policies: ids.ok_or(AskError::Answer("a determining policy has no `policyId`"))?,
        errors: errors.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: Entity<'_> = Entity {
        kind: "Shop::User",
        id: "alice",
    };

    fn question<'a>(
        principal: Principal<'a>,
        context: &'a Map<String, Value>,
        entities: &'a [Value],
    ) -> Question<'a> {
        Question {
            policy_store: "PS1",
            principal,
            action: Entity {
                kind: "Shop::Action",
                id: "read",
            },
            resource: Entity {
                kind: "Shop::Order",
                id: "7",
            },
            context,
            entities,
        }
    }

    #[test]
    fn who_asks_is_an_entity_or_a_token() {
        let context = Map::from_iter([("ip".to_owned(), json!("127.0.0.1"))]);
        let entities =
            [json!({"uid": {"type": "Shop::User", "id": "alice"}, "attrs": {}, "parents": []})];
        let (operation, body) = written(&question(Principal::Entity(ALICE), &context, &entities));
        assert_eq!(operation, "VerifiedPermissions.IsAuthorized");
        let expected = json!({
            "policyStoreId": "PS1",
            "principal": {"entityType": "Shop::User", "entityId": "alice"},
            "action": {"actionType": "Shop::Action", "actionId": "read"},
            "resource": {"entityType": "Shop::Order", "entityId": "7"},
            "context": {"cedarJson": r#"{"ip":"127.0.0.1"}"#},
            "entities": {"cedarJson":
                r#"[{"uid":{"type":"Shop::User","id":"alice"},"attrs":{},"parents":[]}]"#},
        });
        assert_eq!(Value::Object(body), expected);

        let nothing = Map::new();
        for (principal, member) in [
            (Principal::IdentityToken("hidden"), "identityToken"),
            (Principal::AccessToken("hidden"), "accessToken"),
        ] {
            let question = question(principal, &nothing, &[]);
            let (operation, body) = written(&question);
            assert_eq!(operation, "VerifiedPermissions.IsAuthorizedWithToken");
            assert_eq!(body[member], "hidden");
            assert_eq!(body.len(), 4);
            let written = Written::of(&question);
            assert!(!format!("{question:?} {written:?}").contains("hidden"));
        }
    }

    #[test]
    fn only_a_plain_decision_is_one() {
        let read_json = |answer: Value| read(answer.as_object().unwrap());
        let answer = json!({
            "decision": "ALLOW", "determiningPolicies": [{"policyId": "a"}, {"policyId": "b"}],
            "errors": [{"errorDescription": "hidden"}], "principal": {},
        });
        let expected = Authorization {
            is_allowed: true,
            policies: vec!["a".to_owned(), "b".to_owned()],
            errors: 1,
        };
        assert_eq!(read_json(answer).unwrap(), expected);
        let denied = json!({"decision": "DENY", "determiningPolicies": [], "errors": []});
        assert!(!read_json(denied).unwrap().is_allowed);
        for answer in [
            json!({}),
            json!({"decision": "Allow", "determiningPolicies": [], "errors": []}),
            json!({"decision": ["ALLOW"], "determiningPolicies": [], "errors": []}),
            json!({"decision": "ALLOW", "errors": []}),
            json!({"decision": "ALLOW", "determiningPolicies": []}),
            json!({"decision": "ALLOW", "determiningPolicies": [{}], "errors": []}),
        ] {
            assert!(read_json(answer.clone()).is_err(), "{answer}");
        }
    }
}
