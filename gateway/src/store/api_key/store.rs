//! The keys on disk, and whoever may change them.
//!
//! A transaction that fails may be readable all the same, and may be found by the next process. So
//! before whoever asked for it is told that it failed, the file is opened again and says what it said
//! before; as long as that cannot be done, nothing is changed here. What is in memory is what was
//! acknowledged, throughout.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::Database;

use super::database::{self, Rows};
use super::disk::{self, Disk, StateDirectory};
use super::draft::Draft;
use super::error::ApiKeyError;
use super::import::ImportWarnings;
use super::key::KeySet;
use super::memory::ApiKeys;
use super::order::{KeyOrder, Unsaid};
use super::refusal::KeyRefusal;
use super::rules::KeyRules;
use super::value::{KeyValue, NoRandomness};
use super::vault::{self, Vault};
use crate::model::ApiKeyId;
use crate::store::directory;
use crate::store::private_file::{Missing, failed};
use crate::telemetry::operator_log::explain;

/// The API keys of an instance, on disk. Clones share the file.
#[derive(Clone, Debug)]
pub struct ApiKeyStore {
    path: Arc<Path>,
    disk: Arc<dyn Disk>,
    keys: ApiKeys,
    /// Every use is short and on a thread that may block.
    held: Arc<Mutex<Held>>,
}

/// What is held of the file.
#[derive(Debug)]
struct Held {
    /// `None` behind a failure: whoever needs it next opens it anew.
    database: Option<Database>,
    /// What the file has to say before it is used again: what it said before a write that failed.
    owed: Option<Owed>,
}

#[derive(Debug)]
struct Owed {
    before: Rows,
    /// Why the write failed.
    failure: String,
}

/// What came of an order.
#[derive(Debug, Default)]
pub struct Followed {
    /// What was done, in a sentence; empty where keys were made.
    pub note: String,
    /// Keys that were made, in their order.
    pub made: Vec<ApiKeyId>,
    /// The value of the one that was made, where it was drawn. Nobody else is ever told.
    pub drawn: Option<KeyValue>,
    /// What is probably not meant.
    pub remarks: Vec<String>,
    /// As above, of the rows of a file.
    pub warnings: ImportWarnings,
}

impl Followed {
    pub(super) fn noted(note: String) -> Self {
        Self {
            note,
            ..Self::default()
        }
    }
}

/// Why an order was not followed.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The order.
    #[error(transparent)]
    Refused(#[from] KeyRefusal),
    /// The store.
    #[error("API keys")]
    Store(#[from] ApiKeyError),
    /// Nothing can be drawn.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// A key that cannot be written; never in practice.
    #[error("the API key cannot be written")]
    Unwritable(#[source] serde_json::Error),
}

impl ApiKeyStore {
    /// Opens database and secret in `state_directory`; both are made where neither the one nor the
    /// other is there, with modes 0600, and with 0700 the directory, whose ownership they get. A file
    /// that a killed process left behind is repaired.
    ///
    /// # Errors
    /// See [`ApiKeyError`].
    pub fn open(state_directory: &Path) -> Result<Self, ApiKeyError> {
        directory::create(state_directory, 0o700).map_err(failed("create", state_directory))?;
        let disk = StateDirectory::new(state_directory);
        let is_new = !Self::exists(state_directory);
        let missing = if is_new {
            Missing::Made
        } else {
            Missing::Refused
        };
        let secret = vault::path(state_directory);
        if is_new && secret.exists() {
            let (secret, database) = (secret.display(), disk.0.path.display());
            tracing::warn!(
                %secret,
                %database,
                "no API key is known: their secret is there, and the database is not"
            );
        }
        let vault = Vault::open(state_directory, missing).map_err(|error| match error {
            ApiKeyError::Io { source, .. } if source.kind() == ErrorKind::NotFound => {
                let database = disk.0.path.to_path_buf();
                ApiKeyError::SecretMissing { secret, database }
            }
            error => error,
        })?;
        let path = Arc::clone(&disk.0.path);
        // The library checks as much of a file as it needs to go on, and panics on some damage.
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let database = if is_new {
                disk.make(&vault)?
            } else {
                disk.open(&vault)?
            };
            Self::new(Arc::clone(&path), Arc::new(disk), database, vault)
        }));
        opened.unwrap_or_else(|_panic| {
            let path = path.to_path_buf();
            Err(ApiKeyError::Unreadable { path })
        })
    }

    /// Has what `database` says, which `disk` opens.
    pub(super) fn new(
        path: Arc<Path>,
        disk: Arc<dyn Disk>,
        database: Database,
        vault: Vault,
    ) -> Result<Self, ApiKeyError> {
        let keys = KeySet::new(0, database::read(&database, &path, &vault)?);
        let held = Held {
            database: Some(database),
            owed: None,
        };
        Ok(Self {
            path,
            disk,
            keys: ApiKeys::new(Arc::new(vault), keys),
            held: Arc::new(Mutex::new(held)),
        })
    }

    /// Whether `state_directory` has a database.
    #[must_use]
    pub fn exists(state_directory: &Path) -> bool {
        disk::path(state_directory).symlink_metadata().is_ok()
    }

    /// What is in memory.
    #[must_use]
    pub const fn keys(&self) -> &ApiKeys {
        &self.keys
    }

    /// Follows an order. When this returns, what came of it is on the disk and in memory; when it
    /// fails, nothing of it is, but for one error.
    ///
    /// # Errors
    /// See [`FollowError`]; with [`ApiKeyError::InDoubt`] nothing is changed here any more, until the
    /// file says again what it said before.
    pub fn follow(
        &self,
        order: &KeyOrder,
        rules: &KeyRules,
        now_unix_seconds: u64,
    ) -> Result<Followed, FollowError> {
        self.follow_if(order, rules, now_unix_seconds, |_| Ok(()))
    }

    /// As [`Self::follow`], where `judge` takes the keys as they would be.
    ///
    /// # Errors
    /// As of [`Self::follow`], and what `judge` says.
    pub fn follow_if(
        &self,
        order: &KeyOrder,
        rules: &KeyRules,
        now_unix_seconds: u64,
        judge: impl FnOnce(&KeySet) -> Result<(), KeyRefusal>,
    ) -> Result<Followed, FollowError> {
        let mut held = self.held();
        let before = self.keys.all();
        let mut draft = Draft::new(&before, self.keys.vault(), rules, now_unix_seconds);
        let followed = draft.follow(order)?;
        let (rows, after) = draft.finish();
        if !rows.is_empty() {
            let after = KeySet::new(before.generation() + 1, after);
            judge(&after)?;
            self.write(&mut held, &rows)?;
            self.keys.replace(after);
        }
        Ok(followed)
    }

    /// The value of a key, where it is kept.
    ///
    /// # Errors
    /// It is not, there is no such key, or the store's.
    pub fn value(&self, id: &Unsaid) -> Result<KeyValue, FollowError> {
        let id = ApiKeyId::parse(id.expose()).map_err(KeyRefusal::from)?;
        let mut held = self.held();
        let keys = self.keys.all();
        let key = keys
            .find(&id)
            .ok_or_else(|| KeyRefusal::NoKey(id.clone()))?;
        if !key.is_readable {
            return Err(KeyRefusal::NotReadable(id).into());
        }
        let database = self.usable(&mut held)?;
        let hidden = database::hidden(&database, &self.path, &id)?;
        held.database = Some(database);
        let found = hidden.and_then(|hidden| self.keys.vault().reveal(&id, &hidden));
        // What was kept of another value would be told to whom it does not belong.
        let found = found.filter(|value| self.keys.mac_of(value.expose().as_bytes()) == key.mac);
        let path = self.path.to_path_buf();
        Ok(found.ok_or(ApiKeyError::Damaged { path, id })?)
    }

    /// Puts back what the file said before a write that failed, where that could not be done when it
    /// failed. Every use does that first; this is for when nobody uses it. Does nothing else, and then
    /// not touch the disk.
    ///
    /// # Errors
    /// [`ApiKeyError::InDoubt`].
    pub fn settle(&self) -> Result<(), ApiKeyError> {
        let mut held = self.held();
        if held.owed.is_some() {
            held.database = Some(self.usable(&mut held)?);
        }
        Ok(())
    }

    fn write(&self, held: &mut Held, rows: &Rows) -> Result<(), ApiKeyError> {
        let database = self.usable(held)?;
        let before = database::rows(&database, &self.path, rows)?;
        match database::write(&database, &self.path, rows) {
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
                held.database = Some(self.usable(held)?);
                Err(error)
            }
        }
    }

    /// The database, which is opened again where it was given up, and says what it has to say.
    fn usable(&self, held: &mut Held) -> Result<Database, ApiKeyError> {
        let open = |held: &mut Held| match held.database.take() {
            Some(database) => Ok(database),
            None => self.disk.open(self.keys.vault()),
        };
        let Some(owed) = held.owed.take() else {
            return open(held);
        };
        let settled = open(held).and_then(|database| {
            if database::rows(&database, &self.path, &owed.before)? != owed.before {
                database::write(&database, &self.path, &owed.before)?;
            }
            Ok(database)
        });
        match settled {
            Ok(database) => {
                tracing::info!("API keys: a write that failed is undone");
                Ok(database)
            }
            Err(error) => {
                let error = ApiKeyError::InDoubt {
                    path: self.path.to_path_buf(),
                    failure: owed.failure.clone(),
                    source: cause(error),
                };
                held.owed = Some(owed);
                tracing::error!(error = explain(&error), "API keys");
                Err(error)
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why, without what is not so where something is in doubt.
fn why(error: &ApiKeyError) -> String {
    match error {
        ApiKeyError::Disk { source, .. } => explain(source),
        ApiKeyError::Database { source, .. } => explain(source),
        error => explain(error),
    }
}

/// As [`why`].
fn cause(error: ApiKeyError) -> Box<dyn std::error::Error + Send + Sync> {
    match error {
        ApiKeyError::Disk { source, .. } => Box::new(source),
        ApiKeyError::Database { source, .. } => source,
        error => Box::new(error),
    }
}
