//! Private endpoints: who may come in from where.

use super::Prefix;

/// Where the clients of a private API or domain come from: one of these is enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Private {
    /// Interfaces that listeners are bound to.
    pub interfaces: Vec<String>,
    /// Addresses of clients.
    pub prefixes: Vec<Prefix>,
}
