//! What a method of a REST API declares of its requests, and what of that is checked.

use schemars::JsonSchema;
use serde::Deserialize;

/// Whether a declared parameter has to be there.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Presence {
    /// It has to be there, and not blank, where `validate.parameters` says that this is checked.
    Required,
    /// It may be there.
    Optional,
}

/// What is checked before the integration gets a request.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Validate {
    /// Whether required parameters are there. Default false.
    #[serde(default)]
    pub(crate) parameters: bool,
    /// Whether the body is what its model says. Default false.
    #[serde(default)]
    pub(crate) body: bool,
}
