//! Integrations of REST APIs that are no proxies: what they get of a request, and how their answers
//! become the client's.

use std::collections::BTreeMap;

use super::BodyModels;
use crate::language::mapping::rest::{Name, ResponseMapping};
use crate::language::media_type::ContentHandling;
use crate::language::template::{Literal, RequestTemplates};

/// What `HTTP` and `MOCK` integrations have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NonProxy {
    /// What the integration gets for a body.
    pub templates: RequestTemplates,
    /// What a body that is passed on is converted to; `None` leaves that to its media type.
    pub content_handling: Option<ContentHandling>,
    /// What an answer becomes, in the order of the definition.
    pub responses: Vec<ResponseRule>,
}

/// What a client gets for an integration's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseRule {
    /// The regular expression that selects it; `None` for the default.
    pub pattern: Option<String>,
    /// Status sent to the client.
    pub status: u16,
    /// What the body is converted to; `None` leaves that to media types.
    pub content_handling: Option<ContentHandling>,
    /// Headers sent to the client.
    pub mappings: Vec<ResponseMapping>,
    /// Bodies by media type, in the order of the definition.
    pub templates: Vec<(String, Literal)>,
}

/// What a method declares of its responses, by their status.
pub type MethodResponses = BTreeMap<u16, MethodResponse>;

/// What a method declares of the responses with one status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MethodResponse {
    /// Headers that they may have.
    pub headers: Vec<Name>,
    /// What their bodies are.
    pub models: BodyModels,
}
