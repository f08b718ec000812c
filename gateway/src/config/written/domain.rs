//! Custom domains.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Named;

/// One custom domain.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Domain {
    /// Names of the listeners it answers on. Default: all.
    #[schemars(length(min = 1, max = 64))]
    pub(crate) listeners: Option<Vec<String>>,
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
