//! A backend's answer as mappings read it.

use std::borrow::Cow;

use http::HeaderMap;

use crate::language::message::{Body, Response};

/// Headers and body of an answer.
pub(super) struct Answered<'a> {
    pub(super) headers: &'a HeaderMap,
    pub(super) body: Body<'a>,
}

impl Response for Answered<'_> {
    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.header_values(name).pop()
    }

    fn header_values(&self, name: &str) -> Vec<Cow<'_, str>> {
        let values = self.headers.get_all(name).iter();
        let text = values.filter_map(|value| value.to_str().ok());
        text.map(Cow::Borrowed).collect()
    }

    fn body(&self) -> &Body<'_> {
        &self.body
    }
}
