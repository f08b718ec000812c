//! Why API keys cannot be read or written.

use std::io;
use std::path::PathBuf;

use super::value::NoRandomness;
use crate::model::ApiKeyId;
use crate::store::private_file::FileError;

/// Why API keys cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ApiKeyError {
    /// Another process has the database.
    #[error(
        "`{}` is in use: a gateway of this instance runs, or another command; ask that gateway, \
         or wait for the command",
        .0.display()
    )]
    InUse(PathBuf),
    /// It was written by another gateway.
    #[error(
        "`{}` has version {found}, and this gateway knows {known}: start the gateway that wrote it, \
         or put a copy back that this one wrote",
        path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// What it has.
        found: u64,
        /// What this gateway writes.
        known: u64,
    },
    /// The disk failed the database.
    #[error(
        "`{}` cannot be read or written, and nothing of this was kept: see that its disk has room \
         and is sound, then try again",
        path.display()
    )]
    Disk {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A write failed, and what the file said before could not be put back since.
    #[error(
        "`{}` failed while it was written ({failure}), and what it said before could not be put back \
         since: it may say what was asked for, or what it said before; see that its disk has room \
         and is sound. A gateway that runs tries again until it is put back, also when it stops, and \
         changes no API key before; one that starts before may know what was asked for",
        path.display()
    )]
    InDoubt {
        /// The file.
        path: PathBuf,
        /// Why the write failed.
        failure: String,
        /// Why it could not be put back.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A system call failed.
    #[error("{call} `{}`", path.display())]
    Io {
        /// Its name.
        call: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database failed.
    #[error("`{}` is damaged: put a copy of it back, {OR_AWAY}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// Why; boxed, because it is large.
        source: Box<redb::Error>,
    },
    /// The database is damaged so that nothing can be said of it.
    #[error("`{}` is damaged: put a copy of it back, {OR_AWAY}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
    },
    /// What is written of a key is not what was written.
    #[error(
        "what `{}` holds of the API key `{id}` is damaged: put a copy of it back, {OR_AWAY}",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The key.
        id: ApiKeyId,
    },
    /// Keys are missing, or there are some that nobody wrote.
    #[error(
        "`{}` is damaged, and holds {found} API keys instead of {written}: put a copy of it back, \
         {OR_AWAY}",
        path.display()
    )]
    Count {
        /// The file.
        path: PathBuf,
        /// How many there are.
        found: u64,
        /// How many were written.
        written: u64,
    },
    /// The database is there without its secret.
    #[error(
        "`{}` is missing, by which the API keys in `{}` are recognized: put a copy of it back; \
         without one every key has to be made again, in a new database, once this one is moved away",
        secret.display(),
        database.display()
    )]
    SecretMissing {
        /// Where the secret should be.
        secret: PathBuf,
        /// The database.
        database: PathBuf,
    },
    /// The database was written with another secret.
    #[error(
        "`{}` is not the secret by which the API keys in `{}` are recognized: put back the two that \
         belong together",
        secret.display(),
        database.display()
    )]
    OtherSecret {
        /// The secret.
        secret: PathBuf,
        /// The database.
        database: PathBuf,
    },
    /// The secret is none.
    #[error("`{}` is damaged, it has to have {expected} bytes: put a copy of it back", path.display())]
    SecretLength {
        /// The secret.
        path: PathBuf,
        /// How many bytes one has.
        expected: usize,
    },
    /// Others may read or write the secret.
    #[error(
        "others than its owner may use `{}`, which has the mode {mode:04o}: chmod 600 it",
        path.display()
    )]
    SecretOpen {
        /// The secret.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Nothing can be drawn.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// What is left where there is no copy.
const OR_AWAY: &str = "or move it away, and every API key has to be made again";

impl From<FileError> for ApiKeyError {
    fn from(FileError { call, path, source }: FileError) -> Self {
        Self::Io { call, path, source }
    }
}
