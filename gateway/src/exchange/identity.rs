//! Who the issuer says is calling.

use std::borrow::Cow;
use std::fmt;

use serde_json::{Map, Value};

/// The verified claims of a token. Bounded by the size of a token.
pub struct Identity {
    claims: Map<String, Value>,
    scopes: Vec<String>,
    expires_at: u64,
}

impl Identity {
    /// From claims that were verified and do not outlive `expires_at` (seconds since 1970).
    pub(crate) fn new(claims: Map<String, Value>, expires_at: u64) -> Self {
        let scopes = scopes(&claims);
        Self {
            claims,
            scopes,
            expires_at,
        }
    }

    /// All claims, as the issuer wrote them.
    #[must_use]
    pub const fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// The claim `name` as text, as HTTP APIs of Amazon API Gateway write it: lists as `[a b]`. Objects,
    /// of which nothing is documented, are JSON; `null` is absent.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<Cow<'_, str>> {
        match self.claims.get(name)? {
            Value::Null => None,
            Value::String(text) => Some(Cow::Borrowed(text)),
            other => Some(Cow::Owned(shown(other))),
        }
    }

    /// The claim `name`, if it is a string.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.claims.get(name).and_then(Value::as_str)
    }

    /// The claim `sub`, if it is a string.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.text("sub")
    }

    /// The scopes granted: the words of `scope`, and of `scp`, which may be an array of strings
    /// instead.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// Whether at least one of `wanted` was granted. A route that wants none does not ask.
    #[must_use]
    pub fn has_any_scope(&self, wanted: &[String]) -> bool {
        wanted.iter().any(|scope| self.scopes.contains(scope))
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

fn scopes(claims: &Map<String, Value>) -> Vec<String> {
    let mut scopes = Vec::new();
    if let Some(Value::String(words)) = claims.get("scope") {
        scopes.extend(
            words
                .split(' ')
                .filter(|word| !word.is_empty())
                .map(str::to_owned),
        );
    }
    match claims.get("scp") {
        Some(Value::String(words)) => {
            scopes.extend(
                words
                    .split(' ')
                    .filter(|word| !word.is_empty())
                    .map(str::to_owned),
            );
        }
        Some(Value::Array(words)) => {
            scopes.extend(words.iter().filter_map(Value::as_str).map(str::to_owned));
        }
        _ => {}
    }
    scopes
}
