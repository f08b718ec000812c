//! The database: one file, one owner at a time, changed by whole transactions that have reached the
//! disk when they end.
//!
//! A transaction that fails may be readable all the same: what was written is in the system's memory,
//! and only that it is on the disk is uncertain. So whoever is told that it failed is told so of a
//! file that was opened and read again, and put back where it said otherwise; as long as that cannot
//! be done, nothing is read or written. What is to be put back is known to this process alone, so it
//! has to be done before that ends. Transactions are committed in two phases: all of one is on
//! the disk before the one page is written that makes it the last. Then only that page can be
//! uncertain, and opening a file that was not closed in order writes it and waits for the disk.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{
    Builder, Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, StorageBackend,
    TableDefinition, WriteTransaction,
};

use crate::model::{ApiId, DeploymentNumber};
use crate::telemetry::operator_log::explain;

use super::disk::{self, Disk, Missing, StateDirectory};
use super::error::DeploymentError;
use super::ledger::Ledger;
use super::record;

/// Version of the tables and of what stands in them. What another version wrote is refused: stages
/// must not serve what was understood in part. Version 1 froze no authorizers.
const VERSION: u64 = 2;
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
    disk: Arc<dyn Disk>,
    /// Every use is short and on a thread that may block.
    held: Arc<Mutex<Held>>,
}

/// What is held of the file.
#[derive(Debug, Default)]
struct Held {
    /// `None` behind a failure: a database that could not be written is of no use any more, and
    /// whoever needs it next opens it anew.
    database: Option<Database>,
    /// What the file has to say before it is used again: what it said before a write that failed.
    owed: Option<Owed>,
}

#[derive(Debug)]
struct Owed {
    before: Ledger,
    /// Why the write failed.
    failure: String,
}

impl DeploymentStore {
    /// Opens the database in `state_directory`; both are made where they are missing, with modes
    /// 0600 and 0700, the file in the ownership of its directory. A file that a killed process left
    /// behind is repaired.
    ///
    /// # Errors
    /// See [`DeploymentError`].
    pub fn open(state_directory: &Path) -> Result<Self, DeploymentError> {
        let disk = StateDirectory::new(state_directory);
        Self::open_on(Arc::clone(&disk.0.path), Arc::new(disk))
    }

    /// Opens what is on `disk`, which is called `path` in errors.
    pub(super) fn open_on(path: Arc<Path>, disk: Arc<dyn Disk>) -> Result<Self, DeploymentError> {
        let held = Held {
            database: Some(disk.open(Missing::Made)?),
            owed: None,
        };
        Ok(Self {
            path,
            disk,
            held: Arc::new(Mutex::new(held)),
        })
    }

    /// Whether `state_directory` has a database.
    #[must_use]
    pub fn exists(state_directory: &Path) -> bool {
        disk::path(state_directory).exists()
    }

    /// Everything that is known, without texts.
    ///
    /// # Errors
    /// See [`DeploymentError`].
    pub fn read(&self) -> Result<Ledger, DeploymentError> {
        self.with(|database| read(database, &self.path))
    }

    /// What a deployment froze.
    ///
    /// # Errors
    /// See [`DeploymentError`].
    pub fn text(&self, id: &ApiId, number: DeploymentNumber) -> Result<Arc<str>, DeploymentError> {
        self.with(|database| {
            let transaction = database.begin_read().map_err(failed(&self.path))?;
            let table = transaction.open_table(TEXTS).map_err(failed(&self.path))?;
            let text = table.get((id.as_str(), number.0));
            let text = text.map_err(failed(&self.path))?;
            let missing = || DeploymentError::NoText {
                id: id.clone(),
                number,
            };
            let text = text.ok_or_else(missing)?;
            Ok(Arc::from(text.value()))
        })
    }

    /// Writes what has become of a ledger that was read from here. When this returns it is on the
    /// disk; when it fails, nothing of it is, but for one error.
    ///
    /// # Errors
    /// See [`DeploymentError`]; with [`DeploymentError::InDoubt`] nothing is read or written here any
    /// more, until the file says again what it said before.
    pub fn write(&self, ledger: &Ledger) -> Result<(), DeploymentError> {
        let mut held = self.held();
        let database = self.usable(&mut held)?;
        let mut before = read(&database, &self.path)?;
        match write(&database, &self.path, &mut before, ledger) {
            Ok(()) => {
                held.database = Some(database);
                Ok(())
            }
            Err(error) => {
                drop(database);
                held.owed = Some(Owed {
                    before,
                    failure: why(&error),
                });
                held.database = Some(self.usable(&mut held)?);
                Err(error)
            }
        }
    }

    /// Puts back what the file said before a write that failed, where that could not be done when it
    /// failed. Every use does that first; this is for when nobody uses it. Does nothing else, and then
    /// not touch the disk.
    ///
    /// # Errors
    /// [`DeploymentError::InDoubt`].
    pub fn settle(&self) -> Result<(), DeploymentError> {
        let mut held = self.held();
        if held.owed.is_some() {
            held.database = Some(self.usable(&mut held)?);
        }
        Ok(())
    }

    /// Does something with the database.
    fn with<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, DeploymentError>,
    ) -> Result<T, DeploymentError> {
        let mut held = self.held();
        let database = self.usable(&mut held)?;
        let outcome = work(&database);
        let is_usable = !matches!(
            outcome,
            Err(DeploymentError::Disk { .. } | DeploymentError::Database { .. })
        );
        if is_usable {
            held.database = Some(database);
        }
        outcome
    }

    /// The database, which is opened again where it was given up, and says what it has to say.
    fn usable(&self, held: &mut Held) -> Result<Database, DeploymentError> {
        let open = |held: &mut Held| match held.database.take() {
            Some(database) => Ok(database),
            None => self.disk.open(Missing::Refused),
        };
        let Some(owed) = held.owed.take() else {
            return open(held);
        };
        let settled = open(held).and_then(|database| {
            let mut found = read(&database, &self.path)?;
            write(&database, &self.path, &mut found, &owed.before)?;
            Ok(database)
        });
        match settled {
            Ok(database) => {
                tracing::info!("deployments: a write that failed is undone");
                Ok(database)
            }
            Err(error) => {
                let error = DeploymentError::InDoubt {
                    path: self.path.to_path_buf(),
                    failure: owed.failure.clone(),
                    source: cause(error),
                };
                held.owed = Some(owed);
                tracing::error!(error = explain(&error), "deployments");
                Err(error)
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What `backend` holds, which is called `path` in errors.
pub(super) fn open_database(
    path: &Path,
    backend: impl StorageBackend,
) -> Result<Database, DeploymentError> {
    let database = Builder::new()
        .set_cache_size(CACHE_BYTES)
        .create_with_backend(backend)
        .map_err(|error| opening(path, error))?;
    check_version(&database, path)?;
    Ok(database)
}

fn read(database: &Database, path: &Path) -> Result<Ledger, DeploymentError> {
    let mut ledger = Ledger::default();
    let transaction = database.begin_read().map_err(failed(path))?;
    let table = transaction.open_table(APIS).map_err(failed(path))?;
    for entry in table.iter().map_err(failed(path))? {
        let (id, written) = entry.map_err(failed(path))?;
        let id = ApiId::new(id.value());
        let api = record::read(written.value()).map_err(damaged(path, &id))?;
        ledger.apis.insert(id, api);
    }
    Ok(ledger)
}

/// Writes what `ledger` has and `before`, which was read, has not. The texts that go are put into
/// `before`, which then is all that it takes to write that again.
fn write(
    database: &Database,
    path: &Path,
    before: &mut Ledger,
    ledger: &Ledger,
) -> Result<(), DeploymentError> {
    if before.apis == ledger.apis {
        return Ok(());
    }
    let transaction = begin_write(database, path)?;
    {
        let mut apis = transaction.open_table(APIS).map_err(failed(path))?;
        let mut texts = transaction.open_table(TEXTS).map_err(failed(path))?;
        for (id, api) in &ledger.apis {
            if before.apis.get(id) != Some(api) {
                let written = record::write(api).map_err(damaged(path, id))?;
                let written = written.as_slice();
                apis.insert(id.as_str(), written).map_err(failed(path))?;
            }
        }
        for ((id, number), text) in &ledger.texts {
            let key = (id.as_str(), number.0);
            texts.insert(key, text.as_ref()).map_err(failed(path))?;
        }
        for (id, api) in &before.apis {
            let kept = ledger.apis.get(id);
            if kept.is_none() {
                apis.remove(id.as_str()).map_err(failed(path))?;
            }
            let is_kept = |number: &DeploymentNumber| {
                kept.is_some_and(|kept| kept.deployments.contains_key(number))
            };
            for number in api.deployments.keys().filter(|number| !is_kept(number)) {
                let key = (id.as_str(), number.0);
                if let Some(text) = texts.remove(key).map_err(failed(path))? {
                    let text = Arc::from(text.value());
                    before.texts.insert((id.clone(), *number), text);
                }
            }
        }
    }
    transaction.commit().map_err(failed(path))
}

fn begin_write(database: &Database, path: &Path) -> Result<WriteTransaction, DeploymentError> {
    let mut transaction = database.begin_write().map_err(failed(path))?;
    transaction.set_two_phase_commit(true);
    Ok(transaction)
}

/// Makes the tables of a new file, and refuses those of other gateways.
fn check_version(database: &Database, path: &Path) -> Result<(), DeploymentError> {
    let transaction = begin_write(database, path)?;
    {
        let mut facts = transaction.open_table(FACTS).map_err(failed(path))?;
        let found = facts.get(VERSION_KEY).map_err(failed(path))?;
        let found = found.map(|found| found.value());
        let (known, path) = (VERSION, path.to_owned());
        match found {
            Some(VERSION) => return Ok(()),
            Some(found) if found > known => {
                return Err(DeploymentError::Newer { path, found, known });
            }
            Some(found) => return Err(DeploymentError::Older { path, found, known }),
            None => {
                let key = VERSION_KEY;
                facts.insert(key, VERSION).map_err(failed(&path))?;
            }
        }
        transaction.open_table(APIS).map_err(failed(&path))?;
        transaction.open_table(TEXTS).map_err(failed(&path))?;
    }
    transaction.commit().map_err(failed(path))
}

fn failed<E: Into<redb::Error>>(path: &Path) -> impl FnOnce(E) -> DeploymentError {
    let path = path.to_owned();
    move |error| database_error(path, error.into())
}

fn database_error(path: PathBuf, error: redb::Error) -> DeploymentError {
    // By these the library says that the disk gave something, and that it is no database.
    let is_of_content = |kind| matches!(kind, ErrorKind::InvalidData | ErrorKind::UnexpectedEof);
    match error {
        redb::Error::Io(source) if !is_of_content(source.kind()) => {
            DeploymentError::Disk { path, source }
        }
        error => DeploymentError::Database {
            path,
            source: Box::new(error),
        },
    }
}

/// Why, without what is not so where something is in doubt.
fn why(error: &DeploymentError) -> String {
    match error {
        DeploymentError::Disk { source, .. } => explain(source),
        DeploymentError::Database { source, .. } => explain(source),
        error => explain(error),
    }
}

/// As [`why`].
fn cause(error: DeploymentError) -> Box<dyn std::error::Error + Send + Sync> {
    match error {
        DeploymentError::Disk { source, .. } => Box::new(source),
        DeploymentError::Database { source, .. } => source,
        error => Box::new(error),
    }
}

fn damaged(path: &Path, id: &ApiId) -> impl FnOnce(serde_json::Error) -> DeploymentError {
    let (path, id) = (path.to_owned(), id.clone());
    move |source| DeploymentError::Damaged { path, id, source }
}

pub(super) fn opening(path: &Path, error: DatabaseError) -> DeploymentError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => DeploymentError::InUse(path.to_owned()),
        error => database_error(path.to_owned(), error.into()),
    }
}
