//! Private endpoints.

use schemars::JsonSchema;
use serde::Deserialize;

/// Where clients have to come from; one of these is enough.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Private {
    /// Interfaces, each that of a listener which has it under `interface`.
    #[serde(default)]
    pub(crate) interfaces: Vec<String>,
    /// Addresses or prefixes of clients.
    #[serde(default)]
    pub(crate) prefixes: Vec<String>,
}
