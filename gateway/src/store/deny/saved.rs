//! The list on disk: one JSON file in the state directory, replaced whole.

use std::fs::{DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::DenyError;
use super::entries::{Entries, Expiry, Moment};
use crate::model::Prefix;

/// Name of the file in the state directory.
const FILE_NAME: &str = "deny.json";
/// Name of the lock beside it.
const LOCK_NAME: &str = "deny.lock";
/// Version of the format.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    entries: Vec<SavedEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedEntry {
    prefix: String,
    /// Left out for an entry that stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_unix_seconds: Option<u64>,
}

/// The file and the lock that makes its holder the only writer.
#[derive(Debug)]
pub(super) struct Saved {
    path: PathBuf,
    lock: File,
}

impl Drop for Saved {
    /// Unlocks explicitly: a child that was forked and has not executed its program yet still has
    /// the descriptor, and with it would keep the lock.
    fn drop(&mut self) {
        if let Err(errno) = rustix::fs::flock(&self.lock, rustix::fs::FlockOperation::Unlock) {
            tracing::debug!(%errno, "the deny list stays locked until exit");
        }
    }
}

impl Saved {
    /// Locks the list of `directory`, which is created with mode 0700 where it is missing.
    pub(super) fn lock(directory: &Path) -> Result<Self, DenyError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(io_error("create", directory))?;
        let path = directory.join(LOCK_NAME);
        let lock = open_private(&path, false)?;
        let operation = rustix::fs::FlockOperation::NonBlockingLockExclusive;
        match rustix::fs::flock(&lock, operation) {
            Ok(()) => Ok(Self {
                path: directory.join(FILE_NAME),
                lock,
            }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(DenyError::Locked(path)),
            Err(errno) => Err(io_error("flock", &path)(errno.into())),
        }
    }

    /// Reads the file; what has expired is left out. No file is an empty list.
    pub(super) fn load(&self, now: Moment) -> Result<Entries, DenyError> {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Entries::new()),
            Err(error) => return Err(io_error("read", &self.path)(error)),
        };
        let document: Document =
            serde_json::from_str(&text).map_err(|source| DenyError::Damaged {
                path: self.path.clone(),
                source,
            })?;
        if document.version != VERSION {
            return Err(DenyError::Version {
                path: self.path.clone(),
                found: document.version,
                expected: VERSION,
            });
        }
        let mut entries = Entries::new();
        for saved in document.entries {
            let prefix: Prefix = saved.prefix.parse().map_err(|source| DenyError::Entry {
                path: self.path.clone(),
                source,
            })?;
            let expiry = saved.expires_unix_seconds.map(|seconds| {
                let wall = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
                wall.map(|wall| Expiry::at(wall, now))
            });
            match expiry {
                None => entries.insert(prefix, None),
                // Beyond what the clock can say: as good as never.
                Some(None) => entries.insert(prefix, None),
                Some(Some(expiry)) if expiry.wall > now.wall => {
                    entries.insert(prefix, Some(expiry))
                }
                Some(Some(_expired)) => None,
            };
        }
        Ok(entries)
    }

    /// Replaces the file: after a crash there is the old list or the new one.
    pub(super) fn save(&self, entries: &Entries) -> Result<(), DenyError> {
        let document = Document {
            version: VERSION,
            entries: entries.iter().map(saved_entry).collect(),
        };
        let text = serde_json::to_vec_pretty(&document).map_err(|source| DenyError::Damaged {
            path: self.path.clone(),
            source,
        })?;
        let draft = self.path.with_extension("json.new");
        let mut file = open_private(&draft, true)?;
        file.write_all(&text).map_err(io_error("write", &draft))?;
        file.sync_all().map_err(io_error("fsync", &draft))?;
        std::fs::rename(&draft, &self.path).map_err(io_error("rename", &self.path))?;
        if let Some(directory) = self.path.parent() {
            File::open(directory)
                .and_then(|directory| directory.sync_all())
                .map_err(io_error("fsync", directory))?;
        }
        Ok(())
    }
}

fn saved_entry((prefix, expiry): (&Prefix, &Option<Expiry>)) -> SavedEntry {
    let seconds = |expiry: &Expiry| {
        let since = expiry.wall.duration_since(SystemTime::UNIX_EPOCH);
        // Rounded up: a saved entry never ends before the one in memory.
        since.map_or(0, |since| {
            since.as_secs() + u64::from(since.subsec_nanos() > 0)
        })
    };
    SavedEntry {
        prefix: prefix.to_string(),
        expires_unix_seconds: expiry.as_ref().map(seconds),
    }
}

/// Opens a file of mode 0600 for writing, in the ownership of its directory: root may write the
/// list of a gateway that runs as another user, who has to read it afterwards.
fn open_private(path: &Path, truncate: bool) -> Result<File, DenyError> {
    let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
    let file = File::options()
        .create(true)
        .write(true)
        .truncate(truncate)
        .mode(0o600)
        .custom_flags(no_follow)
        .open(path)
        .map_err(io_error("open", path))?;
    if let Some(directory) = path.parent()
        && rustix::process::geteuid().is_root()
    {
        let owner = std::fs::metadata(directory).map_err(io_error("stat", directory))?;
        std::os::unix::fs::fchown(&file, Some(owner.uid()), Some(owner.gid()))
            .map_err(io_error("fchown", path))?;
    }
    Ok(file)
}

fn io_error(call: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DenyError {
    let path = path.to_owned();
    move |source| DenyError::Io { call, path, source }
}
