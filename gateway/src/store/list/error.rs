//! What can keep the lists from being read or changed.

use std::io;
use std::path::PathBuf;

use super::file::FileError;
use crate::model::{ListName, Prefix, PrefixError};
use crate::telemetry::operator_log::explain;

/// Why a sink could not follow.
pub type SinkError = Box<dyn std::error::Error + Send + Sync>;

/// Why the lists cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// Another process writes.
    #[error(
        "`{}` is held by another process: a gateway of this instance is running, or another \
         command changes its lists",
        .0.display()
    )]
    Locked(PathBuf),
    /// The file is no JSON of this format. It is left as it is.
    #[error("`{}` is damaged: mend it, or move it away to start with empty lists", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What and where, by line and column.
        source: serde_json::Error,
    },
    /// The file holds a prefix that is none.
    #[error("`{}` is damaged: mend it, or move it away to start with empty lists", path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// What.
        source: PrefixError,
    },
    /// Another version of the gateway wrote the file.
    #[error("`{}` is of format {found}, this gateway reads up to {expected}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// In the file.
        found: u32,
        /// Of this gateway.
        expected: u32,
    },
    /// An entry that would end at once.
    #[error(
        "`{0}` for no time at all means nothing: name a time, or none to keep it until removed"
    )]
    NoTime(Prefix),
    /// An entry that ends beyond what the clock can say.
    #[error(
        "`{0}` would end later than the clock can say: leave the time out to keep it until removed"
    )]
    TooLong(Prefix),
    /// A list kept by hand has grown to what a file would serve better.
    #[error(
        "the list has {max} entries, the most that are kept by hand: put them into a file and name \
         it in `lists.named`"
    )]
    TooMany {
        /// How many there may be.
        max: usize,
    },
    /// The kernel's tables have no room.
    #[error("the lists are full: all together hold at most {max} {what} of one family")]
    Full {
        /// Addresses or prefixes.
        what: &'static str,
        /// How many there may be.
        max: u32,
    },
    /// A list's file cannot be used, and nothing read earlier stands in.
    #[error("list `{name}`")]
    File {
        /// The list.
        name: ListName,
        /// What and where.
        source: FileError,
    },
    /// The kernel's tables did not take the change; nothing changed.
    #[error("the kernel edge did not take the change, and nothing changed")]
    Sink(#[source] SinkError),
    /// A change failed, and so did taking it back from the kernel's tables.
    #[error(
        "the change failed, and the kernel edge differs from the saved lists since, because taking \
         it back failed too ({}): a running gateway writes the tables of the kernel edge anew within \
         seconds, else the next command that changes a list does",
        explain(&**back)
    )]
    Torn {
        /// Why taking back failed.
        back: SinkError,
        /// Why the change failed.
        source: SinkError,
    },
    /// What is in force could not be saved.
    #[error("{what}")]
    Unsaved {
        /// What is in force, and what that means.
        what: &'static str,
        /// Why.
        source: Box<ListError>,
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
}

/// Names a system call and its file in its error.
pub(super) fn io_error(
    call: &'static str,
    path: &std::path::Path,
) -> impl FnOnce(io::Error) -> ListError {
    let path = path.to_owned();
    move |source| ListError::Io { call, path, source }
}
