//! API keys.

use schemars::JsonSchema;
use serde::Deserialize;

/// API keys. The keys themselves are made by `gateway keys`, while the gateway runs or before.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApiKeys {
    /// What is kept of the values of keys that are made from now on. Default `hashed`.
    #[serde(default)]
    pub(crate) values: KeyValues,
}

/// What is kept of the value of a key.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KeyValues {
    /// What it is recognized by: nobody can read it back.
    #[default]
    Hashed,
    /// As well the value, encrypted: `gateway keys show --value` reads it back.
    Encrypted,
}
