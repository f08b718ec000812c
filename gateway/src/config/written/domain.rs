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
    /// Whether its rules, its mappings, or first the one and then the other say where requests lead.
    /// Default `api_mapping_only`.
    pub(crate) routing_mode: Option<RoutingMode>,
    /// Where requests lead that meet conditions, by the name of the rule, which
    /// `$context.customDomain.routingRuleIdMatched` says. Up to 200.
    #[serde(default)]
    #[schemars(extend("minProperties" = 1))]
    pub(crate) routing_rules: Named<RoutingRule>,
    /// Where its paths lead, by what they begin with: `orders`, `orders/v2`, or `/` for every path.
    /// The longest one counts.
    #[serde(default)]
    #[schemars(extend("minProperties" = 1))]
    pub(crate) mappings: Named<Mapping>,
}

/// What says where the requests of a domain lead.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RoutingMode {
    /// Its mappings.
    ApiMappingOnly,
    /// Its rules.
    RoutingRuleOnly,
    /// Its rules and, where none of them is for a request, its mappings.
    RoutingRuleThenApiMapping,
}

/// What leads the requests that meet all of its conditions to a REST API.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoutingRule {
    /// Of the rules whose conditions a request meets, the one with the lowest number counts. Each rule
    /// of a domain has its own.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(crate) priority: u32,
    /// What headers have to say, each of up to two. Default: anything.
    #[serde(default)]
    #[schemars(length(min = 1, max = 2))]
    pub(crate) match_headers: Vec<MatchHeader>,
    /// What the path has to begin with, such as `orders` or `orders/v2`. Default: anything.
    pub(crate) match_base_path: Option<String>,
    /// Name of the API, a REST API.
    pub(crate) api: String,
    /// Name of its stage. Default `$default`.
    pub(crate) stage: Option<String>,
    /// Whether the API does not see what `match_base_path` says of the path. Default `false`.
    #[serde(default)]
    pub(crate) strip_base_path: bool,
}

/// What a header has to say.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MatchHeader {
    /// Its name.
    pub(crate) header: String,
    /// Its value: `beta`, what it begins with (`beta*`), what it ends with (`*beta`), what it contains
    /// (`*beta*`), or any (`*`).
    pub(crate) value_glob: String,
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
