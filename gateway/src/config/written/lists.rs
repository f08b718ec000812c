//! Lists of addresses.

use schemars::JsonSchema;
use serde::Deserialize;

/// Lists of addresses, besides those kept by hand with `gateway deny` and `gateway allow`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lists {
    /// Addresses and prefixes that are never judged, whatever denies or limits them. Default:
    /// none.
    #[serde(default)]
    #[schemars(length(max = 256))]
    pub(crate) management: Vec<String>,
    /// Lists from files. Default: none.
    #[serde(default)]
    #[schemars(length(max = 61))]
    pub(crate) named: Vec<NamedList>,
}

/// A list that is read from a file and followed as the file changes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NamedList {
    /// Its name in statistics, logs and metrics.
    pub(crate) name: String,
    /// What being on it means.
    pub(crate) action: ListAction,
    /// The file's path.
    pub(crate) file: String,
    /// How the file is written. Default `auto`.
    pub(crate) format: Option<ListFormat>,
    /// Whether it is enforced. Default `enforce`.
    pub(crate) mode: Option<ListMode>,
}

/// What being on a list means.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ListAction {
    /// Kept out.
    Deny,
    /// Let in without limits, whatever denies it.
    Allow,
}

/// Whether a list is enforced.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ListMode {
    /// It is.
    Enforce,
    /// What it would drop is counted and goes on.
    Monitor,
}

/// How the file of a list is written.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ListFormat {
    /// Found out from its content.
    Auto,
    /// One address or prefix per line; `#` and `;` start comments.
    Plain,
    /// The output of `ipset save`.
    Ipset,
    /// JSON: strings, objects with a prefix, or what large networks publish.
    Json,
}
