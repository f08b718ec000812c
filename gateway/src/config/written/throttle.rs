//! Limits on requests.

use schemars::JsonSchema;
use serde::Deserialize;

use super::xdp::{Number, Rate};

/// A limit of all who share it, in requests.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Throttle {
    /// Per second, whole or fraction.
    pub(crate) rate: Number,
    /// How many may come at once from idle.
    pub(crate) burst: u64,
    /// Whether what it would refuse is only noted. Default false.
    #[serde(default)]
    pub(crate) monitor: bool,
    /// Whether all gateways of the `fleet` share it. Default false.
    #[serde(default)]
    pub(crate) across_fleet: bool,
}

/// What answers say of limits on requests.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ThrottleHeaders {
    /// Whether a refusal says when the same request is admitted (`Retry-After`). Default true.
    pub(crate) retry_after: Option<bool>,
    /// Whether answers say what is left to the caller (`RateLimit-Policy` and `RateLimit`, as in
    /// draft-ietf-httpapi-ratelimit-headers-10). Default false.
    pub(crate) rate_limit: Option<bool>,
}

/// A limit for each caller, in requests.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallerThrottle {
    /// What tells callers apart: `$context.identity.sourceIp`, `$context.identity.apiKeyId`,
    /// `$context.authorizer.claims.<claim>` or `$request.header.<name>`.
    pub(crate) key: String,
    /// Per second, whole or fraction.
    pub(crate) rate: Number,
    /// How many may come at once from idle.
    pub(crate) burst: u64,
    /// Limit charged when the table has no room for the caller. Default: the same rate and burst.
    pub(crate) overflow: Option<Rate>,
    /// Whether what it would refuse is only noted. Default false.
    #[serde(default)]
    pub(crate) monitor: bool,
    /// Whether all gateways of the `fleet` share it. Default false.
    #[serde(default)]
    pub(crate) across_fleet: bool,
}

/// How many requests may be under way at once.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Concurrency {
    /// From admission to the last byte of the answer.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(crate) max: u32,
    /// Whether what it would refuse is only noted. Default false.
    #[serde(default)]
    pub(crate) monitor: bool,
}

/// How many requests of each caller may be under way at once.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallerConcurrency {
    /// What tells callers apart: `$context.identity.sourceIp`, `$context.identity.apiKeyId`,
    /// `$context.authorizer.claims.<claim>` or `$request.header.<name>`.
    pub(crate) key: String,
    /// From admission to the last byte of the answer.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(crate) max: u32,
    /// Whether what it would refuse is only noted. Default false.
    #[serde(default)]
    pub(crate) monitor: bool,
}
