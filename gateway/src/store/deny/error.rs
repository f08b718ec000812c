//! What can keep the list from being read or changed.

use std::io;
use std::path::PathBuf;

use crate::model::{Prefix, PrefixError};

/// Why a sink could not follow.
pub type SinkError = Box<dyn std::error::Error + Send + Sync>;

/// Why the list cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum DenyError {
    /// Another process writes.
    #[error(
        "`{}` is held by another process: a gateway of this instance is running, or another \
         `gateway deny`",
        .0.display()
    )]
    Locked(PathBuf),
    /// The file is no JSON of this format. It is left as it is.
    #[error("`{}` is damaged: mend it, or move it away to start with an empty list", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What and where, by line and column.
        source: serde_json::Error,
    },
    /// The file holds a prefix that is none.
    #[error("`{}` is damaged: mend it, or move it away to start with an empty list", path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// What.
        source: PrefixError,
    },
    /// Another version of the gateway wrote the file.
    #[error("`{}` is of format {found}, this gateway reads {expected}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// In the file.
        found: u32,
        /// Of this gateway.
        expected: u32,
    },
    /// An entry that would end at once.
    #[error("`{0}` for no time at all denies nothing: name a time, or none to deny until removed")]
    NoTime(Prefix),
    /// An entry that ends beyond what the clock can say.
    #[error(
        "`{0}` would end later than the clock can say: leave the time out to deny until removed"
    )]
    TooLong(Prefix),
    /// The kernel's tables have no room.
    #[error("the deny list is full: {max} {what} of one family")]
    Full {
        /// Addresses or prefixes.
        what: &'static str,
        /// How many there may be.
        max: u32,
    },
    /// The kernel's tables did not take the change; nothing changed.
    #[error("the kernel edge did not take the change, and nothing changed")]
    Sink(#[source] SinkError),
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
