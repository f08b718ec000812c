//! Why usage cannot be read or written.

use std::io;
use std::path::PathBuf;

use super::record::PlanKey;
use crate::store::private_file::FileError;

/// Why usage cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
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
    /// It is a database of something else.
    #[error("`{}` is a database, and not of usage: move it away, or put the right one back", .0.display())]
    Foreign(PathBuf),
    /// The disk failed the database.
    #[error("`{}` cannot be read or written: see that its disk has room and is sound", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
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
        "what `{}` holds of the API key `{}` under the plan `{}` is damaged: put a copy of it back, \
         {OR_AWAY}",
        path.display(), plan_key.key, plan_key.plan
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Whose use it is.
        plan_key: PlanKey,
    },
}

/// What is left where there is no copy.
const OR_AWAY: &str = "or move it away, and every quota and all usage begin anew";

impl From<FileError> for UsageError {
    fn from(FileError { call, path, source }: FileError) -> Self {
        Self::Io { call, path, source }
    }
}
