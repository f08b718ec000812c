//! What callers may do, as policies decide it, and where those come from.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::{
    Authorization, AwsTarget, Enrichment, Found, LookupName, OAuthClientName, PolicySetName,
    PolicyStoreName, Remote,
};
use crate::language::cedar::{ExtensionKind, Store, TypeName};
use crate::language::document::Document;
use crate::language::json_path::JsonPath;
use crate::language::mapping::http::RequestText;
use crate::language::variable::Variable;

/// A policy set: who is asked about a request, and what.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicySet {
    /// Its name.
    pub name: PolicySetName,
    /// What is looked up before it is, at most 8.
    pub lookups: Vec<Enrichment>,
    /// Who is asked.
    pub engine: PolicyEngine,
    /// Whether it only tells what it would refuse.
    pub is_monitor: bool,
}

/// Who decides.
#[derive(Clone, Debug, PartialEq)]
pub enum PolicyEngine {
    /// A store of the gateway's own.
    Cedar {
        /// The store.
        store: StoreChoice,
        /// What it is asked.
        question: Box<QuestionMap>,
    },
    /// A server.
    Http(Box<HttpEngine>),
    /// A policy store of Amazon Verified Permissions.
    VerifiedPermissions(Box<VerifiedStore>),
}

/// How a policy store of Amazon Verified Permissions is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifiedStore {
    /// The service.
    pub target: AwsTarget,
    /// Which store.
    pub policy_store: VerifiedStoreId,
    /// Who calls.
    pub principal: VerifiedPrincipal,
    /// What is asked besides.
    pub call: CallMap,
    /// From the first byte sent to the last byte of the answer; default 1 s.
    pub timeout: Duration,
    /// Longest time that an answer is remembered; default 10 s, 0 remembers none.
    pub decision_ttl: Duration,
}

/// Which store of the service is asked.
#[derive(Clone, Debug, PartialEq)]
pub enum VerifiedStoreId {
    /// Always this one.
    Fixed(String),
    /// The one whose id a record has, such as that of the caller's tenant.
    Found(Found),
}

impl VerifiedStoreId {
    /// Longest id of a store. Source: Amazon Verified Permissions API Reference, `IsAuthorized`.
    pub const BYTES_MAX: usize = 200;

    /// Whether a text can be the id of a store.
    #[must_use]
    pub fn is_id(text: &str) -> bool {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-/_".contains(&byte);
        (1..=Self::BYTES_MAX).contains(&text.len()) && text.bytes().all(is_part)
    }
}

/// Whom a policy store of the service is asked about.
#[derive(Clone, Debug, PartialEq)]
pub enum VerifiedPrincipal {
    /// An entity of the request.
    Entity(EntityMap),
    /// Whom the token is about that the route's authorizer has accepted.
    Token(TokenKind),
}

/// What the service takes a token for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// One for access.
    Access,
    /// One of a user.
    Identity,
}

/// Which store is asked.
#[derive(Clone, Debug, PartialEq)]
pub enum StoreChoice {
    /// Always this one.
    Fixed(PolicyStoreName),
    /// The one that a record names or holds, such as that of the caller's tenant.
    Found {
        /// The value that does.
        found: Found,
        /// A store without policies, whose schema stores that records hold are held against.
        frame: Arc<Store>,
    },
}

/// How a server is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpEngine {
    /// Where it is.
    pub remote: Remote,
    /// What it is asked, by `POST`.
    pub request: Document,
    /// Where its answer is.
    pub answer_at: JsonPath,
    /// What that is where it allows the request; default `true`.
    pub allowed: Value,
    /// What it is shown; `None` for nothing.
    pub authorization: Option<Authorization>,
    /// From the first byte sent to the last byte of the answer; default 1 s.
    pub timeout: Duration,
    /// Longest time that an answer is remembered; default 10 s, 0 remembers none.
    pub decision_ttl: Duration,
}

/// How a question is made of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct QuestionMap {
    /// Who calls.
    pub principal: EntityMap,
    /// What is asked besides.
    pub call: CallMap,
}

/// How what somebody does is made of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct CallMap {
    /// Type of what the caller does; default `Action`.
    pub action_kind: TypeName,
    /// Its id; `None` is the route's key.
    pub action_id: Option<RequestText>,
    /// What it does that to.
    pub resource: EntityMap,
    /// What else may be asked, at most 256 values.
    pub context: Vec<(String, ValueMap)>,
}

/// How an entity is made of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct EntityMap {
    /// Its type.
    pub kind: TypeName,
    /// Its id.
    pub id: RequestText,
    /// Its attributes, at most 256.
    pub attributes: Vec<(String, ValueMap)>,
    /// What it is in, by type, at most 16 types.
    pub parents: Vec<ParentsMap>,
}

/// How parents of one type are made of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct ParentsMap {
    /// Their type.
    pub kind: TypeName,
    /// Their ids.
    pub ids: Document,
}

/// How a value is made of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueMap {
    /// The value.
    pub value: Document,
    /// What it is.
    pub kind: ValueKind,
}

/// What a value is in Cedar.
#[derive(Clone, Debug, PartialEq)]
pub enum ValueKind {
    /// What it is in JSON.
    Own,
    /// A whole number.
    Long,
    /// A boolean.
    Bool,
    /// A set.
    Set,
    /// A value of a type that JSON does not have.
    Extension(ExtensionKind),
    /// An entity of this type, or several.
    Entity(TypeName),
}

/// A policy store.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyStore {
    /// Its name.
    pub name: PolicyStoreName,
    /// Where its policies come from.
    pub source: PolicySource,
}

/// Where policies come from.
#[derive(Clone, Debug, PartialEq)]
pub enum PolicySource {
    /// Files, as they were when the configuration was read.
    Files(Arc<Store>),
}

impl PolicySet {
    /// Which store it asks, where that is one of the gateway's own.
    #[must_use]
    pub const fn store(&self) -> Option<&StoreChoice> {
        match &self.engine {
            PolicyEngine::Cedar { store, .. } => Some(store),
            PolicyEngine::Http(_) | PolicyEngine::VerifiedPermissions(_) => None,
        }
    }

    /// What it finds its store by, where a record says which that is.
    const fn found(&self) -> Option<&Found> {
        match &self.engine {
            PolicyEngine::Cedar {
                store: StoreChoice::Found { found, .. },
                ..
            } => Some(found),
            PolicyEngine::VerifiedPermissions(store) => match &store.policy_store {
                VerifiedStoreId::Found(found) => Some(found),
                VerifiedStoreId::Fixed(_) => None,
            },
            PolicyEngine::Cedar { .. } | PolicyEngine::Http(_) => None,
        }
    }

    /// The servers that it asks.
    pub fn remotes(&self) -> impl Iterator<Item = &Remote> {
        let remote = match &self.engine {
            PolicyEngine::Cedar { .. } => None,
            PolicyEngine::Http(engine) => Some(&engine.remote),
            PolicyEngine::VerifiedPermissions(store) => Some(&store.target.remote),
        };
        remote.into_iter()
    }

    /// The lookups that it asks.
    pub fn lookups(&self) -> impl Iterator<Item = &LookupName> {
        let enriching = self.lookups.iter().map(|enrichment| &enrichment.lookup);
        enriching.chain(self.found().map(|found| &found.lookup))
    }

    /// Whether it asks about the token that its route's authorizer has accepted.
    #[must_use]
    pub const fn wants_token(&self) -> bool {
        match &self.engine {
            PolicyEngine::Cedar { .. } | PolicyEngine::Http(_) => false,
            PolicyEngine::VerifiedPermissions(store) => match store.principal {
                VerifiedPrincipal::Token(_) => true,
                VerifiedPrincipal::Entity(_) => false,
            },
        }
    }

    /// The client whose tokens its server is shown.
    #[must_use]
    pub const fn oauth_client(&self) -> Option<&OAuthClientName> {
        match &self.engine {
            PolicyEngine::Cedar { .. } | PolicyEngine::VerifiedPermissions(_) => None,
            PolicyEngine::Http(engine) => match &engine.authorization {
                Some(Authorization::Client(name)) => Some(name),
                Some(Authorization::Fixed(_)) | None => None,
            },
        }
    }

    /// The `$context` variables that it reads.
    #[must_use]
    pub fn variables(&self) -> Vec<&Variable> {
        let (texts, documents) = self.values();
        let texts = texts.into_iter().flat_map(RequestText::variables);
        let of_documents = documents.into_iter().flat_map(Document::variables);
        texts.chain(of_documents).collect()
    }

    /// What it calls the records that it reads.
    #[must_use]
    pub fn read_records(&self) -> Vec<&str> {
        let (texts, documents) = self.values();
        let texts = texts.into_iter().flat_map(RequestText::lookups);
        let of_documents = documents.into_iter().flat_map(Document::lookups);
        texts.chain(of_documents).collect()
    }

    /// All that it makes of requests.
    fn values(&self) -> Values<'_> {
        let (mut texts, documents) = match &self.engine {
            PolicyEngine::Cedar { question, .. } => question.values(),
            PolicyEngine::Http(engine) => (Vec::new(), vec![&engine.request]),
            PolicyEngine::VerifiedPermissions(store) => store.values(),
        };
        texts.extend(self.lookups.iter().map(|enrichment| &enrichment.key));
        texts.extend(self.found().map(|found| &found.key));
        (texts, documents)
    }
}

type Values<'m> = (Vec<&'m RequestText>, Vec<&'m Document>);

impl QuestionMap {
    fn values(&self) -> Values<'_> {
        self.call.values(Some(&self.principal))
    }
}

impl VerifiedStore {
    fn values(&self) -> Values<'_> {
        let principal = match &self.principal {
            VerifiedPrincipal::Entity(principal) => Some(principal),
            VerifiedPrincipal::Token(_) => None,
        };
        self.call.values(principal)
    }
}

impl CallMap {
    fn values<'m>(&'m self, principal: Option<&'m EntityMap>) -> Values<'m> {
        let entities = || principal.into_iter().chain([&self.resource]);
        let texts = entities().map(|entity| &entity.id);
        let texts = texts.chain(&self.action_id).collect();
        let own = entities().flat_map(|entity| {
            let parents = entity.parents.iter().map(|parents| &parents.ids);
            let attributes = entity.attributes.iter().map(|(_, value)| &value.value);
            attributes.chain(parents)
        });
        let context = self.context.iter().map(|(_, value)| &value.value);
        (texts, own.chain(context).collect())
    }
}
