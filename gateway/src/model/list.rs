//! Lists of addresses that the configuration names.

use std::path::PathBuf;

use super::{ListName, Prefix};

/// What the configuration says about lists; those kept by hand are not its business.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lists {
    /// Sources that are never judged; default none.
    pub management: Vec<Prefix>,
    /// Lists from files, in the order of the configuration.
    pub named: Vec<NamedList>,
    /// Sources that the resource policies of all APIs deny; empty until that is worked out, for the
    /// policies in force.
    pub offloaded: Vec<Prefix>,
    /// Proxies of any listener, to whose packets the kernel edge applies neither lists nor limits;
    /// empty until that is worked out.
    pub proxies: Vec<Prefix>,
}

/// A list that is read from a file and followed as the file changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedList {
    /// Its name.
    pub name: ListName,
    /// What being on it means.
    pub action: ListAction,
    /// Whether it is enforced; default `enforce`.
    pub mode: ListMode,
    /// The file.
    pub file: PathBuf,
    /// How the file is written; default `auto`.
    pub format: ListFormat,
}

/// What being on a list means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListAction {
    /// Kept out.
    Deny,
    /// Let in without limits, whatever denies it.
    Allow,
}

/// Whether a list is enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListMode {
    /// It is.
    Enforce,
    /// What it would drop is counted and goes on.
    Monitor,
}

/// How the file of a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListFormat {
    /// Found out from its content.
    Auto,
    /// One address or prefix per line.
    Plain,
    /// The output of `ipset save`.
    Ipset,
    /// JSON.
    Json,
}
