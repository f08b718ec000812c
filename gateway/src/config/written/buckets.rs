//! How many buckets there are.

use schemars::JsonSchema;
use serde::Deserialize;

/// How many buckets limits on requests have. Every number is a power of two.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Buckets {
    /// For throttles of the configuration and of API keys: more of them are refused. Default 65536.
    #[schemars(range(min = 1024, max = 1_048_576))]
    pub(crate) throttles: Option<u64>,
    /// For callers of `caller_throttles` who owe something: those without room share the throttle's own.
    /// Default 262144.
    #[schemars(range(min = 1024, max = 16_777_216))]
    pub(crate) callers: Option<u64>,
}
