//! `$lookups.NAME.PATH`: values of the records that lookups find, which policy sets alone may read.

use std::borrow::Cow;

use serde_json::Value;

use super::json_path::{Found, JsonPath};
use super::mapping::MappingError;
use super::variable::{Variables, shown};

/// What begins the name of one.
pub(super) const LOOKUPS: &str = "lookups.";

/// Characters of a lookup's name, more of which are refused.
const NAME_CHARACTERS_MAX: usize = 64;

/// A value of a record, or the whole of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundValue {
    lookup: Box<str>,
    path: Option<JsonPath>,
}

impl FoundValue {
    /// From what stands behind [`LOOKUPS`]: `NAME`, `NAME.path.to.member` or `NAME['a member']`.
    ///
    /// # Errors
    /// [`MappingError::Name`] where no lookup can be called so, [`MappingError::RecordPath`] where no
    /// path follows.
    pub(super) fn parse(text: &str) -> Result<Self, MappingError> {
        let end = text.find(['.', '[']).unwrap_or(text.len());
        let (lookup, path) = text.split_at_checked(end).unwrap_or((text, ""));
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if !(1..=NAME_CHARACTERS_MAX).contains(&lookup.len()) || !lookup.bytes().all(is_plain) {
            return Err(MappingError::Name {
                name: shown(lookup),
                expected: "the name of a lookup, such as in `$lookups.person.department`",
            });
        }
        let path = match path.strip_prefix('.').unwrap_or(path) {
            "" if path.is_empty() => None,
            path => Some(JsonPath::parse(path).map_err(MappingError::RecordPath)?),
        };
        Ok(Self {
            lookup: lookup.into(),
            path,
        })
    }

    /// The name of the lookup.
    pub(super) const fn lookup(&self) -> &str {
        &self.lookup
    }

    /// As text: strings as they are, other values as JSON. `None` where there is none, or `null`.
    pub(super) fn text<'v>(&self, variables: &'v impl Variables) -> Option<Cow<'v, str>> {
        self.found(variables)?.into_text()
    }

    /// As it stands in the record; behind a wildcard a list. `None` where there is none.
    pub(super) fn json(&self, variables: &impl Variables) -> Option<Value> {
        Some(match self.found(variables)? {
            Found::One(value) => value.clone(),
            Found::Many(values) => Value::Array(values.into_iter().cloned().collect()),
        })
    }

    fn found<'v>(&self, variables: &'v impl Variables) -> Option<Found<'v>> {
        let record = variables.record(&self.lookup)?;
        match &self.path {
            None => Some(Found::One(record)),
            Some(path) => path.find(record),
        }
    }
}
