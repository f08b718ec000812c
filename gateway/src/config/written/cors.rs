//! What pages of other origins may do.

use schemars::JsonSchema;
use serde::Deserialize;

use super::DurationText;

/// What pages of other origins may do.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cors {
    /// Origins such as `https://app.example.com`, `https://*`, `http://*` or `*`.
    #[schemars(length(min = 1))]
    pub(crate) allow_origins: Vec<String>,
    /// Methods such as `GET`, or `*`. Default: none beyond what needs no preflight.
    #[serde(default)]
    pub(crate) allow_methods: Vec<String>,
    /// Headers of requests, or `*`. Default: likewise.
    #[serde(default)]
    pub(crate) allow_headers: Vec<String>,
    /// Headers of answers that pages may read, or `*`. Default: none.
    #[serde(default)]
    pub(crate) expose_headers: Vec<String>,
    /// Whether requests may carry cookies and the like. Default false.
    #[serde(default)]
    pub(crate) allow_credentials: bool,
    /// How long browsers may remember a preflight: 0s to 24h. Default: as they like.
    pub(crate) max_age: Option<DurationText>,
}
