//! The database: what stands in it, and how that is read and written.
//!
//! Transactions are committed in two phases, as those of deployments are: all of one is on the disk
//! before the one page is written that makes it the last.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{
    Builder, Database, DatabaseError, ReadableDatabase as _, ReadableTable as _,
    ReadableTableMetadata as _, StorageBackend, TableDefinition, WriteTransaction,
};

use super::error::ApiKeyError;
use super::key::ApiKey;
use super::record;
use super::vault::Vault;
use crate::model::ApiKeyId;

/// Version of the tables and of what stands in them.
const VERSION: u64 = 1;
/// Memory that pages may occupy: keys are read at start, and written by hand.
const CACHE_BYTES: usize = 8 << 20;

type Table = TableDefinition<'static, &'static str, &'static [u8]>;

/// Facts about the file.
const FACTS: TableDefinition<'_, &str, u64> = TableDefinition::new("facts");
/// The fact that is the version.
const VERSION_FACT: &str = "version";
/// The fact that is the number of keys: rows that got lost would not be missed otherwise.
const COUNT_FACT: &str = "keys";
/// By what the file is known to belong to a secret.
const MARKS: Table = TableDefinition::new("marks");
/// The mark of the secret.
const SECRET_MARK: &str = "secret";
/// What is known of each key, by its id.
const KEYS: Table = TableDefinition::new("keys");
/// Values that are kept, by the id of their key.
const HIDDEN: Table = TableDefinition::new("hidden");

/// What stands, or is to stand, in the rows of some keys; `None` where there is no row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rows {
    /// Of [`KEYS`].
    pub(super) records: BTreeMap<ApiKeyId, Option<Vec<u8>>>,
    /// Of [`HIDDEN`].
    pub(super) hidden: BTreeMap<ApiKeyId, Option<Vec<u8>>>,
}

impl Rows {
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.hidden.is_empty()
    }
}

/// Makes an empty database of what `backend` holds, which is nothing yet.
pub(super) fn make(
    path: &Path,
    backend: impl StorageBackend,
    vault: &Vault,
) -> Result<Database, ApiKeyError> {
    let database = opened(path, backend)?;
    let transaction = begin_write(&database, path)?;
    {
        let mut facts = transaction.open_table(FACTS).map_err(failed(path))?;
        facts.insert(VERSION_FACT, VERSION).map_err(failed(path))?;
        facts.insert(COUNT_FACT, 0).map_err(failed(path))?;
        let mut marks = transaction.open_table(MARKS).map_err(failed(path))?;
        let mark = vault.mark();
        marks.insert(SECRET_MARK, mark).map_err(failed(path))?;
        transaction.open_table(KEYS).map_err(failed(path))?;
        transaction.open_table(HIDDEN).map_err(failed(path))?;
    }
    transaction.commit().map_err(failed(path))?;
    Ok(database)
}

/// Opens what `backend` holds, which is called `path` in errors. What another secret or another
/// version wrote is refused.
pub(super) fn open(
    path: &Path,
    backend: impl StorageBackend,
    vault: &Vault,
    secret: &Path,
) -> Result<Database, ApiKeyError> {
    let database = opened(path, backend)?;
    let transaction = database.begin_read().map_err(failed(path))?;
    let facts = transaction.open_table(FACTS).map_err(failed(path))?;
    let found = facts.get(VERSION_FACT).map_err(failed(path))?;
    let found = found.map_or(0, |found| found.value());
    if found != VERSION {
        return Err(ApiKeyError::Version {
            path: path.to_owned(),
            found,
            known: VERSION,
        });
    }
    let marks = transaction.open_table(MARKS).map_err(failed(path))?;
    let mark = marks.get(SECRET_MARK).map_err(failed(path))?;
    if !mark.is_some_and(|mark| vault.is_marked(mark.value())) {
        return Err(ApiKeyError::OtherSecret {
            secret: secret.to_owned(),
            database: path.to_owned(),
        });
    }
    drop((facts, marks, transaction));
    Ok(database)
}

fn opened(path: &Path, backend: impl StorageBackend) -> Result<Database, ApiKeyError> {
    Builder::new()
        .set_cache_size(CACHE_BYTES)
        .create_with_backend(backend)
        .map_err(|error| opening(path, error))
}

/// Every key, in the order of their ids.
pub(super) fn read(
    database: &Database,
    path: &Path,
    vault: &Vault,
) -> Result<Box<[Arc<ApiKey>]>, ApiKeyError> {
    let transaction = database.begin_read().map_err(failed(path))?;
    let table = transaction.open_table(KEYS).map_err(failed(path))?;
    let mut keys = Vec::new();
    for entry in table.iter().map_err(failed(path))? {
        let (id, written) = entry.map_err(failed(path))?;
        let id = ApiKeyId::new(id.value());
        let key = record::read(vault, &id, written.value()).map_err(|_why| {
            let path = path.to_owned();
            ApiKeyError::Damaged { path, id }
        })?;
        keys.push(Arc::new(key));
    }
    let facts = transaction.open_table(FACTS).map_err(failed(path))?;
    let written = facts.get(COUNT_FACT).map_err(failed(path))?;
    let written = written.map_or(0, |written| written.value());
    let found = keys.len() as u64;
    if found != written {
        return Err(ApiKeyError::Count {
            path: path.to_owned(),
            found,
            written,
        });
    }
    Ok(keys.into())
}

/// The value of a key as it is kept.
pub(super) fn hidden(
    database: &Database,
    path: &Path,
    id: &ApiKeyId,
) -> Result<Option<Vec<u8>>, ApiKeyError> {
    let transaction = database.begin_read().map_err(failed(path))?;
    let table = transaction.open_table(HIDDEN).map_err(failed(path))?;
    let found = table.get(id.as_str()).map_err(failed(path))?;
    Ok(found.map(|found| found.value().to_vec()))
}

/// What stands in the rows that `wanted` names.
pub(super) fn rows(database: &Database, path: &Path, wanted: &Rows) -> Result<Rows, ApiKeyError> {
    let transaction = database.begin_read().map_err(failed(path))?;
    let find = |table: Table, wanted: &BTreeMap<ApiKeyId, Option<Vec<u8>>>| {
        let table = transaction.open_table(table).map_err(failed(path))?;
        let find = |id: &ApiKeyId| {
            let found = table.get(id.as_str()).map_err(failed(path))?;
            Ok((id.clone(), found.map(|found| found.value().to_vec())))
        };
        wanted.keys().map(find).collect::<Result<_, ApiKeyError>>()
    };
    Ok(Rows {
        records: find(KEYS, &wanted.records)?,
        hidden: find(HIDDEN, &wanted.hidden)?,
    })
}

/// Has these rows stand, and no others of their keys.
pub(super) fn write(database: &Database, path: &Path, rows: &Rows) -> Result<(), ApiKeyError> {
    let transaction = begin_write(database, path)?;
    {
        let mut keys = transaction.open_table(KEYS).map_err(failed(path))?;
        let mut hidden = transaction.open_table(HIDDEN).map_err(failed(path))?;
        for (table, rows) in [(&mut keys, &rows.records), (&mut hidden, &rows.hidden)] {
            for (id, row) in rows {
                match row {
                    Some(row) => table.insert(id.as_str(), row.as_slice()),
                    None => table.remove(id.as_str()),
                }
                .map_err(failed(path))?;
            }
        }
        let count = keys.len().map_err(failed(path))?;
        let mut facts = transaction.open_table(FACTS).map_err(failed(path))?;
        facts.insert(COUNT_FACT, count).map_err(failed(path))?;
    }
    transaction.commit().map_err(failed(path))
}

fn begin_write(database: &Database, path: &Path) -> Result<WriteTransaction, ApiKeyError> {
    let mut transaction = database.begin_write().map_err(failed(path))?;
    transaction.set_two_phase_commit(true);
    Ok(transaction)
}

fn failed<E: Into<redb::Error>>(path: &Path) -> impl FnOnce(E) -> ApiKeyError {
    let path = path.to_owned();
    move |error| database_error(path, error.into())
}

fn database_error(path: PathBuf, error: redb::Error) -> ApiKeyError {
    // By these the library says that the disk gave something, and that it is no database.
    let is_of_content = |kind| matches!(kind, ErrorKind::InvalidData | ErrorKind::UnexpectedEof);
    match error {
        redb::Error::Io(source) if !is_of_content(source.kind()) => {
            ApiKeyError::Disk { path, source }
        }
        error => ApiKeyError::Database {
            path,
            source: Box::new(error),
        },
    }
}

pub(super) fn opening(path: &Path, error: DatabaseError) -> ApiKeyError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => ApiKeyError::InUse(path.to_owned()),
        error => database_error(path.to_owned(), error.into()),
    }
}
