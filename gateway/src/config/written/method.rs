//! What a method of a REST API declares of its requests and responses, and what of that is checked.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Named;

/// Whether a declared parameter has to be there.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Presence {
    /// It has to be there, and not blank, where `validate.parameters` says that this is checked.
    Required,
    /// It may be there.
    Optional,
}

/// What a method declares of its responses with one status.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MethodResponse {
    /// Headers that they may have, such as `header.X-Total`.
    #[serde(default)]
    pub(crate) parameters: Vec<String>,
    /// Models of their bodies by media type, such as `application/json: Pet`; `$default` stands for
    /// every other media type.
    #[serde(default)]
    pub(crate) models: Named<String>,
}

/// What is checked of a request before the integration gets it, and of its answer.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Validate {
    /// Whether required parameters are there. Default false.
    #[serde(default)]
    pub(crate) parameters: bool,
    /// Whether the body is what its model says. Default false.
    #[serde(default)]
    pub(crate) body: bool,
    /// Whether a media type for which there is no model is refused with 415. Default false.
    #[serde(default)]
    pub(crate) content_type: bool,
    /// Whether an answer is what the models of `method_responses` say. Default: nobody looks.
    pub(crate) response_body: Option<ResponseCheck>,
}

/// What happens to an answer that is not what its model says.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ResponseCheck {
    /// It is sent, and the access log says what is wrong with it.
    Monitor,
    /// The client gets 502 instead.
    Enforce,
}
