//! The part of JSONPath that parameter mappings have.
//!
//! A path starts at the root, which is not written: `pets[0].name`, `pets[*].id`, `['a b'].c`.
//! Children, indexes and the wildcard are all there is. Recursive descent, filters, slices and
//! unions are refused, so a path visits each value of a document at most once.

use std::borrow::Cow;

use serde_json::Value;

use super::variable::shown;

/// Characters of a path, more of which are refused.
pub const PATH_BYTES_MAX: usize = 1024;

/// Steps of a path, more of which are refused.
pub const STEPS_MAX: usize = 64;

/// A compiled path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JsonPath(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Step {
    Child(Box<str>),
    Index(usize),
    Wildcard,
}

/// Why a path is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonPathError {
    /// Longer than [`PATH_BYTES_MAX`].
    #[error("the path has {0} bytes: at most {PATH_BYTES_MAX}")]
    TooLong(usize),
    /// More than [`STEPS_MAX`].
    #[error("the path has too many steps: at most {STEPS_MAX}")]
    TooManySteps,
    /// `..`, at this byte.
    #[error("byte {0}: recursive descent is not supported: write out each step")]
    RecursiveDescent(usize),
    /// `[?` or `[(`, at this byte.
    #[error(
        "byte {0}: filters and scripts are not supported: write an index, `*` or a quoted name"
    )]
    Filter(usize),
    /// `[1:2]` or `[1,2]`, at this byte.
    #[error("byte {at}: `{selector}` is no index, no `*` and no quoted name: write one")]
    Selector {
        /// Where it starts.
        at: usize,
        /// What stands between the brackets.
        selector: Box<str>,
    },
    /// A bracket or a quote that is never closed, at this byte.
    #[error("byte {0}: what is opened here is never closed: write its end")]
    Unclosed(usize),
    /// A child without a name, at this byte.
    #[error("byte {0}: a name is missing: add it")]
    NameMissing(usize),
}

/// What a path leads to.
#[derive(Debug, Clone, PartialEq)]
pub enum Found<'v> {
    /// The value of a path without a wildcard.
    One(&'v Value),
    /// All values of a path with one, in the order of the document.
    Many(Vec<&'v Value>),
}

impl JsonPath {
    /// Compiles a path without `$.` in front.
    ///
    /// # Errors
    /// See [`JsonPathError`].
    pub fn parse(text: &str) -> Result<Self, JsonPathError> {
        if text.len() > PATH_BYTES_MAX {
            return Err(JsonPathError::TooLong(text.len()));
        }
        let mut steps = Vec::new();
        let mut at = 0;
        while at < text.len() || steps.is_empty() {
            if steps.len() == STEPS_MAX {
                return Err(JsonPathError::TooManySteps);
            }
            let rest = text.get(at..).unwrap_or_default();
            let (step, length) = if rest.starts_with('[') {
                bracket(rest, at)?
            } else {
                child(rest, at, steps.is_empty())?
            };
            steps.push(step);
            at += length;
        }
        Ok(Self(steps))
    }

    /// Whether it leads to one value at most, and not to several.
    #[must_use]
    pub fn is_single(&self) -> bool {
        !self.0.contains(&Step::Wildcard)
    }

    /// Where the path leads; `None` if there is nothing. Behind a wildcard, values without the
    /// rest of the path are left out.
    #[must_use]
    pub fn find<'v>(&self, root: &'v Value) -> Option<Found<'v>> {
        let mut steps = self.0.iter();
        let mut value = root;
        while let Some(step) = steps.next() {
            match step {
                Step::Child(name) => value = value.get(name.as_ref())?,
                Step::Index(index) => value = value.get(*index)?,
                Step::Wildcard => {
                    let mut found = children(value)?;
                    for step in steps {
                        found = found
                            .into_iter()
                            .flat_map(|value| below(step, value))
                            .collect();
                    }
                    return Some(Found::Many(found));
                }
            }
        }
        Some(Found::One(value))
    }
}

impl<'v> Found<'v> {
    /// The value of a parameter: strings as they are, other values as JSON text. `null` is no
    /// value.
    #[must_use]
    pub fn into_text(self) -> Option<Cow<'v, str>> {
        match self {
            Self::One(Value::Null) => None,
            Self::One(Value::String(text)) => Some(Cow::Borrowed(text)),
            Self::One(value) => Some(Cow::Owned(value.to_string())),
            Self::Many(values) => serde_json::to_string(&values).ok().map(Cow::Owned),
        }
    }
}

fn children(value: &Value) -> Option<Vec<&Value>> {
    match value {
        Value::Array(values) => Some(values.iter().collect()),
        Value::Object(entries) => Some(entries.values().collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn below<'v>(step: &Step, value: &'v Value) -> Vec<&'v Value> {
    match step {
        Step::Child(name) => value.get(name.as_ref()).into_iter().collect(),
        Step::Index(index) => value.get(*index).into_iter().collect(),
        Step::Wildcard => children(value).unwrap_or_default(),
    }
}

/// A child in dot form, and its length. The first one has no dot.
fn child(text: &str, at: usize, is_first: bool) -> Result<(Step, usize), JsonPathError> {
    let name = text.strip_prefix('.').filter(|_| !is_first).unwrap_or(text);
    let dot = text.len() - name.len();
    if name.starts_with('.') {
        return Err(JsonPathError::RecursiveDescent(at));
    }
    let end = name.find(['.', '[']).unwrap_or(name.len());
    let name = name.get(..end).unwrap_or_default();
    let step = match name {
        "" => return Err(JsonPathError::NameMissing(at + dot)),
        "*" => Step::Wildcard,
        name => Step::Child(name.into()),
    };
    // Behind a bracket a name has its dot like any other.
    if dot == 0 && !is_first {
        return Err(JsonPathError::NameMissing(at));
    }
    Ok((step, dot + end))
}

/// A step in brackets, and its length.
fn bracket(text: &str, at: usize) -> Result<(Step, usize), JsonPathError> {
    let inner = text.strip_prefix('[').unwrap_or(text);
    for quote in ['\'', '"'] {
        let Some(quoted) = inner.strip_prefix(quote) else {
            continue;
        };
        // Names hold neither quotes nor escapes: no parameter needs them.
        let (name, behind) = quoted
            .split_once(quote)
            .ok_or(JsonPathError::Unclosed(at + 1))?;
        if !behind.starts_with(']') || name.contains('\\') {
            let selector = shown(inner);
            return Err(JsonPathError::Selector {
                at: at + 1,
                selector,
            });
        }
        return Ok((Step::Child(name.into()), name.len() + 4));
    }
    if inner.starts_with(['?', '(']) {
        return Err(JsonPathError::Filter(at + 1));
    }
    let (selector, _) = inner.split_once(']').ok_or(JsonPathError::Unclosed(at))?;
    let is_index = selector.bytes().all(|byte| byte.is_ascii_digit());
    let step = match selector.parse() {
        Ok(index) if is_index => Step::Index(index),
        _ if selector == "*" => Step::Wildcard,
        _ => {
            let selector = shown(selector);
            return Err(JsonPathError::Selector {
                at: at + 1,
                selector,
            });
        }
    };
    Ok((step, selector.len() + 2))
}

#[cfg(test)]
#[path = "json_path_tests.rs"]
mod tests;
