//! The file of the database: where it is, and how it comes to be there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::Database;
use redb::backends::FileBackend;

use super::database::{make, open, opening};
use super::error::UsageError;
use crate::store::private_file::{self, Missing, Unpublished};

/// Name of the file in the state directory.
const FILE_NAME: &str = "usage.redb";

/// What opens the file of a database.
pub(super) trait Disk: std::fmt::Debug + Send + Sync {
    /// The file, which is there and open once at a time.
    fn open(&self) -> Result<Database, UsageError>;
}

/// The file in a state directory.
#[derive(Debug)]
pub(super) struct StateDirectory {
    directory: Box<Path>,
    pub(super) path: Arc<Path>,
}

/// Where the file of a state directory is.
pub(super) fn path(state_directory: &Path) -> PathBuf {
    state_directory.join(FILE_NAME)
}

impl StateDirectory {
    pub(super) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.into(),
            path: path(directory).into(),
        }
    }

    /// Makes the file where there is none. A process that is killed meanwhile leaves none behind that
    /// is not whole.
    pub(super) fn make(&self) -> Result<Database, UsageError> {
        let Self { directory, path } = self;
        let (unpublished, file) = Unpublished::make(path, directory)?;
        let backend = FileBackend::new(file).map_err(|error| opening(path, error))?;
        // Open when it gets its name, so that nobody else has it before.
        let database = make(path, backend)?;
        if unpublished.publish(path)? {
            return Ok(database);
        }
        self.open()
    }
}

impl Disk for StateDirectory {
    fn open(&self) -> Result<Database, UsageError> {
        let Self { directory, path } = self;
        let file = private_file::open(path, directory, Missing::Refused)?;
        let backend = FileBackend::new(file).map_err(|error| opening(path, error))?;
        open(path, backend)
    }
}
