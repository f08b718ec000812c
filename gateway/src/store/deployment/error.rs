//! Why deployments cannot be read or written.

use std::io;
use std::path::PathBuf;

use crate::model::{ApiId, DeploymentNumber};
use crate::store::private_file::FileError;

/// Why deployments cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum DeploymentError {
    /// Another process has the database.
    #[error(
        "`{}` is in use: a gateway of this instance runs, or another command; ask that gateway, \
         or wait for the command",
        .0.display()
    )]
    InUse(PathBuf),
    /// It was written by a gateway that knows more.
    #[error(
        "`{}` has version {found}, of a newer gateway, and this one knows {known}: start the newer \
         gateway again, or move the file away, and every stage serves what the configuration says",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// What it has.
        found: u64,
        /// What this gateway writes.
        known: u64,
    },
    /// It was written by a gateway that knew less.
    #[error(
        "`{}` has version {found}, of an older gateway, and this one knows {known}: start the older \
         gateway again, or move the file away, and every stage serves what the configuration says",
        path.display()
    )]
    Older {
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
    /// A write failed, and what the file said before could not be read or put back since.
    #[error(
        "`{}` failed while it was written ({failure}), and what it said before could not be put back \
         since: it may say what was asked for, or what it said before; see that its disk has room \
         and is sound. A gateway that runs tries again until it is put back, also when it stops, and \
         neither reads nor changes deployments before; one that starts before may serve what was \
         asked for",
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
    #[error(
        "`{}` cannot be used: put a copy of it back, or move it away, and every stage serves what \
         the configuration says",
        path.display()
    )]
    Database {
        /// The file.
        path: PathBuf,
        /// Why; boxed, because it is large.
        source: Box<redb::Error>,
    },
    /// What is written of an API cannot be understood.
    #[error("what `{}` holds of the API with the id `{id}` is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The API.
        id: ApiId,
        /// Why.
        source: serde_json::Error,
    },
    /// A deployment has no text.
    #[error("deployment {number} of the API with the id `{id}` is not kept")]
    NoText {
        /// The API.
        id: ApiId,
        /// The deployment.
        number: DeploymentNumber,
    },
}

impl From<FileError> for DeploymentError {
    fn from(FileError { call, path, source }: FileError) -> Self {
        Self::Io { call, path, source }
    }
}
