//! What languages may read of a request and of an integration's response.

use std::borrow::Cow;
use std::cell::OnceCell;

use serde_json::Value;

use super::json_memory;

/// Where a parameter of a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// A header field.
    Header,
    /// A variable of the route's path.
    Path,
    /// A parameter of the query string.
    Querystring,
}

impl Place {
    /// The name that mappings have for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Path => "path",
            Self::Querystring => "querystring",
        }
    }

    /// Splits `header.NAME`, `path.NAME` or `querystring.NAME`.
    #[must_use]
    pub fn split(text: &str) -> Option<(Self, &str)> {
        let (place, name) = text.split_once('.')?;
        let mut all = [Self::Header, Self::Path, Self::Querystring].into_iter();
        Some((all.find(|known| known.name() == place)?, name))
    }
}

/// Parameters of a client's request, decoded.
pub trait Parameters {
    /// The last value of a parameter. Whether the case of a header's name matters is decided here.
    fn last(&self, place: Place, name: &str) -> Option<Cow<'_, str>>;

    /// All its values, in the order of the request.
    fn all(&self, place: Place, name: &str) -> Vec<Cow<'_, str>>;
}

/// A client's request.
pub trait Request: Parameters {
    /// The path without the stage.
    fn path(&self) -> &str;

    /// The body; it is asked for only where [`reads_body`] of a mapping said so.
    ///
    /// [`reads_body`]: super::mapping::rest::RequestMapping::reads_body
    fn body(&self) -> &Body<'_>;
}

/// An integration's response.
pub trait Response {
    /// The last value of a header field.
    fn header(&self, name: &str) -> Option<Cow<'_, str>>;

    /// All its values.
    fn header_values(&self, name: &str) -> Vec<Cow<'_, str>>;

    /// The body.
    fn body(&self) -> &Body<'_>;
}

/// A body that is parsed when it is first asked for, and then once for all mappings.
#[derive(Debug)]
pub struct Body<'b> {
    bytes: &'b [u8],
    value: OnceCell<Result<Value, InvalidJson>>,
}

/// A mapping reads the body, and the body is no JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body is no JSON")]
pub struct InvalidJson;

impl<'b> Body<'b> {
    /// A body as it arrived, without its content coding.
    #[must_use]
    pub const fn new(bytes: &'b [u8]) -> Self {
        Self {
            bytes,
            value: OnceCell::new(),
        }
    }

    /// The first `bytes_max` bytes of a body. What is cut off is never looked at.
    #[must_use]
    pub fn truncated(bytes: &'b [u8], bytes_max: usize) -> Self {
        Self::new(bytes.get(..bytes_max).unwrap_or(bytes))
    }

    /// Its text without white space around it; a character that truncation has cut is left out.
    /// `None` if it is no UTF-8.
    #[must_use]
    pub fn text(&self) -> Option<&'b str> {
        match std::str::from_utf8(self.bytes) {
            Ok(text) => Some(text.trim()),
            Err(error) if error.error_len().is_none() => {
                let whole = self.bytes.get(..error.valid_up_to())?;
                std::str::from_utf8(whole).ok().map(str::trim)
            }
            Err(_) => None,
        }
    }

    /// Bytes that its value takes, or that it would take: whoever is going to ask for the value has
    /// to have room for them. What is no JSON takes none, and is not read again.
    #[must_use]
    pub fn value_memory(&self) -> usize {
        if self.bytes.trim_ascii().is_empty() {
            return 0;
        }
        json_memory::memory(self.bytes).unwrap_or_else(|_error| {
            self.value.get_or_init(|| Err(InvalidJson));
            0
        })
    }

    /// Its value; an empty body counts as `{}`.
    ///
    /// # Errors
    /// [`InvalidJson`], also for values nested deeper than `serde_json` goes.
    pub fn value(&self) -> Result<&Value, InvalidJson> {
        let parsed = self.value.get_or_init(|| {
            if self.bytes.trim_ascii().is_empty() {
                return Ok(Value::Object(serde_json::Map::new()));
            }
            serde_json::from_slice(self.bytes).map_err(|_error| InvalidJson)
        });
        parsed.as_ref().map_err(|error| *error)
    }
}

/// A message of lists for the tests of languages; names are compared as they are.
#[cfg(test)]
#[derive(Debug)]
pub(super) struct TestMessage<'t> {
    pub(super) parameters: Vec<(Place, &'t str, &'t str)>,
    pub(super) path: &'t str,
    pub(super) body: Body<'t>,
}

#[cfg(test)]
impl<'t> TestMessage<'t> {
    pub(super) fn new(parameters: &[(Place, &'t str, &'t str)], body: &'t str) -> Self {
        Self {
            parameters: parameters.to_vec(),
            path: "/pets/7",
            body: Body::new(body.as_bytes()),
        }
    }
}

#[cfg(test)]
impl Parameters for TestMessage<'_> {
    fn last(&self, place: Place, name: &str) -> Option<Cow<'_, str>> {
        self.all(place, name).pop()
    }

    fn all(&self, place: Place, name: &str) -> Vec<Cow<'_, str>> {
        let of_name = self
            .parameters
            .iter()
            .filter(|(at, known, _)| *at == place && *known == name);
        of_name.map(|(.., value)| Cow::Borrowed(*value)).collect()
    }
}

#[cfg(test)]
impl Request for TestMessage<'_> {
    fn path(&self) -> &str {
        self.path
    }

    fn body(&self) -> &Body<'_> {
        &self.body
    }
}

#[cfg(test)]
impl Response for TestMessage<'_> {
    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.last(Place::Header, name)
    }

    fn header_values(&self, name: &str) -> Vec<Cow<'_, str>> {
        self.all(Place::Header, name)
    }

    fn body(&self) -> &Body<'_> {
        &self.body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_body_is_an_empty_object_and_a_broken_one_an_error() {
        for empty in ["", " \r\n"] {
            assert_eq!(
                Body::new(empty.as_bytes()).value(),
                Ok(&serde_json::json!({}))
            );
        }
        for broken in ["{", "hello", "{'a':1}", "{} x"] {
            assert_eq!(
                Body::new(broken.as_bytes()).value(),
                Err(InvalidJson),
                "{broken}"
            );
        }
        let deep = "[".repeat(100_000);
        assert_eq!(Body::new(deep.as_bytes()).value(), Err(InvalidJson));
    }

    #[test]
    fn the_memory_of_a_value_is_known_before_there_is_one() {
        let body = Body::new(br#"[{"": 0}, {"": 0}]"#);
        assert!(body.value_memory() > 1000);
        assert_eq!(body.value(), Ok(&serde_json::json!([{"": 0}, {"": 0}])));
        assert_eq!(Body::new(b" ").value_memory(), 0);
        assert_eq!(Body::new(b" ").value(), Ok(&serde_json::json!({})));
        let broken = Body::new(br#"[{"": 0}, "#);
        assert_eq!(
            (broken.value_memory(), broken.value()),
            (0, Err(InvalidJson))
        );
    }

    #[test]
    fn a_cut_character_is_left_out() {
        assert_eq!(Body::truncated("aü".as_bytes(), 2).text(), Some("a"));
        assert_eq!(Body::truncated("aü".as_bytes(), 3).text(), Some("aü"));
        assert_eq!(Body::truncated(" a ".as_bytes(), 9).text(), Some("a"));
        assert_eq!(Body::new(b"a\xff b").text(), None);
    }

    #[test]
    fn places_have_the_names_of_mappings() {
        assert_eq!(Place::split("header.a.b"), Some((Place::Header, "a.b")));
        assert_eq!(Place::split("path.id"), Some((Place::Path, "id")));
        assert_eq!(
            Place::split("querystring.q"),
            Some((Place::Querystring, "q"))
        );
        assert_eq!(Place::split("header"), None);
        assert_eq!(Place::split("cookie.a"), None);
    }
}
