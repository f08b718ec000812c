//! Where the lists go besides memory and disk: the tables of the kernel edge.
//!
//! A sink holds two generations of the lists. One is active: packets are judged by it, and changes
//! by hand are made in it entry by entry. The other is spare: a list that is replaced is staged
//! there while the active one goes on judging, and then all of it becomes active at once.

use super::error::SinkError;
use super::picture::Picture;
use crate::model::Prefix;

/// Which of the two generations is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// The one that judges.
    Active,
    /// The one that was staged.
    Staged,
}

/// The tables of the kernel edge.
pub trait ListSink: Send + Sync + std::fmt::Debug {
    /// Makes the spare generation hold `picture` and nothing else. Takes seconds for a million
    /// entries; the active generation is not touched.
    ///
    /// # Errors
    /// What the spare generation holds is not known then.
    fn stage(&self, picture: &Picture) -> Result<(), SinkError>;

    /// Changes a generation that holds `old` into one that holds `new`, where both differ inside
    /// `prefixes` only, of which none covers another, with as many operations as entries differ.
    /// Hits of entries stay.
    ///
    /// # Errors
    /// Part of the change may have happened; the change back to `old` mends that.
    fn change(
        &self,
        generation: Generation,
        old: &Picture,
        new: &Picture,
        prefixes: &[Prefix],
    ) -> Result<(), SinkError>;

    /// Makes the staged generation, which holds `picture`, the active one, for every packet from
    /// one moment on. The hits of the entries in `kept` go with it.
    ///
    /// # Errors
    /// The old generation is still active.
    fn activate(&self, picture: &Picture, kept: &[Prefix]) -> Result<(), SinkError>;

    /// Waits until no packet reads the generation that was active before, and empties it.
    ///
    /// # Errors
    /// It is emptied when it is next staged.
    fn retire(&self) -> Result<(), SinkError>;

    /// Packets for which the entry of `prefix` decided; `None` where there is no such entry.
    ///
    /// # Errors
    /// The tables do not answer.
    fn hits(&self, prefix: Prefix) -> Result<Option<u64>, SinkError>;

    /// Packets for which list `number` decided.
    ///
    /// # Errors
    /// The counters do not answer.
    fn list_hits(&self, number: u16) -> Result<u64, SinkError>;
}

/// Those of `touched` that no other one covers.
pub(super) fn outermost(mut touched: Vec<Prefix>) -> Vec<Prefix> {
    touched.sort_unstable();
    touched.dedup_by(|inner, outer| outer.covers(inner));
    touched
}
