//! How a request has to name its host.

use schemars::JsonSchema;
use serde::Deserialize;

/// Endpoint access modes.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AccessMode {
    /// In the request alone.
    Basic,
    /// In the TLS handshake as well.
    Strict,
}
