//! Parameter mappings: where integration requests and responses get headers, query parameters and
//! paths from.
//!
//! REST APIs and HTTP APIs have a language each; both read bodies the same way.

use std::borrow::Cow;

use super::json_path::{Found, JsonPath, JsonPathError};
use super::message::{Body, InvalidJson};
use super::variable::{VariableError, shown};

pub mod http;
pub mod rest;

/// Bytes of the name of a header, a parameter or a variable, more of which are refused.
pub const NAME_BYTES_MAX: usize = 256;

/// Bytes of a mapping's value, more of which are refused.
pub const VALUE_BYTES_MAX: usize = 4096;

/// Why a mapping is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// Nothing that can be set.
    #[error("`{target}` is no target: expected {expected}")]
    Target {
        /// What is written.
        target: Box<str>,
        /// What could be.
        expected: &'static str,
    },
    /// Nothing that can be read, in this place.
    #[error("`{source_text}` is no source: expected {expected}")]
    Source {
        /// What is written.
        source_text: Box<str>,
        /// What could be.
        expected: &'static str,
    },
    /// No name of a header or a parameter.
    #[error("`{name}` is no name: expected {expected}")]
    Name {
        /// What is written.
        name: Box<str>,
        /// What could be.
        expected: &'static str,
    },
    /// The gateway alone sets this header.
    #[error("header `{0}` is reserved: take this out")]
    ReservedHeader(Box<str>),
    /// Longer than [`VALUE_BYTES_MAX`].
    #[error("the value has {0} bytes: at most {VALUE_BYTES_MAX}")]
    TooLong(usize),
    /// A value with more variables than one may have.
    #[error("the value has too many variables: at most {0}")]
    TooManyVariables(usize),
    /// Control characters could end a header.
    #[error("the value has a control character: take it out")]
    Control,
    /// A variable within text.
    #[error("byte {0}: a variable within text needs braces: write `${{..}}`")]
    BracesNeeded(usize),
    /// `${` without `}`.
    #[error("byte {0}: `${{` is never closed: write `}}` behind the variable")]
    Unclosed(usize),
    /// What is removed has no value.
    #[error("`remove` takes an empty value: write `''`")]
    RemoveTakesNothing,
    /// A fixed path that does not begin with a slash.
    #[error("`{0}` is no path: write `/` first")]
    Path(Box<str>),
    /// A fixed status that is none.
    #[error("`{0}` is no status from 200 to 599: write one")]
    Status(Box<str>),
    /// The path into the body.
    #[error("path into the body")]
    JsonPath(#[from] JsonPathError),
    /// The path into a record that a lookup finds.
    #[error("path into the record: {0}")]
    RecordPath(#[source] JsonPathError),
    /// The variable.
    #[error(transparent)]
    Variable(#[from] VariableError),
}

/// What of a body is read.
#[derive(Debug, Clone, PartialEq, Eq)]
enum BodySource {
    Whole,
    Path(JsonPath),
}

impl BodySource {
    /// From what stands behind `body`; `None` if this is another word.
    fn parse(text: &str) -> Option<Result<Self, MappingError>> {
        let path = match text.as_bytes().first() {
            None => return Some(Ok(Self::Whole)),
            Some(b'.') => text.strip_prefix('.')?,
            Some(b'[') => text,
            Some(_) => return None,
        };
        Some(
            JsonPath::parse(path)
                .map(Self::Path)
                .map_err(MappingError::from),
        )
    }

    /// The value at a path; `None` if there is none.
    fn at_path<'v>(
        path: &JsonPath,
        body: &'v Body<'_>,
    ) -> Result<Option<Cow<'v, str>>, InvalidJson> {
        Ok(path.find(body.value()?).and_then(Found::into_text))
    }
}

/// All values as one; `None` if there are none.
fn joined(mut values: Vec<Cow<'_, str>>) -> Option<Cow<'_, str>> {
    if values.len() > 1 {
        return Some(Cow::Owned(values.join(",")));
    }
    values.pop()
}

fn unknown_target(text: &str, expected: &'static str) -> MappingError {
    MappingError::Target {
        target: shown(text),
        expected,
    }
}

fn unknown_source(text: &str, expected: &'static str) -> MappingError {
    MappingError::Source {
        source_text: shown(text),
        expected,
    }
}
