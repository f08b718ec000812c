//! Custom domains.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{AccessMode, Certificate, Named, Private};

/// One custom domain.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Domain {
    /// Names of the listeners it answers on. Default: all.
    #[schemars(length(min = 1, max = 64))]
    pub(crate) listeners: Option<Vec<String>>,
    /// Its certificate. Default: one of its listeners'.
    pub(crate) certificate: Option<Certificate>,
    /// Its TLS security policy, such as `TLS_1_2` or `SecurityPolicy_TLS13_1_3_2025_09`. Default:
    /// its listeners'.
    pub(crate) security_policy: Option<String>,
    /// Where its clients have to come from; for others it is not there. Default: anywhere.
    pub(crate) private: Option<Private>,
    /// Whether the TLS handshake has to name the same host as the request. Default `basic`, which
    /// has to be written beside a policy that begins with `SecurityPolicy_`.
    pub(crate) endpoint_access_mode: Option<AccessMode>,
    /// Whose certificates its clients have to present. Default: they need none.
    pub(crate) mutual_tls: Option<MutualTls>,
    /// Where its paths lead, by what they begin with: `orders`, `orders/v2`, or `/` for every path.
    /// The longest one counts.
    #[schemars(extend("minProperties" = 1))]
    pub(crate) mappings: Named<Mapping>,
}

/// What a path of a domain leads to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mapping {
    /// Name of the API.
    pub(crate) api: String,
    /// Name of its stage. Default `$default`.
    pub(crate) stage: Option<String>,
}

/// What clients have to present.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MutualTls {
    /// PEM file with the certificates of the authorities: of those that issue, and of all above
    /// them up to their roots.
    pub(crate) truststore: String,
}
