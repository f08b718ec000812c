//! The database: one file, one owner at a time, changed by whole transactions that have reached the
//! disk when they end.

use std::fs::File;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::backends::FileBackend;
use redb::{
    Builder, Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, TableDefinition,
};

use crate::model::{ApiId, DeploymentNumber};
use crate::store::directory;

use super::error::DeploymentError;
use super::ledger::Ledger;
use super::record;

/// Name of the file in the state directory.
const FILE_NAME: &str = "gateway.redb";
/// Version of the tables. A gateway that changes them migrates older ones when it opens the file.
const VERSION: u64 = 1;
/// Memory that pages may occupy: texts are read at start and on reload, and never per request.
const CACHE_BYTES: usize = 8 << 20;

/// Facts about the file.
const FACTS: TableDefinition<'_, &str, u64> = TableDefinition::new("facts");
/// The fact that is the version.
const VERSION_KEY: &str = "version";
/// What is known of each API, by its id.
const APIS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("apis");
/// Texts of deployments, by the id of the API and their number.
const TEXTS: TableDefinition<'_, (&str, u32), &str> = TableDefinition::new("texts");

/// The deployments of an instance. Clones share the file.
#[derive(Clone, Debug)]
pub struct DeploymentStore {
    path: Arc<Path>,
    database: Arc<Database>,
}

impl DeploymentStore {
    /// Opens the database in `state_directory`; both are made where they are missing, with modes
    /// 0600 and 0700, the file in the ownership of its directory. A file that a killed process left
    /// behind is repaired.
    ///
    /// # Errors
    /// See [`DeploymentError`].
    pub fn open(state_directory: &Path) -> Result<Self, DeploymentError> {
        let path = state_directory.join(FILE_NAME);
        directory::create(state_directory, 0o700).map_err(io_error("create", state_directory))?;
        let file = open_private(&path, state_directory)?;
        let backend = FileBackend::new(file).map_err(|error| opening(&path, error))?;
        let database = Builder::new()
            .set_cache_size(CACHE_BYTES)
            .create_with_backend(backend)
            .map_err(|error| opening(&path, error))?;
        let store = Self {
            path: path.into(),
            database: Arc::new(database),
        };
        store.check_version()?;
        Ok(store)
    }

    /// Whether `state_directory` has a database.
    #[must_use]
    pub fn exists(state_directory: &Path) -> bool {
        state_directory.join(FILE_NAME).exists()
    }

    /// Everything that is known, without texts.
    ///
    /// # Errors
    /// See [`DeploymentError`].
    pub fn read(&self) -> Result<Ledger, DeploymentError> {
        let mut ledger = Ledger::default();
        let transaction = self.database.begin_read().map_err(self.failed())?;
        let table = transaction.open_table(APIS).map_err(self.failed())?;
        for entry in table.iter().map_err(self.failed())? {
            let (id, written) = entry.map_err(self.failed())?;
            let id = ApiId::new(id.value());
            let api = record::read(written.value()).map_err(|source| self.damaged(&id, source))?;
            ledger.apis.insert(id, api);
        }
        Ok(ledger)
    }

    /// What a deployment froze.
    ///
    /// # Errors
    /// See [`DeploymentError`].
    pub fn text(&self, id: &ApiId, number: DeploymentNumber) -> Result<Arc<str>, DeploymentError> {
        let transaction = self.database.begin_read().map_err(self.failed())?;
        let table = transaction.open_table(TEXTS).map_err(self.failed())?;
        let text = table.get((id.as_str(), number.0)).map_err(self.failed())?;
        let missing = || DeploymentError::NoText {
            id: id.clone(),
            number,
        };
        let text = text.ok_or_else(missing)?;
        Ok(Arc::from(text.value()))
    }

    /// Writes what has become of a ledger that was read from here. When this returns it is on the
    /// disk; when it fails, nothing of it is.
    ///
    /// # Errors
    /// See [`DeploymentError`].
    pub fn write(&self, ledger: &Ledger) -> Result<(), DeploymentError> {
        let before = self.read()?;
        if before.apis == ledger.apis {
            return Ok(());
        }
        let transaction = self.database.begin_write().map_err(self.failed())?;
        {
            let mut apis = transaction.open_table(APIS).map_err(self.failed())?;
            let mut texts = transaction.open_table(TEXTS).map_err(self.failed())?;
            for (id, api) in &ledger.apis {
                if before.apis.get(id) != Some(api) {
                    let written = record::write(api).map_err(|source| self.damaged(id, source))?;
                    let written = written.as_slice();
                    apis.insert(id.as_str(), written).map_err(self.failed())?;
                }
            }
            for ((id, number), text) in &ledger.texts {
                let key = (id.as_str(), number.0);
                texts.insert(key, text.as_ref()).map_err(self.failed())?;
            }
            for (id, api) in &before.apis {
                let kept = ledger.apis.get(id);
                if kept.is_none() {
                    apis.remove(id.as_str()).map_err(self.failed())?;
                }
                let is_kept = |number: &DeploymentNumber| {
                    kept.is_some_and(|kept| kept.deployments.contains_key(number))
                };
                for number in api.deployments.keys().filter(|number| !is_kept(number)) {
                    let key = (id.as_str(), number.0);
                    texts.remove(key).map_err(self.failed())?;
                }
            }
        }
        transaction.commit().map_err(self.failed())
    }

    /// Makes the tables of a new file, and refuses those of a newer gateway.
    fn check_version(&self) -> Result<(), DeploymentError> {
        let transaction = self.database.begin_write().map_err(self.failed())?;
        {
            let mut facts = transaction.open_table(FACTS).map_err(self.failed())?;
            let found = facts.get(VERSION_KEY).map_err(self.failed())?;
            let found = found.map(|found| found.value());
            match found {
                Some(VERSION) => return Ok(()),
                None => {
                    let key = VERSION_KEY;
                    facts.insert(key, VERSION).map_err(self.failed())?;
                }
                Some(found) => {
                    return Err(DeploymentError::Version {
                        path: self.path.to_path_buf(),
                        found,
                        known: VERSION,
                    });
                }
            }
            transaction.open_table(APIS).map_err(self.failed())?;
            transaction.open_table(TEXTS).map_err(self.failed())?;
        }
        transaction.commit().map_err(self.failed())
    }

    fn failed<E: Into<redb::Error>>(&self) -> impl FnOnce(E) -> DeploymentError {
        let path = self.path.to_path_buf();
        move |error| DeploymentError::Database {
            path,
            source: Box::new(error.into()),
        }
    }

    fn damaged(&self, id: &ApiId, source: serde_json::Error) -> DeploymentError {
        DeploymentError::Damaged {
            path: self.path.to_path_buf(),
            id: id.clone(),
            source,
        }
    }
}

/// Root may write the deployments of a gateway that runs as another user, who has to read them
/// afterwards: so the file belongs to whom its directory belongs to.
fn open_private(path: &Path, state_directory: &Path) -> Result<File, DeploymentError> {
    let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
    let file = File::options()
        .create(true)
        .read(true)
        .write(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(no_follow)
        .open(path)
        .map_err(io_error("open", path))?;
    if rustix::process::geteuid().is_root() {
        let owner = std::fs::metadata(state_directory).map_err(io_error("stat", path))?;
        std::os::unix::fs::fchown(&file, Some(owner.uid()), Some(owner.gid()))
            .map_err(io_error("fchown", path))?;
    }
    Ok(file)
}

fn opening(path: &Path, error: DatabaseError) -> DeploymentError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => DeploymentError::InUse(path.to_owned()),
        error => DeploymentError::Database {
            path: path.to_owned(),
            source: Box::new(error.into()),
        },
    }
}

fn io_error(call: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> DeploymentError {
    let path = PathBuf::from(path);
    move |source| DeploymentError::Io { call, path, source }
}
