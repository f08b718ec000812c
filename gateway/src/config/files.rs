//! The files that a configuration names.
//!
//! Each is read once, by one reader, however often the configuration is lowered: what its stages serve
//! may change long after it was read, and must not bring along what somebody has since begun to write
//! into a file. What they hold is kept as long as the configuration; of private keys only what signs
//! with them. Definitions are not kept here: they become a part of the configuration's own tree.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{Error, ErrorKind, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::sign::CertifiedKey;
use x509_parser::time::ASN1Time;

use crate::model::Credentials;

/// What all files together may hold that a configuration names, definitions and private keys apart.
pub const NAMED_BYTES_MAX: u64 = 128 << 20;

/// What becomes of the files that a configuration names.
#[derive(Debug)]
pub(super) enum Files {
    /// They are opened and judged.
    Opened(Kept),
    /// Only their names matter.
    Named,
}

impl Files {
    /// To be opened, and none was yet.
    pub(super) fn opened() -> Self {
        Self::Opened(Kept::within(NAMED_BYTES_MAX))
    }

    /// What was read of them; `None` where only their names matter.
    pub(super) const fn kept(&self) -> Option<&Kept> {
        match self {
            Self::Opened(kept) => Some(kept),
            Self::Named => None,
        }
    }
}

/// What files held when they were first asked for.
pub(super) struct Kept {
    /// When the first could be read: what they hold is judged as of then.
    pub(super) since: ASN1Time,
    bytes_max: u64,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    bytes: u64,
    contents: BTreeMap<PathBuf, Arc<[u8]>>,
    /// Why a file of at most so many bytes cannot be used without which the gateway goes on.
    given_up: BTreeMap<(PathBuf, u64), String>,
    /// By chain and key.
    certified: BTreeMap<(PathBuf, PathBuf), Certified>,
    /// By the file.
    credentials: BTreeMap<PathBuf, Arc<Credentials>>,
}

/// A chain and its key, which were found to belong together.
#[derive(Clone)]
pub(super) struct Certified {
    pub(super) pair: Arc<CertifiedKey>,
    /// Whether every user could read the key.
    pub(super) is_exposed: bool,
}

impl Kept {
    fn within(bytes_max: u64) -> Self {
        Self {
            since: ASN1Time::now(),
            bytes_max,
            held: Mutex::default(),
        }
    }

    /// What a regular file of at most `bytes_max` held when it was first read. One that cannot be
    /// read is tried again, but then the configuration has been refused.
    pub(super) fn read(&self, path: &Path, bytes_max: u64) -> Result<Arc<[u8]>, Error> {
        self.read_judged(path, bytes_max, |_| Ok(()))
    }

    /// As [`Self::read`], of a file without which the configuration may still be accepted. One that
    /// cannot be read, or that `judge` refuses, is tried again unless it was given up.
    pub(super) fn read_judged(
        &self,
        path: &Path,
        bytes_max: u64,
        judge: impl FnOnce(&[u8]) -> Result<(), Error>,
    ) -> Result<Arc<[u8]>, Error> {
        let mut held = self.held();
        if let Some(known) = held.contents.get(path) {
            if known.len() as u64 > bytes_max {
                return Err(too_large(bytes_max));
            }
            judge(known)?;
            return Ok(Arc::clone(known));
        }
        if let Some(why) = held.given_up.get(&(path.to_owned(), bytes_max)) {
            return Err(Error::other(why.clone()));
        }
        let content: Arc<[u8]> = read(path, bytes_max)?.into();
        judge(&content)?;
        let bytes = held.bytes.saturating_add(content.len() as u64);
        if bytes > self.bytes_max {
            return Err(Error::other(format!(
                "with it, the files that the configuration names hold more than {} bytes: name fewer or smaller ones",
                self.bytes_max
            )));
        }
        held.bytes = bytes;
        held.contents.insert(path.to_owned(), Arc::clone(&content));
        Ok(content)
    }

    /// The access keys that `judge` made of what a file of at most `bytes_max` held, which others than
    /// its owner may not use. One that could not be used is tried again unless it was given up.
    ///
    /// # Errors
    /// Everything that is wrong with it, each in a sentence.
    pub(super) fn credentials(
        &self,
        path: &Path,
        bytes_max: u64,
        judge: impl FnOnce(&[u8]) -> Result<Credentials, Vec<String>>,
    ) -> Result<Arc<Credentials>, Vec<String>> {
        let known = self.held().credentials.get(path).map(Arc::clone);
        if let Some(known) = known {
            return Ok(known);
        }
        let given_up = self
            .held()
            .given_up
            .get(&(path.to_owned(), bytes_max))
            .cloned();
        if let Some(why) = given_up {
            return Err(vec![why]);
        }
        let content = read_private(path, bytes_max).map_err(|error| {
            let shown = path.display();
            vec![format!("cannot read `{shown}`: {}", told(&error))]
        })?;
        let credentials = Arc::new(judge(&content)?);
        let mut held = self.held();
        held.credentials
            .insert(path.to_owned(), Arc::clone(&credentials));
        Ok(credentials)
    }

    /// From now on these files, each of at most so many bytes, are not tried again, and no others that
    /// were given up before: the gateway goes on without them, for these reasons.
    pub(super) fn give_up(&self, files: BTreeMap<(PathBuf, u64), String>) {
        self.held().given_up = files;
    }

    /// The pair of these files, if they were found to be one.
    pub(super) fn certified(&self, chain: &Path, key: &Path) -> Option<Certified> {
        let names = (chain.to_owned(), key.to_owned());
        self.held().certified.get(&names).cloned()
    }

    /// Keeps the pair of these files.
    pub(super) fn keep(&self, chain: &Path, key: &Path, certified: Certified) {
        let names = (chain.to_owned(), key.to_owned());
        self.held().certified.insert(names, certified);
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // Entries are whole when they are put in.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = self.held();
        f.debug_struct("Kept")
            .field("files", &held.contents.len())
            .field("certificates", &held.certified.len())
            .finish_non_exhaustive()
    }
}

/// What a regular file of at most `bytes_max` holds now.
pub(super) fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Error> {
    let metadata = path.metadata()?;
    if metadata.is_dir() {
        return Err(Error::other("it is a directory: name a file"));
    }
    // Opening a FIFO would wait for its writer.
    if !metadata.is_file() {
        return Err(Error::other("it is not a regular file: name one that is"));
    }
    read_to_end(File::open(path)?, bytes_max)
}

/// As [`read`], of a file that its owner alone may use.
fn read_private(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Error> {
    if !path.metadata()?.is_file() {
        return Err(Error::other("it is not a regular file: name one that is"));
    }
    let file = File::open(path)?;
    // Of what was opened, whatever the name stands for by now.
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        let shown = path.display();
        let message = format!("it holds secrets, and others can use it: chmod 600 {shown}");
        return Err(Error::other(message));
    }
    read_to_end(file, bytes_max)
}

fn read_to_end(file: File, bytes_max: u64) -> Result<Vec<u8>, Error> {
    let mut content = Vec::new();
    let mut file = file.take(bytes_max.saturating_add(1));
    file.read_to_end(&mut content)?;
    if content.len() as u64 > bytes_max {
        return Err(too_large(bytes_max));
    }
    Ok(content)
}

/// Why a file cannot be read, and what to do about it.
pub(super) fn told(error: &Error) -> String {
    let fix = match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => ": put it there, or name another",
        ErrorKind::IsADirectory => ": name a file",
        ErrorKind::PermissionDenied => ": make it readable to this account",
        // Those of this module say it themselves.
        ErrorKind::Other => "",
        _ => ": keep it where it can be read",
    };
    format!("{error}{fix}")
}

fn too_large(bytes_max: u64) -> Error {
    Error::other(format!("it has too many bytes: at most {bytes_max}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_it_was_when_it_was_read_and_all_are_bounded() {
        let directory = tempfile::tempdir().unwrap();
        let name = |name: &str| directory.path().join(name);
        let kept = Kept::within(10);
        std::fs::write(name("a"), "first").unwrap();
        std::fs::write(name("b"), "second").unwrap();
        std::fs::write(name("c"), "third").unwrap();
        assert_eq!(&*kept.read(&name("a"), 5).unwrap(), b"first");
        std::fs::remove_file(name("a")).unwrap();
        assert_eq!(&*kept.read(&name("a"), 5).unwrap(), b"first");
        let told = |path: &str, max| told(&kept.read(&name(path), max).unwrap_err());
        assert_eq!(told("a", 4), "it has too many bytes: at most 4");
        assert_eq!(
            told("b", 9),
            "with it, the files that the configuration names hold more than 10 bytes: name fewer \
             or smaller ones"
        );
        assert_eq!(&*kept.read(&name("c"), 5).unwrap(), b"third");
    }

    #[test]
    fn what_cannot_be_used_is_tried_again_until_it_is_given_up() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        let kept = Kept::within(100);
        let judged = |bytes_max| {
            let judge = |content: &[u8]| match content {
                b"right" => Ok(()),
                _ => Err(Error::other("wrong")),
            };
            let read = kept.read_judged(&path, bytes_max, judge);
            read.map(|content| content.to_vec())
                .map_err(|error| error.to_string())
        };
        assert!(judged(9).unwrap_err().contains("No such file"));
        std::fs::write(&path, "half").unwrap();
        assert_eq!(judged(9).unwrap_err(), "wrong");
        let why = "it was gone".to_owned();
        kept.give_up([((path.clone(), 9), why)].into());
        std::fs::write(&path, "right").unwrap();
        assert_eq!(judged(9).unwrap_err(), "it was gone");
        kept.give_up(BTreeMap::new());
        assert_eq!(judged(9).unwrap(), b"right");
        std::fs::write(&path, "half").unwrap();
        assert_eq!(judged(9).unwrap(), b"right", "as it was read");
    }
}
