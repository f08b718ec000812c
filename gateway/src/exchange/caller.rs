//! Who is calling, as the route's authorizer found out.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

use super::{FunctionCaller, Identity};
use crate::language::policy::Policy;
use crate::model::Signer;

/// A caller that an authorizer knows.
#[derive(Clone, Debug)]
pub enum Caller {
    /// Whom the issuer of a token names.
    Token(Arc<Identity>),
    /// Whom a function names.
    Function(Arc<FunctionCaller>),
    /// Who signed, as the authorizer's file of access keys says.
    Signer(Arc<Signer>),
}

impl Caller {
    /// What the log calls it: of a token the claim `sub`, if it is a string; what a function calls its
    /// principal; of a signer its ARN.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        match self {
            Self::Token(identity) => identity.subject(),
            Self::Function(caller) => caller.principal.as_deref(),
            Self::Signer(signer) => Some(&signer.principal.arn),
        }
    }

    /// The policies that say what it may call, all of which count; `None` of callers that have none by
    /// their nature, as those with tokens.
    #[must_use]
    pub fn policies(&self) -> Option<&[Arc<Policy>]> {
        match self {
            Self::Token(_) => None,
            Self::Function(caller) => caller.policies(),
            Self::Signer(signer) => Some(&signer.policies),
        }
    }

    /// The claim `name` as the issuer wrote it, of a token.
    #[must_use]
    pub fn claim_value(&self, name: &str) -> Option<Value> {
        match self {
            Self::Token(identity) => identity.claims().get(name),
            Self::Function(_) | Self::Signer(_) => None,
        }
    }

    /// The claim `name` of a token as text, as [`Identity::claim`] writes it.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<Cow<'_, str>> {
        match self {
            Self::Token(identity) => identity.claim(name),
            Self::Function(_) | Self::Signer(_) => None,
        }
    }

    /// Whom the authorizer's function named.
    #[must_use]
    pub fn principal(&self) -> Option<&str> {
        match self {
            Self::Function(caller) => caller.principal.as_deref(),
            Self::Token(_) | Self::Signer(_) => None,
        }
    }

    /// The value of the API key that the authorizer's function says it is to be counted for.
    #[must_use]
    pub fn usage_key(&self) -> Option<&str> {
        match self {
            Self::Function(caller) => caller.usage_key.as_deref(),
            Self::Token(_) | Self::Signer(_) => None,
        }
    }

    /// Who signed; `None` of callers that are known otherwise.
    #[must_use]
    pub const fn signer(&self) -> Option<&Arc<Signer>> {
        match self {
            Self::Signer(signer) => Some(signer),
            Self::Token(_) | Self::Function(_) => None,
        }
    }

    /// The entry `name` of the context that the authorizer's function returned, as text.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<Cow<'_, str>> {
        match self {
            Self::Token(_) | Self::Signer(_) => None,
            Self::Function(caller) => caller.property(name),
        }
    }
}
