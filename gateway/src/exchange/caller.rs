//! Who is calling, as the route's authorizer found out.

use std::borrow::Cow;
use std::sync::Arc;

use super::Identity;

/// A caller that an authorizer knows.
#[derive(Clone, Debug)]
pub enum Caller {
    /// Whom the issuer of a token names.
    Token(Arc<Identity>),
}

impl Caller {
    /// What the log calls it: of a token the claim `sub`, if it is a string.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        match self {
            Self::Token(identity) => identity.subject(),
        }
    }

    /// The claim `name` as text, of a token, if it is a string or a number.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<Cow<'_, str>> {
        match self {
            Self::Token(identity) => identity.claim(name),
        }
    }
}
