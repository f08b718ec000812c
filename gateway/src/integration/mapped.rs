//! What a definition changes of a request on its way to a backend.
//!
//! Every value is read from the request as the client sent it, before anything is changed. A value
//! that is missing changes nothing; only a hole in a path is refused, because the path without it
//! would be that of something else.
//!
//! Source: Amazon API Gateway Developer Guide, "Parameter mapping examples for REST APIs in API
//! Gateway".

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::exchange::{Context, Exchange, Reason, Rejection};
use crate::language::mapping::rest;
use crate::language::message::{Place, Request};

/// What is changed of one request.
#[derive(Debug, Default)]
pub(super) struct Changes {
    headers: Vec<(HeaderName, HeaderValue)>,
    query: Vec<(String, String)>,
    /// Values for the integration's path.
    pub(super) parameters: Vec<Filled>,
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
        let mut changes = Self::default();
        for mapping in mappings {
            let values = mapping.evaluate(request, &context);
            let values = values.map_err(|_invalid| Rejection {
                message: Some(Cow::Borrowed("Invalid JSON in request body")),
                ..Rejection::new(Reason::BodyNotJson)
            })?;
            let name = mapping.name.text();
            match mapping.place {
                Place::Header => changes.header(name, values.first()),
                Place::Querystring => {
                    let pairs = values.into_iter();
                    let pairs = pairs.map(|value| (name.to_owned(), value.into_owned()));
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

    /// A value that no header can hold is one that is missing.
    fn header(&mut self, name: &str, value: Option<&Cow<'_, str>>) {
        let value = value.and_then(|value| HeaderValue::from_bytes(value.as_bytes()).ok());
        if let (Ok(name), Some(value)) = (HeaderName::try_from(name), value) {
            self.headers.push((name, value));
        }
    }

    /// Changes the headers as they are sent.
    pub(super) fn apply(self, headers: &mut HeaderMap) {
        for (name, value) in self.headers {
            headers.insert(name, value);
        }
    }

    /// Whether path and query are as they would be without mappings.
    pub(super) fn leave_target(&self) -> bool {
        self.query.is_empty() && self.parameters.is_empty()
    }

    /// What is added to the query, encoded; `None` for nothing.
    pub(super) fn query(&self) -> Option<String> {
        if self.query.is_empty() {
            return None;
        }
        let mut query = form_urlencoded::Serializer::new(String::new());
        Some(query.extend_pairs(&self.query).finish())
    }
}

fn hole(name: &str) -> Rejection {
    let detail = format!("nothing fills `{{{name}}}` of the integration's path");
    Rejection::detailed(Reason::BadPath, detail)
}
