//! Custom domains: hosts whose paths are mapped to stages of APIs.

use super::{ApiName, ListenerName, StageName};

/// One custom domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// Which hosts it is.
    pub name: DomainName,
    /// Listeners it answers on; all by default. Never empty.
    pub listeners: Vec<ListenerName>,
    /// Its mappings, each path once.
    pub mappings: Vec<Mapping>,
}

/// A host, or every host that has one label more than a name; lower-cased.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DomainName {
    /// `api.example.com`.
    Host(String),
    /// `*.example.com`, without the `*.`.
    Wildcard(String),
}

/// What a path of a domain leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The segments that a request's path begins with; empty for every path.
    pub segments: Vec<String>,
    /// The API.
    pub api: ApiName,
    /// The stage of it.
    pub stage: StageName,
}
