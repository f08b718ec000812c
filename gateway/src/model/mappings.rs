//! What a definition changes of requests on their way to a backend, and of its answers.

use std::collections::BTreeMap;

use crate::language::mapping::{http, rest};

/// Parameter mappings of requests, in the order of the definition and in the language of the API's
/// type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestMappings {
    /// Of a REST API.
    Rest(Vec<rest::RequestMapping>),
    /// Of an HTTP API.
    Http(Vec<http::RequestMapping>),
}

impl RequestMappings {
    /// Whether the body must be at hand.
    #[must_use]
    pub fn read_body(&self) -> bool {
        match self {
            Self::Rest(mappings) => mappings.iter().any(rest::RequestMapping::reads_body),
            Self::Http(mappings) => mappings.iter().any(http::RequestMapping::reads_body),
        }
    }
}

/// Parameter mappings of answers, by their status and in the order of the definition; HTTP APIs
/// only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseMappings(pub BTreeMap<u16, Vec<http::ResponseMapping>>);
