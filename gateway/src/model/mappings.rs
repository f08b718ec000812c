//! What a definition changes of requests on their way to a backend.

use crate::language::mapping::rest;

/// Parameter mappings of requests, in the language of the API's type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestMappings {
    /// Of a REST API, in the order of the definition.
    pub rest: Vec<rest::RequestMapping>,
}

impl RequestMappings {
    /// Whether the body must be at hand.
    #[must_use]
    pub fn read_body(&self) -> bool {
        self.rest.iter().any(rest::RequestMapping::reads_body)
    }
}
