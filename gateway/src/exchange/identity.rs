//! Who the issuer says is calling.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

use crate::language::Members;

/// The verified claims of a token. Bounded by the size of a token.
pub struct Identity {
    claims: Members,
    expires_at: u64,
}

impl Identity {
    /// From claims that were verified and do not outlive `expires_at` (seconds since 1970).
    pub(crate) const fn new(claims: Members, expires_at: u64) -> Self {
        Self { claims, expires_at }
    }

    /// All claims.
    #[must_use]
    pub const fn claims(&self) -> &Members {
        &self.claims
    }

    /// The claim `name` as text, as HTTP APIs of Amazon API Gateway write it: lists as `[a b]`. Objects,
    /// of which nothing is documented, are JSON; `null` is absent.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<Cow<'_, str>> {
        if let Some(text) = self.claims.text(name) {
            return Some(Cow::Borrowed(text));
        }
        let value = self.claims.get(name).filter(|value| !value.is_null())?;
        Some(Cow::Owned(shown(&value)))
    }

    /// The claim `name`, if it is a string.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.claims.text(name)
    }

    /// The claim `sub`, if it is a string.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.text("sub")
    }

    /// The scopes granted: the words of `scope`, and of `scp`, which may be an array of strings
    /// instead.
    #[must_use]
    pub fn scopes(&self) -> Vec<Cow<'_, str>> {
        let words = |name| self.text(name).into_iter().flat_map(words);
        let mut scopes: Vec<_> = words("scope").chain(words("scp")).collect();
        if let Some(Value::Array(several)) = self.claims.get("scp") {
            scopes.extend(several.into_iter().filter_map(|scope| match scope {
                Value::String(scope) => Some(Cow::Owned(scope)),
                _ => None,
            }));
        }
        scopes
    }

    /// Whether at least one of `wanted` was granted. A route that wants none does not ask.
    #[must_use]
    pub fn has_any_scope(&self, wanted: &[String]) -> bool {
        let granted = self.scopes();
        wanted
            .iter()
            .any(|scope| granted.iter().any(|it| it == scope))
    }

    /// When the token expires, in seconds since 1970, without the leeway of the authorizer.
    #[must_use]
    pub const fn expires_at(&self) -> u64 {
        self.expires_at
    }
}

// Claims describe people; they go to a log by name or not at all.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// A claim, or what stands in one, as text.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        // No deeper than the parser lets them nest.
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(shown).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

fn words(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let words = text.split(' ').filter(|word| !word.is_empty());
    words.map(Cow::Borrowed)
}
