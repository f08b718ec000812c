//! Under which names the gateway's APIs are known.

use schemars::JsonSchema;
use serde::Deserialize;

/// What ARNs and hosts of all APIs have in common.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "GatewayIdentity")]
pub(crate) struct Identity {
    /// Account in ARNs, twelve digits in quotes. Default "000000000000".
    pub(crate) account: Option<String>,
    /// Region in ARNs and hosts. Default `local`.
    pub(crate) region: Option<String>,
    /// Partition in ARNs. Default `aws`.
    pub(crate) partition: Option<String>,
    /// What the hosts of API endpoints end with: an API answers on
    /// `{id}.execute-api.{region}.{host_suffix}`. Default `localhost`.
    pub(crate) host_suffix: Option<String>,
}
