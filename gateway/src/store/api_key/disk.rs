//! What opens the file of the database.

use std::path::{Path, PathBuf};

use redb::Database;

use super::database::{make, open, opening};
use super::error::ApiKeyError;
use super::vault::{self, Vault};
use crate::store::private_file::Missing;
use crate::store::state_file::StateFile;

/// Name of the file in the state directory.
const FILE_NAME: &str = "api-keys.redb";

/// What opens the file of a database.
pub(super) trait Disk: std::fmt::Debug + Send + Sync {
    /// The file, which is there and open once at a time.
    fn open(&self, vault: &Vault) -> Result<Database, ApiKeyError>;
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
    pub(super) fn make(&self, vault: &Vault) -> Result<Database, ApiKeyError> {
        let made = |path: &Path, backend| make(path, backend, vault);
        match self.0.make(opening, made)? {
            Some(database) => Ok(database),
            None => self.open(vault),
        }
    }
}

impl Disk for StateDirectory {
    fn open(&self, vault: &Vault) -> Result<Database, ApiKeyError> {
        let StateFile { directory, path } = &self.0;
        let backend = self.0.backend(Missing::Refused, opening)?;
        open(path, backend, vault, &vault::path(directory))
    }
}
