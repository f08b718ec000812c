//! What is looked up before policies decide: attributes of callers, and stores of tenants.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::{Authorization, LookupName, OAuthClientName, TableLookup, UpstreamTarget};
use crate::language::json_path::JsonPath;
use crate::language::mapping::http::RequestText;

/// A lookup: what finds the record of a key, which is a JSON object.
#[derive(Clone, Debug, PartialEq)]
pub struct Lookup {
    /// Its name.
    pub name: LookupName,
    /// Where the records are.
    pub source: LookupSource,
}

/// Where records are.
#[derive(Clone, Debug, PartialEq)]
pub enum LookupSource {
    /// In a file, as it was when the configuration was read.
    File(Arc<FileRecords>),
    /// At a server.
    Http(Box<HttpLookup>),
    /// In a table of Amazon DynamoDB.
    Table(Box<TableLookup>),
}

impl Lookup {
    /// The server that it asks.
    #[must_use]
    pub const fn origin(&self) -> Option<&UpstreamTarget> {
        match &self.source {
            LookupSource::File(_) => None,
            LookupSource::Http(lookup) => Some(&lookup.origin),
            LookupSource::Table(lookup) => Some(&lookup.target.remote.origin),
        }
    }

    /// The client whose tokens its server is shown.
    #[must_use]
    pub const fn oauth_client(&self) -> Option<&OAuthClientName> {
        match &self.source {
            LookupSource::File(_) | LookupSource::Table(_) => None,
            LookupSource::Http(lookup) => match &lookup.authorization {
                Some(Authorization::Client(name)) => Some(name),
                Some(Authorization::Fixed(_)) | None => None,
            },
        }
    }
}

/// The records of a file by their keys; each is an object.
#[derive(Clone, PartialEq)]
pub struct FileRecords(pub BTreeMap<Box<str>, Arc<Value>>);

// Records are about people.
impl fmt::Debug for FileRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileRecords({})", self.0.len())
    }
}

/// How a server is asked for a record, by `GET`.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpLookup {
    /// Where it is.
    pub origin: UpstreamTarget,
    /// Path and query.
    pub path: KeyedPath,
    /// What it is shown; `None` for nothing.
    pub authorization: Option<Authorization>,
    /// From the first byte sent to the last byte of the answer; default 1 s.
    pub timeout: Duration,
    /// Longest time that a record is remembered; default 1 min, 0 remembers none.
    pub ttl: Duration,
}

/// Path and query of a URL, with places for the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyedPath {
    /// What stands before the first place, between each and the next, and behind the last: at least two.
    parts: Vec<Box<str>>,
}

/// What stands for the key in a URL.
pub const KEY: &str = "{key}";

impl KeyedPath {
    /// From path and query; `None` where there is no place for the key.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<Box<str>> = text.split(KEY).map(Into::into).collect();
        (parts.len() > 1).then_some(Self { parts })
    }

    /// Path and query with `key` put in, percent-encoded but for letters, digits and `-._~`, so that it
    /// is one segment of the path or one value of the query. `None` where a segment of the path would be
    /// `.` or `..`, which servers take for another path.
    #[must_use]
    pub fn of(&self, key: &str) -> Option<String> {
        let mut encoded = String::with_capacity(key.len());
        for byte in key.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                encoded.push(char::from(byte));
            } else {
                encoded.push_str(&format!("%{byte:02X}"));
            }
        }
        let whole = self.parts.join(&*encoded);
        let path = whole.split('?').next().unwrap_or_default();
        let is_dots = |segment: &str| segment == "." || segment == "..";
        (!path.split('/').any(is_dots)).then_some(whole)
    }
}

/// What a policy set has looked up for every request that it is asked about.
#[derive(Clone, Debug, PartialEq)]
pub struct Enrichment {
    /// What the policy set calls the record.
    pub name: Box<str>,
    /// The lookup.
    pub lookup: LookupName,
    /// What it is asked for; where that has no value, there is no record.
    pub key: RequestText,
}

/// A value of the record that a lookup finds.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The lookup.
    pub lookup: LookupName,
    /// What it is asked for.
    pub key: RequestText,
    /// Where in the record the value is: one, never several.
    pub at: JsonPath,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(template: &str, key: &str, expected: Option<&str>) {
        let path = KeyedPath::parse(template).unwrap();
        assert_eq!(path.of(key).as_deref(), expected, "{template} of {key:?}");
    }

    #[test]
    fn a_key_is_one_segment_whatever_is_in_it() {
        check("/users/{key}", "alice", Some("/users/alice"));
        check(
            "/users/{key}/x?of={key}",
            "a-b.c_d~",
            Some("/users/a-b.c_d~/x?of=a-b.c_d~"),
        );
        for (key, encoded) in [
            ("../admin", "..%2Fadmin"),
            ("a?b=c&d#e", "a%3Fb%3Dc%26d%23e"),
            ("%2f%2e", "%252f%252e"),
            ("a\r\nx: y\0", "a%0D%0Ax%3A%20y%00"),
            ("\u{fc}\u{1f984}", "%C3%BC%F0%9F%A6%84"),
            ("a+b c;d", "a%2Bb%20c%3Bd"),
            ("{key}", "%7Bkey%7D"),
            ("...", "..."),
        ] {
            check("/users/{key}", key, Some(&format!("/users/{encoded}")));
            check(
                "/users?id={key}",
                key,
                Some(&format!("/users?id={encoded}")),
            );
        }
    }

    #[test]
    fn no_key_leads_to_another_path() {
        for key in [".", ".."] {
            check("/users/{key}", key, None);
            check("/users/{key}/grades", key, None);
            check("/users/{key}?x", key, None);
            check(
                "/users/{key}.json",
                key,
                Some(&format!("/users/{key}.json")),
            );
            check("/users?id={key}", key, Some(&format!("/users?id={key}")));
        }
        check("/users/.{key}", ".", None);
        assert_eq!(KeyedPath::parse("/users"), None);
    }
}
