//! A client's request as definitions read it.

use std::borrow::Cow;

use http::{HeaderMap, Uri};

use crate::language::message::{Body, Parameters, Place, Request};

/// The parameters of a request.
#[derive(Clone, Copy, Debug)]
pub struct ClientParameters<'a> {
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Path and query.
    pub uri: &'a Uri,
    /// The parameters of its path.
    pub path: &'a [(&'a str, Cow<'a, str>)],
}

/// A request with what else of it may be read.
#[derive(Debug)]
pub struct ClientRequest<'a> {
    /// Its parameters.
    pub parameters: ClientParameters<'a>,
    /// Its path without the stage, as it arrived.
    pub path: &'a str,
    /// Its body.
    pub body: Body<'a>,
}

impl Parameters for ClientParameters<'_> {
    fn last(&self, place: Place, name: &str) -> Option<Cow<'_, str>> {
        self.all(place, name).pop()
    }

    fn all(&self, place: Place, name: &str) -> Vec<Cow<'_, str>> {
        match place {
            Place::Header => header_values(self.headers, name),
            Place::Path => {
                let own = self.path.iter().filter(|(known, _)| *known == name);
                own.map(|(_, value)| Cow::Borrowed(value.as_ref()))
                    .collect()
            }
            Place::Querystring => query_values(self.uri, name),
        }
    }
}

impl Parameters for ClientRequest<'_> {
    fn last(&self, place: Place, name: &str) -> Option<Cow<'_, str>> {
        self.parameters.last(place, name)
    }

    fn all(&self, place: Place, name: &str) -> Vec<Cow<'_, str>> {
        self.parameters.all(place, name)
    }
}

impl Request for ClientRequest<'_> {
    fn path(&self) -> &str {
        self.path
    }

    fn body(&self) -> &Body<'_> {
        &self.body
    }
}

/// The values of a header that are text. Names are compared without their case, which HTTP/2 does
/// not have.
pub(super) fn header_values<'h>(headers: &'h HeaderMap, name: &str) -> Vec<Cow<'h, str>> {
    let values = headers.get_all(name).iter();
    let text = values.filter_map(|value| value.to_str().ok());
    text.map(Cow::Borrowed).collect()
}

/// The values of a query parameter, decoded.
pub(super) fn query_values<'u>(uri: &'u Uri, name: &str) -> Vec<Cow<'u, str>> {
    let query = uri.query().unwrap_or_default();
    let pairs = form_urlencoded::parse(query.as_bytes());
    let own = pairs.filter(|(known, _)| known == name);
    own.map(|(_, value)| value).collect()
}
