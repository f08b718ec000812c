//! What the command line adds to the configuration.

use std::path::PathBuf;

use crate::model::Gateway;

/// What the command line adds to the configuration.
#[derive(Debug, Clone)]
pub struct Options {
    /// The configuration file.
    pub config: PathBuf,
    /// Interfaces to attach to instead of the configured ones.
    pub interfaces: Vec<String>,
}

impl Options {
    /// Lets the command line overrule the file.
    pub(super) fn apply_to(&self, model: &mut Gateway) {
        if !self.interfaces.is_empty() {
            model.edge.interfaces.clone_from(&self.interfaces);
        }
    }
}
