//! JSON whose strings may name what a request has: what policies are asked about it.
//!
//! A string is written as values of mappings of HTTP APIs are: `$request.header.id`, `blue`,
//! `${request.path.a}-${context.requestId}`, or with what was looked up, `$lookups.person.team`. One that
//! is a claim or a value of a record and nothing else stands for what its author wrote, so a list stays a
//! list. What has no value is left out of the object or the list that it stands in. Keys are never read. Bounded in depth and in the number of values.

use serde_json::{Map, Value};

use super::mapping::MappingError;
use super::mapping::http::RequestText;
use super::message::Request;
use super::variable::{Variable, Variables};

/// How deep a document may be.
pub const DEPTH_MAX: usize = 16;

/// How many values it may have, itself included.
pub const VALUES_MAX: usize = 1_024;

/// JSON with variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document(Part);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(RequestText),
    Fixed(Value),
    List(Vec<Part>),
    Record(Vec<(String, Part)>),
}

/// Why JSON is no document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// A string that is none; `pointer` (RFC 6901) says which.
    #[error("{source}")]
    Text {
        /// Where it stands.
        pointer: String,
        /// What is wrong.
        source: MappingError,
    },
    /// Deeper than [`DEPTH_MAX`].
    #[error("it is deeper than {DEPTH_MAX} levels: make it flatter")]
    Deep,
    /// More than [`VALUES_MAX`].
    #[error("it has more than {VALUES_MAX} values: have fewer")]
    Large,
}

impl Document {
    /// From JSON.
    ///
    /// # Errors
    /// See [`DocumentError`].
    pub fn parse(json: &Value) -> Result<Self, DocumentError> {
        let mut room = VALUES_MAX;
        Part::parse(json, &mut String::new(), DEPTH_MAX, &mut room).map(Self)
    }

    /// The `$context` variables that it reads.
    #[must_use]
    pub fn variables(&self) -> Vec<&Variable> {
        let texts = self.texts().into_iter();
        texts.flat_map(RequestText::variables).collect()
    }

    /// The lookups that it reads, by their names.
    #[must_use]
    pub fn lookups(&self) -> Vec<&str> {
        let texts = self.texts().into_iter();
        texts.flat_map(RequestText::lookups).collect()
    }

    fn texts(&self) -> Vec<&RequestText> {
        let mut texts = Vec::new();
        self.0.add_texts(&mut texts);
        texts
    }

    /// Its value for a request; `None` where it is one text that has none.
    #[must_use]
    pub fn evaluate(&self, request: &impl Request, variables: &impl Variables) -> Option<Value> {
        self.0.evaluate(request, variables)
    }
}

impl Part {
    fn parse(
        json: &Value,
        pointer: &mut String,
        depth: usize,
        room: &mut usize,
    ) -> Result<Self, DocumentError> {
        let depth = depth.checked_sub(1).ok_or(DocumentError::Deep)?;
        *room = room.checked_sub(1).ok_or(DocumentError::Large)?;
        let mut below = |segment: &str, json: &Value| {
            let length = pointer.len();
            pointer.push('/');
            pointer.push_str(&segment.replace('~', "~0").replace('/', "~1"));
            let part = Self::parse(json, pointer, depth, room);
            pointer.truncate(length);
            part
        };
        match json {
            Value::String(text) => {
                RequestText::parse(text)
                    .map(Self::Text)
                    .map_err(|source| DocumentError::Text {
                        pointer: pointer.clone(),
                        source,
                    })
            }
            Value::Array(items) => {
                let items = items.iter().enumerate();
                let items = items.map(|(index, item)| below(&index.to_string(), item));
                items.collect::<Result<_, _>>().map(Self::List)
            }
            Value::Object(entries) => {
                let entries = entries.iter();
                let entries = entries.map(|(key, value)| Ok((key.clone(), below(key, value)?)));
                entries.collect::<Result<_, _>>().map(Self::Record)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(Self::Fixed(json.clone())),
        }
    }

    fn add_texts<'a>(&'a self, texts: &mut Vec<&'a RequestText>) {
        match self {
            Self::Text(text) => texts.push(text),
            Self::Fixed(_) => {}
            Self::List(items) => items.iter().for_each(|item| item.add_texts(texts)),
            Self::Record(entries) => entries.iter().for_each(|(_, part)| part.add_texts(texts)),
        }
    }

    fn evaluate(&self, request: &impl Request, variables: &impl Variables) -> Option<Value> {
        match self {
            Self::Fixed(value) => Some(value.clone()),
            Self::Text(text) => text.json(request, variables),
            Self::List(items) => {
                let items = items
                    .iter()
                    .filter_map(|item| item.evaluate(request, variables));
                Some(Value::Array(items.collect()))
            }
            Self::Record(entries) => {
                let entries = entries.iter().filter_map(|(key, part)| {
                    Some((key.clone(), part.evaluate(request, variables)?))
                });
                Some(Value::Object(entries.collect::<Map<_, _>>()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use serde_json::json;

    use super::*;
    use crate::language::message::{Body, Parameters, Place};

    struct Asked {
        body: Body<'static>,
        claims: Value,
        records: Value,
    }

    impl Parameters for Asked {
        fn last(&self, place: Place, name: &str) -> Option<Cow<'_, str>> {
            self.all(place, name).pop()
        }

        fn all(&self, place: Place, name: &str) -> Vec<Cow<'_, str>> {
            match (place, name) {
                (Place::Path, "id") => vec!["7".into()],
                _ => Vec::new(),
            }
        }
    }

    impl Request for Asked {
        fn path(&self) -> &str {
            "/pets/7"
        }

        fn body(&self) -> &Body<'_> {
            &self.body
        }
    }

    impl Variables for Asked {
        fn context(&self, variable: &Variable) -> Option<Cow<'_, str>> {
            match variable {
                Variable::HttpMethod => Some("GET".into()),
                Variable::Claim(name) => self.claims.get(&**name)?.as_str().map(Into::into),
                _ => None,
            }
        }

        fn stage_variable(&self, _name: &str) -> Option<&str> {
            None
        }

        fn claim(&self, name: &str) -> Option<Value> {
            self.claims.get(name).cloned()
        }

        fn record(&self, lookup: &str) -> Option<&Value> {
            self.records.get(lookup)
        }
    }

    #[track_caller]
    fn check(document: &Value, expected: Option<Value>) {
        let asked = Asked {
            body: Body::new(b""),
            claims: json!({ "sub": "bob", "groups": ["a", "b"], "level": 3 }),
            records: json!({ "person": {
                "team": { "name": "red", "leads": ["ann", "bob"] }, "grade": 7, "none": null,
                "desk-1": true,
            } }),
        };
        let document = Document::parse(document).unwrap();
        assert_eq!(document.evaluate(&asked, &asked), expected);
    }

    #[test]
    fn values_are_put_in_and_what_has_none_is_left_out() {
        check(
            &json!({
                "input": {
                    "user": "$context.authorizer.claims.sub",
                    "groups": "$context.authorizer.claims.groups",
                    "level": "$context.authorizer.claims.level",
                    "text": "is ${context.authorizer.claims.sub}",
                    "what": "${context.httpMethod} ${request.path.id}",
                    "path": "$request.path",
                    "not": "$request.header.x",
                    "list": ["$request.header.x", 1, true, "a", null],
                },
            }),
            Some(json!({
                "input": {
                    "user": "bob",
                    "groups": ["a", "b"],
                    "level": 3,
                    "text": "is bob",
                    "what": "GET 7",
                    "path": "/pets/7",
                    "list": [1, true, "a", null],
                },
            })),
        );
        check(&json!("$request.header.x"), None);
        check(
            &json!("$context.authorizer.claims.groups"),
            Some(json!(["a", "b"])),
        );
    }

    #[test]
    fn values_of_records_keep_their_types_where_they_stand_alone() {
        check(
            &json!({
                "team": "$lookups.person.team.name",
                "leads": "$lookups.person.team.leads",
                "names": "$lookups.person.team['leads'][*]",
                "grade": "$lookups.person.grade",
                "desk": "$lookups.person.desk-1",
                "none": "$lookups.person.none",
                "text": "${lookups.person.team.name} of ${lookups.person.grade}",
                "left out": ["$lookups.person.nobody", "$lookups.other.name", "$lookups.other",
                    "x ${lookups.person.none}"],
            }),
            Some(json!({
                "team": "red", "leads": ["ann", "bob"], "names": ["ann", "bob"], "grade": 7,
                "desk": true, "none": null, "text": "red of 7", "left out": [],
            })),
        );
        let whole = Document::parse(&json!(["$lookups.person", "a ${lookups.b['c'].d}"])).unwrap();
        assert_eq!(whole.lookups(), ["person", "b"]);
        for (text, expected) in [
            ("$lookups.", "`` is no name"),
            ("$lookups.a b.c", "`a b` is no name"),
            ("$lookups.a.", "byte 0: a name is missing"),
            ("$lookups.a..b", "recursive descent is not supported"),
            (
                "$lookups.a[?(@.x)]",
                "filters and scripts are not supported",
            ),
        ] {
            let error = Document::parse(&json!(text)).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn mistakes_are_found_where_they_are() {
        let refused = |document: Value| Document::parse(&document).unwrap_err();
        let error = refused(json!({ "a/b": ["x", "$context.nothing"] }));
        let DocumentError::Text { pointer, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!(pointer, "/a~1b/1");
        assert_eq!(
            error.to_string(),
            "there is no variable `$context.nothing`: write one that there is"
        );
        let error = refused(json!("$request.body.a")).to_string();
        assert!(error.contains("the body is read later"), "{error}");
        let deep = (0..DEPTH_MAX).fold(json!(1), |inner, _| json!([inner]));
        assert_eq!(refused(deep), DocumentError::Deep);
        assert_eq!(refused(json!(vec![1; VALUES_MAX])), DocumentError::Large);
    }
}
