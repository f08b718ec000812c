//! What is behind memory because writing it failed, to be made good later.

use super::backoff::Backoff;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Debt {
    /// The file of the lists kept by hand.
    pub(super) kept: bool,
    /// The file of what the configuration says.
    pub(super) definitions: bool,
    /// The tables of the sink, in part: with when to write them anew.
    pub(super) sink: Option<Backoff>,
}

impl Debt {
    pub(super) const fn is_none(&self) -> bool {
        !self.kept && !self.definitions && self.sink.is_none()
    }
}
