//! The lists of a state directory as they are saved, for whoever only looks: no lock, and nothing
//! is written.

use std::path::Path;

use super::by_hand::{ByHand, Kept};
use super::configured::Configured;
use super::error::ListError;
use super::moment::Moment;
use super::picture::Picture;
use super::status::{ListStatus, Listed, entries, lists};
use super::{definitions, saved, swap};
use crate::model::Lists as Model;

/// See the module. Each file is read at one moment, as its writer left it.
#[derive(Debug)]
pub struct SavedLists {
    kept: Kept,
    model: Model,
    /// Nothing but the numbers that its lists had.
    running: Configured,
}

impl SavedLists {
    /// Reads what is kept by hand as a gateway would that started now. What is not there is empty.
    ///
    /// # Errors
    /// See [`ListError`].
    pub fn read(state_directory: &Path, now: Moment) -> Result<Self, ListError> {
        let (model, numbers) = definitions::load(state_directory)?;
        let mut kept = saved::load(state_directory, now)?;
        kept.take_back(now);
        kept.sweep(now);
        Ok(Self {
            kept,
            model,
            running: Configured::with_numbers(numbers),
        })
    }

    /// The entries of a list that have not ended, by prefix.
    #[must_use]
    pub fn entries(&self, list: ByHand, now: Moment) -> Vec<Listed> {
        entries(&self.kept, list, now)
    }

    /// Every list, in the order of their numbers, with what the last gateway was told and what the
    /// files say now.
    ///
    /// # Errors
    /// [`ListError::File`] for a file that cannot be used.
    pub fn status(&self) -> Result<Vec<ListStatus>, ListError> {
        let configured = self.running.prepare(&self.model)?.onto(&self.running);
        let picture = Picture::new(swap::parts(&self.kept, &configured));
        Ok(lists(&picture, &configured))
    }
}
