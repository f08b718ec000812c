//! The file of the database: where it is, whose it is, and when it may be made.

use std::path::{Path, PathBuf};

use redb::Database;
use redb::backends::FileBackend;

use super::database::{open_database, opening};
use super::error::DeploymentError;
use crate::store::directory;
pub(super) use crate::store::private_file::Missing;
use crate::store::private_file::failed;
use crate::store::state_file::StateFile;

/// Name of the file in the state directory.
const FILE_NAME: &str = "gateway.redb";

/// What opens the file of a database.
pub(super) trait Disk: std::fmt::Debug + Send + Sync {
    /// The file, which is open once at a time.
    fn open(&self, missing: Missing) -> Result<Database, DeploymentError>;
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

    /// The file, unread. Belongs to nobody else while it is open.
    pub(super) fn backend(&self, missing: Missing) -> Result<FileBackend, DeploymentError> {
        if missing == Missing::Made {
            let directory = &self.0.directory;
            directory::create(directory, 0o700).map_err(failed("create", directory))?;
        }
        self.0.backend(missing, opening)
    }
}

impl Disk for StateDirectory {
    fn open(&self, missing: Missing) -> Result<Database, DeploymentError> {
        open_database(&self.0.path, self.backend(missing)?)
    }
}
