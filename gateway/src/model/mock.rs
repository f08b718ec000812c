//! What REST APIs answer without a backend, and how an integration's answer becomes the client's.

use crate::language::mapping::rest::ResponseMapping;
use crate::language::template::Literal;

/// A `MOCK` integration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mock {
    /// The status that each template asks for, by media type of the request; `None` where the
    /// template asks for none, which is answered with 500.
    pub statuses: Vec<(String, Option<u16>)>,
    /// What a request gets for whose media type there is no template.
    pub passthrough: Passthrough,
    /// What the status becomes, in the order of the definition.
    pub responses: Vec<ResponseRule>,
}

/// What happens to a request body for whose media type there is no template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passthrough {
    /// It is passed on; the default.
    WhenNoMatch,
    /// It is passed on if there is no template at all, and refused with 415 otherwise.
    WhenNoTemplates,
    /// It is refused with 415.
    Never,
}

/// What a client gets for an integration's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseRule {
    /// The regular expression that selects it; `None` for the default.
    pub pattern: Option<String>,
    /// Status sent to the client.
    pub status: u16,
    /// Headers sent to the client.
    pub mappings: Vec<ResponseMapping>,
    /// Bodies by media type, in the order of the definition.
    pub templates: Vec<(String, Literal)>,
}
