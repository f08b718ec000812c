//! Lists from files: read whole, accepted whole or refused whole.
//!
//! A file is bounded in bytes and entries, and it is read only while nobody writes it: what changes
//! under the reader's hands is refused and read again when it has settled.

mod plain;
mod ipset;
mod json;

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::model::{ListFormat, Prefix, PrefixError};

/// The largest file that is read. A million IPv6 prefixes, one per line, take 45 MB; as JSON
/// objects with a few more fields about 120 MB.
pub const LIST_FILE_BYTES_MAX: u64 = 256 << 20;
/// Entries that one file may have; more than the kernel's tables hold of every kind together would
/// be refused later in any case.
pub const LIST_FILE_ENTRIES_MAX: usize = 1 << 21;

/// Why a list's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be opened or read.
    #[error("cannot {call} `{}`{}", path.display(), permission_hint(source))]
    Io {
        /// What was tried.
        call: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is a directory, a device or a pipe.
    #[error("`{}` is not a regular file", .0.display())]
    NotRegular(PathBuf),
    /// It is larger than is read.
    #[error("`{}` is larger than {LIST_FILE_BYTES_MAX} bytes", .0.display())]
    TooLarge(PathBuf),
    /// It has more entries than are taken.
    #[error("{}:{line}: more than {LIST_FILE_ENTRIES_MAX} entries", path.display())]
    TooMany {
        /// The file.
        path: PathBuf,
        /// Where the limit is passed.
        line: usize,
    },
    /// Somebody writes it at this moment.
    #[error(
        "`{}` changed while it was read: it is read again once it has settled; replace it by \
         renaming a finished file onto it",
        .0.display()
    )]
    Changing(PathBuf),
    /// A line says something that is not understood.
    #[error("{}:{line}: {cause}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        cause: LineError,
    },
    /// It is no JSON, or none of the documented forms.
    #[error("{}:{}:{}: {}", path.display(), cause.line(), cause.column(), unplaced(cause))]
    Json {
        /// The file.
        path: PathBuf,
        /// What and where.
        cause: serde_json::Error,
    },
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// It holds bytes that are no text.
    #[error("this is not UTF-8")]
    NotText,
    /// It is no prefix.
    #[error(transparent)]
    Prefix(#[from] PrefixError),
    /// Something follows the prefix.
    #[error("`{0}` follows the prefix: one address or prefix per line, comments after `#` or `;`")]
    Trailing(String),
    /// The prefix covers everybody.
    #[error("`{0}` covers every source of its family: no list of addresses means that")]
    Everybody(Prefix),
    /// A command of ipset that is not among those read.
    #[error("`{0}` is not read: only `create` and `add` are")]
    Command(String),
    /// A kind of set that does not hold plain addresses.
    #[error("a set of type `{0}` is not read: only `hash:ip` and `hash:net` are")]
    SetType(String),
    /// An entry of a set that the file did not create.
    #[error("the set `{0}` is not created in this file")]
    UnknownSet(String),
    /// A line of ipset that ends too early.
    #[error("this line ends too early")]
    Short,
    /// An entry with a meaning that a list cannot keep.
    #[error("an entry with `{0}` is not read: its meaning would be lost")]
    Option(String),
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// The present state of the file at `path`.
    ///
    /// # Errors
    /// `stat`'s.
    pub fn now(path: &Path) -> Result<Self, FileError> {
        let metadata = std::fs::metadata(path).map_err(failed("read", path))?;
        Ok(Self::of(&metadata))
    }
}

/// Reads the file at `path`.
///
/// # Errors
/// See [`FileError`]; nothing of the file is used then.
pub fn read(path: &Path, format: ListFormat) -> Result<(Vec<Prefix>, Stamp), FileError> {
    let metadata = std::fs::metadata(path).map_err(failed("read", path))?;
    // Opening a FIFO would wait for its writer.
    if !metadata.is_file() {
        return Err(FileError::NotRegular(path.to_owned()));
    }
    let file = File::open(path).map_err(failed("open", path))?;
    let stamp = Stamp::of(&file.metadata().map_err(failed("stat", path))?);
    let mut content = Vec::new();
    (&file)
        .take(LIST_FILE_BYTES_MAX + 1)
        .read_to_end(&mut content)
        .map_err(failed("read", path))?;
    if content.len() as u64 > LIST_FILE_BYTES_MAX {
        return Err(FileError::TooLarge(path.to_owned()));
    }
    let after = Stamp::of(&file.metadata().map_err(failed("stat", path))?);
    if after != stamp || content.len() as u64 != stamp.size {
        return Err(FileError::Changing(path.to_owned()));
    }
    Ok((parse(path, &content, format)?, stamp))
}

/// Parses the content of the file at `path`.
fn parse(path: &Path, content: &[u8], format: ListFormat) -> Result<Vec<Prefix>, FileError> {
    let format = match format {
        ListFormat::Auto => recognised(content),
        named => named,
    };
    match format {
        ListFormat::Auto | ListFormat::Plain => plain::parse(path, content),
        ListFormat::Ipset => ipset::parse(path, content),
        ListFormat::Json => json::parse(path, content),
    }
}

/// The format that a content looks like, by its first line that says something.
fn recognised(content: &[u8]) -> ListFormat {
    let mut lines = content.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let first = lines.find(|line| !matches!(line.first(), None | Some(b'#' | b';')));
    match first {
        Some([b'[' | b'{' | b'"', ..]) => ListFormat::Json,
        Some(line) if line.starts_with(b"create ") || line.starts_with(b"add ") => {
            ListFormat::Ipset
        }
        Some(_) | None => ListFormat::Plain,
    }
}

/// The lines of a file with their numbers, without surrounding space and comments, empty ones left
/// out.
fn lines(content: &[u8]) -> impl Iterator<Item = (usize, Result<&str, LineError>)> {
    content
        .split(|byte| *byte == b'\n')
        .enumerate()
        .filter_map(|(index, line)| {
            let text = line.split(|byte| matches!(byte, b'#' | b';')).next();
            let text = text.unwrap_or_default().trim_ascii();
            if text.is_empty() {
                return None;
            }
            let text = std::str::from_utf8(text).map_err(|_position| LineError::NotText);
            Some((index + 1, text))
        })
}

/// A prefix that a list may hold.
fn prefix(text: &str) -> Result<Prefix, LineError> {
    let prefix: Prefix = text.parse()?;
    if prefix.length() == 0 {
        return Err(LineError::Everybody(prefix));
    }
    Ok(prefix)
}

/// Adds what a line holds, if anything.
fn collect<'a>(
    path: &Path,
    lines: impl Iterator<Item = (usize, Result<&'a str, LineError>)>,
    mut parse: impl FnMut(&'a str) -> Result<Option<Prefix>, LineError>,
) -> Result<Vec<Prefix>, FileError> {
    let mut prefixes = Vec::new();
    for (line, text) in lines {
        match text.and_then(&mut parse) {
            Ok(None) => {}
            Ok(Some(_)) if prefixes.len() == LIST_FILE_ENTRIES_MAX => {
                let path = path.to_owned();
                return Err(FileError::TooMany { path, line });
            }
            Ok(Some(prefix)) => prefixes.push(prefix),
            Err(cause) => {
                let path = path.to_owned();
                return Err(FileError::Line { path, line, cause });
            }
        }
    }
    Ok(prefixes)
}

fn failed(call: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError::Io { call, path, source }
}

/// The gateway starts as root and goes on as its own user.
fn permission_hint(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::PermissionDenied {
        ": the user the gateway runs as must be able to read it and to enter its directory"
    } else {
        ""
    }
}

/// What a parser of JSON says, without the place at its end.
fn unplaced(error: &serde_json::Error) -> String {
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text = error.to_string();
    text.strip_suffix(&place)
        .map_or(text.clone(), str::to_owned)
}

/// Cuts what is repeated in a message.
fn shortened(text: &str) -> String {
    const CHARACTERS_MAX: usize = 40;
    let mut characters = text.chars();
    let mut shown: String = characters.by_ref().take(CHARACTERS_MAX).collect();
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests;
