//! What opens the file of the database.

use std::path::{Path, PathBuf};

use redb::Database;

use super::database::{make, open, opening};
use super::error::UsageError;
use crate::store::private_file::Missing;
use crate::store::state_file::StateFile;

/// Name of the file in the state directory.
const FILE_NAME: &str = "usage.redb";

/// What opens the file of a database.
pub(super) trait Disk: std::fmt::Debug + Send + Sync {
    /// The file, which is there and open once at a time.
    fn open(&self) -> Result<Database, UsageError>;
}

/// The file in a state directory.
#[derive(Debug)]
pub(super) struct StateDirectory(pub(super) StateFile);

/// Where the file of a state directory is.
pub(super) fn path(state_directory: &Path) -> PathBuf {
    state_directory.join(FILE_NAME)
}

impl StateDirectory {
    pub(super) fn new(directory: &Path) -> Self {
        Self(StateFile::new(directory, FILE_NAME))
    }

    /// Makes the file where there is none.
    pub(super) fn make(&self) -> Result<Database, UsageError> {
        match self.0.make(opening, make)? {
            Some(database) => Ok(database),
            None => self.open(),
        }
    }
}

impl Disk for StateDirectory {
    fn open(&self) -> Result<Database, UsageError> {
        let backend = self.0.backend(Missing::Refused, opening)?;
        open(&self.0.path, backend)
    }
}
