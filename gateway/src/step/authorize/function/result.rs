//! What a function returned, read.
//!
//! A result is taken whole or not at all: what is not of its documented form authorizes nobody. Source:
//! API Gateway Developer Guide, "Output from an API Gateway Lambda authorizer" and "Control access to
//! HTTP APIs with AWS Lambda authorizers"; 3.6 of docs/semantics.md.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::exchange::{FunctionCaller, Said};
use crate::language::policy::{Form, Policy, PolicyError};

/// Characters of a resource in a policy of a function, more of which are refused.
const RESOURCE_CHARACTERS_MAX: usize = 512;

/// The version of a policy that has none: the newer one, other than elsewhere.
const VERSION: &str = "2012-10-17";

/// What a function says when it does not know a caller.
const UNAUTHORIZED: &str = "Unauthorized";

/// In which form a function answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// A policy, with a context of text, numbers and truth values.
    Policy,
    /// A policy, with a context of anything.
    PolicyAndAnything,
    /// Yes or no, with a context of anything.
    Simple,
}

/// Why a result authorizes nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Wrong {
    /// The function says that it does not know the caller.
    #[error("the function says `Unauthorized`")]
    Unauthorized,
    /// It failed.
    #[error("the function failed{}", .0.as_ref().map_or_else(String::new, |kind| format!(" with `{kind}`")))]
    Failed(Option<Box<str>>),
    /// No JSON.
    #[error("what it returned is no JSON: {0}")]
    NotJson(String),
    /// Something else than an object.
    #[error("what it returned is no object")]
    NotAnObject,
    /// A member is absent, or is not what it has to be.
    #[error("`{0}` of what it returned is not {1}")]
    Member(&'static str, &'static str),
    /// An entry of the context is nothing that can be handed on.
    #[error("the entry `{0}` of its `context` is neither text, a number nor a truth value")]
    Entry(Box<str>),
    /// An entry of the context has a name that stands for something else.
    #[error("its `context` has an entry `claims`, which stands for those of tokens")]
    Claims,
    /// The policy is none.
    #[error("its `policyDocument` is none: {0}")]
    Policy(PolicyError),
    /// A resource is longer than any may be.
    #[error(
        "its `policyDocument` has a resource of more than {RESOURCE_CHARACTERS_MAX} characters"
    )]
    Resource,
}

/// Reads `bytes`, which a function returned. `has_failed` says that whoever ran it said so.
///
/// # Errors
/// See [`Wrong`].
pub(super) fn read(
    bytes: &[u8],
    expected: Expected,
    has_failed: bool,
) -> Result<FunctionCaller, Wrong> {
    let value: Value = match serde_json::from_slice(bytes) {
        Ok(value) => value,
        Err(_unread) if has_failed => return Err(Wrong::Failed(None)),
        Err(error) => return Err(Wrong::NotJson(error.to_string())),
    };
    let Value::Object(mut members) = value else {
        return Err(if has_failed {
            Wrong::Failed(None)
        } else {
            Wrong::NotAnObject
        });
    };
    if has_failed || is_error(&members) {
        return Err(failed(&members));
    }
    let context = context(members.remove("context"), expected)?;
    if expected == Expected::Simple {
        let Some(Value::Bool(is_authorized)) = members.get("isAuthorized") else {
            return Err(Wrong::Member("isAuthorized", "`true` or `false`"));
        };
        return Ok(FunctionCaller {
            principal: None,
            says: Said::Simply(*is_authorized),
            context,
            bytes: bytes.len(),
            usage_key: None,
        });
    }
    let Some(Value::String(principal)) = members.get("principalId") else {
        return Err(Wrong::Member("principalId", "text"));
    };
    let principal = Some(principal.as_str().into());
    let usage_key = match members.get("usageIdentifierKey") {
        None | Some(Value::Null) => None,
        Some(Value::String(key)) => Some(key.as_str().into()),
        Some(_) => return Err(Wrong::Member("usageIdentifierKey", "text")),
    };
    let policy = policy(members.remove("policyDocument"))?;
    Ok(FunctionCaller {
        principal,
        says: Said::Policies(vec![Arc::new(policy)]),
        context,
        bytes: bytes.len(),
        usage_key,
    })
}

/// Whether it is what runtimes make of an error that was thrown, and of nothing else.
fn is_error(members: &Map<String, Value>) -> bool {
    let has = |name| members.contains_key(name);
    has("errorMessage") && !has("policyDocument") && !has("isAuthorized")
}

fn failed(members: &Map<String, Value>) -> Wrong {
    let text = |name| members.get(name).and_then(Value::as_str);
    if text("errorMessage") == Some(UNAUTHORIZED) {
        return Wrong::Unauthorized;
    }
    // The message may say anything of the caller; what kind of error it is says nothing of it.
    Wrong::Failed(text("errorType").and_then(name_of_error))
}

/// The name of a type of error, if it looks like one.
fn name_of_error(text: &str) -> Option<Box<str>> {
    const CHARACTERS_MAX: usize = 64;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '$');
    let is_name = !text.is_empty() && text.len() <= CHARACTERS_MAX && text.chars().all(is_plain);
    is_name.then(|| text.into())
}

fn context(value: Option<Value>, expected: Expected) -> Result<Map<String, Value>, Wrong> {
    let entries = match value {
        None | Some(Value::Null) => return Ok(Map::new()),
        Some(Value::Object(entries)) => entries,
        Some(_) => return Err(Wrong::Member("context", "an object")),
    };
    if expected == Expected::Policy {
        if entries.contains_key("claims") {
            return Err(Wrong::Claims);
        }
        let is_plain = |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
        if let Some((name, _)) = entries.iter().find(|(_, value)| !is_plain(value)) {
            return Err(Wrong::Entry(
                name.chars().take(64).collect::<String>().into(),
            ));
        }
    }
    Ok(entries)
}

fn policy(document: Option<Value>) -> Result<Policy, Wrong> {
    let Some(Value::Object(mut document)) = document else {
        return Err(Wrong::Member("policyDocument", "an object"));
    };
    document.entry("Version").or_insert_with(|| VERSION.into());
    let document = Value::Object(document);
    if has_long_resource(&document) {
        return Err(Wrong::Resource);
    }
    Policy::parse(&document, Form::Identity).map_err(|errors| {
        // One is enough to mend it by; there is never none.
        errors
            .into_iter()
            .next()
            .map_or(Wrong::Member("policyDocument", "a policy"), Wrong::Policy)
    })
}

fn has_long_resource(document: &Value) -> bool {
    let is_long = |resource: &Value| {
        let text = resource.as_str().unwrap_or_default();
        text.chars().count() > RESOURCE_CHARACTERS_MAX
    };
    let statements = document.get("Statement").into_iter().flat_map(one_or_all);
    let resources = statements.flat_map(|statement| {
        let named = ["Resource", "NotResource"].into_iter();
        named
            .filter_map(|name| statement.get(name))
            .flat_map(one_or_all)
    });
    resources.into_iter().any(is_long)
}

/// The items of a list, or the one that stands there without.
fn one_or_all(value: &Value) -> impl Iterator<Item = &Value> {
    let items = value.as_array().map_or(&[][..], Vec::as_slice);
    let alone = (!value.is_array()).then_some(value);
    items.iter().chain(alone)
}

#[cfg(test)]
#[path = "result_tests.rs"]
mod tests;
