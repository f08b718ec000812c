//! What a definition changes of a request on its way to a backend.
//!
//! Every value is read from the request as the client sent it, before anything is changed. A value
//! that is missing changes nothing, but for two: a hole in a path is refused, because the path without
//! it would be that of something else; and where a variable of `$context` was to take the place of a
//! header or a query parameter, that is taken away, because the backend would believe the client's own
//! to be what the gateway knows.
//!
//! Source: Amazon API Gateway Developer Guide, "Parameter mapping examples for REST APIs in API
//! Gateway" and "Transform API requests and responses for HTTP APIs in API Gateway".

use std::borrow::Cow;

use ::http::header::HOST;
use ::http::{HeaderMap, HeaderName, HeaderValue};

use super::path_template::push_escape;
use crate::exchange::{Context, Exchange, Reason, Rejection};
use crate::language::mapping::http::{self, Change, RequestTarget};
use crate::language::mapping::rest;
use crate::language::message::{Place, Request};
use crate::language::variable::{Variable, Variables};
use crate::router::{RequestPath, Slashes};

/// What is changed of one request.
#[derive(Debug, Default)]
pub(super) struct Changes {
    headers: Vec<HeaderChange>,
    query: Vec<(Change, String, String)>,
    /// The whole path, encoded; `None` leaves it.
    pub(super) path: Option<String>,
    /// Values for the integration's path.
    pub(super) parameters: Vec<Filled>,
}

/// A header that is changed.
#[derive(Debug)]
pub(super) struct HeaderChange {
    change: Change,
    name: HeaderName,
    value: HeaderValue,
}

/// A value for the integration's path.
#[derive(Debug)]
pub(super) struct Filled {
    pub(super) name: String,
    pub(super) value: String,
    /// Whether it is as it arrived, slashes and encoding included.
    pub(super) is_raw: bool,
}

impl Changes {
    /// By the mappings of a REST API. `greedy` is the path parameter whose value is raw.
    ///
    /// # Errors
    /// 400 for a body that should be JSON and is none, and for a path that lacks a part.
    pub(super) fn of_rest(
        mappings: &[rest::RequestMapping],
        exchange: &Exchange,
        request: &impl Request,
        greedy: Option<&str>,
    ) -> Result<Self, Rejection> {
        let context = Context {
            exchange,
            refused: None,
        };
        let in_headers = InHeaders(context);
        let mut changes = Self::default();
        for mapping in mappings {
            let values = if mapping.place == Place::Header {
                mapping.evaluate(request, &in_headers)
            } else {
                mapping.evaluate(request, &context)
            };
            let values = values.map_err(|_invalid| Rejection {
                message: Some(Cow::Borrowed("Invalid JSON in request body")),
                ..Rejection::new(Reason::BodyNotJson)
            })?;
            let name = mapping.name.text();
            match mapping.place {
                Place::Header => {
                    let value = values.first().map(AsRef::as_ref);
                    let is_ours = mapping.reads_context();
                    changes.header(Change::Overwrite, name, value, is_ours);
                }
                Place::Querystring if mapping.reads_context() => {
                    let value = values.into_iter().next();
                    let change = value.as_ref().map_or(Change::Remove, |_| Change::Overwrite);
                    let value = value.map_or_else(String::new, Cow::into_owned);
                    changes.query.push((change, name.to_owned(), value));
                }
                Place::Querystring => {
                    let pairs = values.into_iter();
                    let pairs =
                        pairs.map(|value| (Change::Append, name.to_owned(), value.into_owned()));
                    changes.query.extend(pairs);
                }
                Place::Path => {
                    let value = values.into_iter().next().unwrap_or_default();
                    if value.is_empty() {
                        return Err(hole(name));
                    }
                    let source = mapping.declared();
                    let is_raw = source.is_some_and(|(place, name)| {
                        place == Place::Path && Some(name.text()) == greedy
                    });
                    changes.parameters.push(Filled {
                        name: name.to_owned(),
                        value: value.into_owned(),
                        is_raw,
                    });
                }
            }
        }
        Ok(changes)
    }

    /// By the mappings of an HTTP API.
    ///
    /// # Errors
    /// 400 for a path that leads elsewhere.
    pub(super) fn of_http(
        mappings: &[http::RequestMapping],
        exchange: &Exchange,
        request: &impl Request,
    ) -> Result<Self, Rejection> {
        let context = Context {
            exchange,
            refused: None,
        };
        let in_headers = InHeaders(context);
        let mut changes = Self::default();
        for mapping in mappings {
            let value = if let RequestTarget::Header(..) = mapping.target {
                mapping.evaluate(request, &in_headers)
            } else {
                mapping.evaluate(request, &context)
            };
            match (&mapping.target, value) {
                (RequestTarget::Header(change, name), value) => {
                    let is_ours = mapping.reads_context();
                    changes.header(*change, name, value.as_deref(), is_ours);
                }
                (RequestTarget::Querystring(change, name), Some(value)) => {
                    let edit = (*change, name.to_string(), value.into_owned());
                    changes.query.push(edit);
                }
                (RequestTarget::Querystring(Change::Overwrite, name), None)
                    if mapping.reads_context() =>
                {
                    let edit = (Change::Remove, name.to_string(), String::new());
                    changes.query.push(edit);
                }
                (RequestTarget::Querystring(..) | RequestTarget::Path, None) => {}
                (RequestTarget::Path, Some(value)) => {
                    let path = encoded_path(&value);
                    RequestPath::parse(&path, Slashes::Collapsed)
                        .map_err(|error| Rejection::detailed(Reason::BadPath, error.to_string()))?;
                    changes.path = Some(path);
                }
            }
        }
        Ok(changes)
    }

    /// Adds the change of a header. `is_ours` says that its value is what the gateway knows, so that
    /// the client's own may not stand in for it. The backend's name is never the client's.
    fn header(&mut self, change: Change, name: &str, value: Option<&str>, is_ours: bool) {
        let changed = value.and_then(|value| HeaderChange::new(change, name, value));
        let stands_in =
            is_ours && change == Change::Overwrite && !HOST.as_str().eq_ignore_ascii_case(name);
        let changed = changed.or_else(|| {
            let taken = || HeaderChange::new(Change::Remove, name, "");
            stands_in.then(taken).flatten()
        });
        self.headers.extend(changed);
    }

    /// Changes the headers as they are sent.
    pub(super) fn apply(self, headers: &mut HeaderMap) {
        for change in self.headers {
            change.apply(headers);
        }
    }

    /// Whether path and query are as they would be without mappings.
    pub(super) fn leave_target(&self) -> bool {
        self.query.is_empty() && self.parameters.is_empty() && self.path.is_none()
    }

    /// The query as it is sent. What is not changed stays as it was written.
    pub(super) fn query<'q>(&self, sent: impl Iterator<Item = &'q str>) -> Option<String> {
        let pieces = sent.flat_map(|query| query.split('&'));
        let mut pieces: Vec<Cow<'q, str>> = pieces.map(Cow::Borrowed).collect();
        for (change, name, value) in &self.query {
            if matches!(change, Change::Overwrite | Change::Remove) {
                pieces.retain(|piece| !is_named(piece, name));
            }
            if matches!(change, Change::Overwrite | Change::Append) {
                let mut pair = form_urlencoded::Serializer::new(String::new());
                let pair = pair.append_pair(name, value).finish();
                pieces.push(Cow::Owned(pair));
            }
        }
        (!pieces.is_empty()).then(|| pieces.join("&"))
    }
}

impl HeaderChange {
    /// `None` for a value that no header can hold, which is as good as missing.
    pub(super) fn new(change: Change, name: &str, value: &str) -> Option<Self> {
        Some(Self {
            change,
            name: HeaderName::try_from(name).ok()?,
            value: HeaderValue::from_bytes(value.as_bytes()).ok()?,
        })
    }

    pub(super) fn apply(self, headers: &mut HeaderMap) {
        match self.change {
            Change::Append => {
                headers.append(self.name, self.value);
            }
            Change::Overwrite => {
                headers.insert(self.name, self.value);
            }
            Change::Remove => {
                headers.remove(self.name);
            }
        }
    }
}

/// The variables as headers hold them: a certificate is percent-encoded, because it has several lines.
struct InHeaders<'a>(Context<'a>);

impl Variables for InHeaders<'_> {
    fn context(&self, variable: &Variable) -> Option<Cow<'_, str>> {
        let value = self.0.context(variable)?;
        if *variable != Variable::ClientCertPem {
            return Some(value);
        }
        let mut encoded = String::with_capacity(value.len());
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-+/=".contains(&byte) {
                encoded.push(char::from(byte));
            } else {
                push_escape(&mut encoded, byte);
            }
        }
        Some(Cow::Owned(encoded))
    }

    fn stage_variable(&self, name: &str) -> Option<&str> {
        self.0.stage_variable(name)
    }
}

/// Whether a piece of a query is a parameter of this name.
fn is_named(piece: &str, name: &str) -> bool {
    let mut pairs = form_urlencoded::parse(piece.as_bytes());
    pairs.next().is_some_and(|(known, _)| known == name)
}

/// A path in which what no path holds is percent-encoded; what is encoded already stays.
fn encoded_path(text: &str) -> String {
    let mut path = String::with_capacity(text.len());
    for (at, byte) in text.bytes().enumerate() {
        let escape = text.as_bytes().get(at..at + 3);
        let is_escape = escape.is_some_and(|escape| {
            matches!(escape, [b'%', high, low]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
        });
        if is_escape || byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte) {
            path.push(char::from(byte));
        } else {
            push_escape(&mut path, byte);
        }
    }
    path
}

fn hole(name: &str) -> Rejection {
    let detail = format!("nothing fills `{{{name}}}` of the integration's path");
    Rejection::detailed(Reason::BadPath, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sent: &[&str], edits: &[(Change, &str, &str)], expected: Option<&str>) {
        let edits = edits.iter();
        let changes = Changes {
            query: edits
                .map(|(change, name, value)| (*change, (*name).into(), (*value).into()))
                .collect(),
            ..Changes::default()
        };
        let found = changes.query(sent.iter().copied());
        assert_eq!(found.as_deref(), expected, "{sent:?}");
    }

    #[test]
    fn a_query_keeps_what_is_not_changed() {
        use Change::{Append, Overwrite, Remove};
        check(&[], &[], None);
        check(&["a=1&&b=%20;+"], &[], Some("a=1&&b=%20;+"));
        check(
            &["x=1", "a"],
            &[(Append, "a", "b c&")],
            Some("x=1&a&a=b+c%26"),
        );
        check(
            &["x=1", "x&%78=2&y"],
            &[(Overwrite, "x", "3")],
            Some("y&x=3"),
        );
        check(&["x=1&y=2"], &[(Remove, "y", "")], Some("x=1"));
        check(&["x=1&x"], &[(Remove, "x", "")], None);
    }

    #[test]
    fn a_path_is_encoded_once() {
        for (text, expected) in [
            ("/a/b", "/a/b"),
            ("/a b/%20", "/a%20b/%20"),
            ("/a?b#c%", "/a%3Fb%23c%25"),
            ("/ü%zz", "/%C3%BC%25zz"),
        ] {
            assert_eq!(encoded_path(text), expected);
        }
    }
}
