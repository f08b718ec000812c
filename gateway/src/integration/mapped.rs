//! What a definition changes of a request on its way to a backend.
//!
//! Every value is read from the request as the client sent it, before anything is changed. A value
//! that is missing changes nothing, but for what the gateway alone can say: where a variable of
//! `$context` or of the stage was to take the place of a header or a query parameter, that is taken
//! away, because the backend would believe the client's own to be what the gateway knows. So is, in any
//! case, what a backend may take for it. A hole in a path is refused, because the path without it
//! would be that of something else.
//!
//! Source: Amazon API Gateway Developer Guide, "Parameter mapping examples for REST APIs in API
//! Gateway" and "Transform API requests and responses for HTTP APIs in API Gateway".

use std::borrow::Cow;

use ::http::header::HOST;
use ::http::{HeaderMap, HeaderName, HeaderValue};

use super::mapped_query::{self, QueryChange};
use super::path_template::push_escape;
use super::{look_alike, rest_headers};
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
    /// Headers whose value is the gateway's own.
    ours: Vec<HeaderName>,
    query: Vec<QueryChange>,
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
                Place::Header if rest_headers::is_unmappable(name) => {}
                Place::Header => {
                    let value = values.first().map(AsRef::as_ref);
                    changes.header(Change::Overwrite, name, value, mapping.is_ours());
                }
                Place::Querystring if mapping.reads_variables() => {
                    let value = values.into_iter().next();
                    changes.own_parameter(name, value);
                }
                Place::Querystring => {
                    let changed = values.into_iter().map(|value| QueryChange {
                        change: Change::Append,
                        name: name.to_owned(),
                        value: value.into_owned(),
                        is_ours: false,
                    });
                    changes.query.extend(changed);
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
    /// 400 for a path that leads elsewhere, or that a variable was to make which has no value.
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
                    changes.header(*change, name, value.as_deref(), mapping.is_ours());
                }
                (RequestTarget::Querystring(Change::Overwrite, name), value)
                    if mapping.reads_variables() =>
                {
                    changes.own_parameter(name, value);
                }
                (RequestTarget::Querystring(change, name), Some(value)) => {
                    changes.query.push(QueryChange {
                        change: *change,
                        name: name.to_string(),
                        value: value.into_owned(),
                        is_ours: mapping.is_ours(),
                    });
                }
                (RequestTarget::Path, None) if mapping.reads_variables() => {
                    let detail = "what `overwrite:path` takes from variables is missing or no path";
                    return Err(Rejection::detailed(Reason::BadPath, detail));
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

    /// Adds the change of a header. `is_ours` says that its value is the gateway's own, so that the
    /// client's may not stand in for it. The backend's name is never the client's.
    fn header(&mut self, change: Change, name: &str, value: Option<&str>, is_ours: bool) {
        let changed = value.and_then(|value| HeaderChange::new(change, name, value));
        let is_guarded =
            is_ours && change != Change::Append && !HOST.as_str().eq_ignore_ascii_case(name);
        let taken = || HeaderChange::new(Change::Remove, name, "");
        let changed = changed.or_else(|| is_guarded.then(taken).flatten());
        if is_guarded && let Some(changed) = &changed {
            self.ours.push(changed.name.clone());
        }
        self.headers.extend(changed);
    }

    /// Adds a query parameter whose value is what the gateway knows; where there is none, the client
    /// can say none either.
    fn own_parameter(&mut self, name: &str, value: Option<Cow<'_, str>>) {
        let change = value.as_ref().map_or(Change::Remove, |_| Change::Overwrite);
        self.query.push(QueryChange {
            change,
            name: name.to_owned(),
            value: value.map_or_else(String::new, Cow::into_owned),
            is_ours: true,
        });
    }

    /// Takes away what a backend may take for a header that is the gateway's own. `headers` are the
    /// client's, before others are added.
    pub(super) fn remove_look_alikes(&self, headers: &mut HeaderMap) {
        look_alike::remove_headers(headers, &self.ours);
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

    /// The query as it is sent: of `own`, which the integration's URL has, and of the client's.
    pub(super) fn query(&self, own: Option<&str>, sent: Option<&str>) -> Option<String> {
        mapped_query::changed(own, sent, &self.query)
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
