//! Texts that are made of a request and stand for themselves: what policies are asked about it.

use std::borrow::Cow;

use serde_json::Value;

use super::source::RequestSource;
use super::text::{Source, Text};
use crate::language::found_value::{FoundValue, LOOKUPS};
use crate::language::mapping::{MappingError, unknown_source};
use crate::language::message::Request;
use crate::language::variable::{Reference, Variable, Variables};

const SOURCES: &str = "`request.{header|querystring|path}.NAME`, `request.path`, \
     `context.NAME`, `stageVariables.NAME` or `lookups.NAME`: the body is read later";

/// A text that is made of a request, and of what lookups found about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestText(Text<TextSource>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum TextSource {
    Request(RequestSource),
    Found(FoundValue),
}

impl Source for TextSource {
    const VARIABLES: &'static [&'static str] = &[
        "$request.",
        "$response.",
        "$context.",
        "$stageVariables.",
        "$lookups.",
    ];

    fn parse(name: &str) -> Result<Self, MappingError> {
        if let Some(found) = name.strip_prefix(LOOKUPS) {
            return FoundValue::parse(found).map(Self::Found);
        }
        let source = RequestSource::parse(name).map_err(|error| match error {
            MappingError::Source { .. } => unknown_source(name, SOURCES),
            other => other,
        })?;
        if source.is_body() {
            return Err(unknown_source(name, SOURCES));
        }
        Ok(Self::Request(source))
    }
}

impl RequestText {
    /// From a value as mappings have it. The body is not there to be read.
    ///
    /// # Errors
    /// See [`MappingError`].
    pub fn parse(text: &str) -> Result<Self, MappingError> {
        Text::parse(text).map(Self)
    }

    /// The text, where no variable is in it.
    #[must_use]
    pub fn fixed(&self) -> Option<&str> {
        self.0.fixed()
    }

    /// The `$context` variables that it reads.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.0.sources().filter_map(|source| match source {
            TextSource::Request(RequestSource::Reference(Reference::Context(variable))) => {
                Some(variable)
            }
            TextSource::Request(_) | TextSource::Found(_) => None,
        })
    }

    /// The lookups that it reads, by their names.
    pub fn lookups(&self) -> impl Iterator<Item = &str> {
        self.0.sources().filter_map(|source| match source {
            TextSource::Found(found) => Some(found.lookup()),
            TextSource::Request(_) => None,
        })
    }

    /// The text; `None` where one of its variables has no value.
    #[must_use]
    pub fn evaluate<'v>(
        &'v self,
        request: &'v impl Request,
        variables: &'v impl Variables,
    ) -> Option<Cow<'v, str>> {
        self.0.render(|source| match source {
            TextSource::Request(source) => source.evaluate(request, variables),
            TextSource::Found(found) => found.text(variables),
        })
    }

    /// As [`RequestText::evaluate`], where a claim or a value of a record that stands alone is what its
    /// author wrote, and so maybe no text.
    #[must_use]
    pub fn json(&self, request: &impl Request, variables: &impl Variables) -> Option<Value> {
        match self.0.only() {
            Some(TextSource::Found(found)) => return found.json(variables),
            Some(TextSource::Request(RequestSource::Reference(Reference::Context(
                Variable::Claim(name),
            )))) => {
                if let Some(claim) = variables.claim(name) {
                    return Some(claim);
                }
            }
            Some(TextSource::Request(_)) | None => {}
        }
        let text = self.evaluate(request, variables)?;
        Some(Value::String(text.into_owned()))
    }
}
