//! The lists kept by hand on disk: one JSON file in the state directory, replaced whole.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::by_hand::{ByHand, Entries, Kept, Pending};
use super::draft::{open_private, replace};
use super::error::{ListError, io_error};
use super::moment::{Expiry, Moment};
use crate::model::Prefix;
use crate::store::directory;

/// Name of the file in the state directory.
const FILE_NAME: &str = "deny.json";
/// Name of the lock beside it.
const LOCK_NAME: &str = "deny.lock";
/// Version of the format. Version 1 had the deny list only, as `entries`.
const VERSION: u32 = 2;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    #[serde(alias = "entries")]
    deny: Vec<SavedEntry>,
    #[serde(default)]
    allow: Vec<SavedEntry>,
    /// Changes that wait to be confirmed.
    #[serde(default)]
    unconfirmed: Vec<SavedPending>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedEntry {
    prefix: String,
    /// Left out for an entry that stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_unix_seconds: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedPending {
    list: ByHand,
    prefix: String,
    until_unix_seconds: u64,
    /// The entry that is put back; left out where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<SavedEntry>,
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
            tracing::debug!(%errno, "the lists stay locked until exit");
        }
    }
}

impl Saved {
    /// Locks the lists of `directory`, which is created with mode 0700 where it is missing.
    pub(super) fn lock(directory: &Path) -> Result<Self, ListError> {
        directory::create(directory, 0o700).map_err(io_error("create", directory))?;
        let path = directory.join(LOCK_NAME);
        let lock = open_private(&path, false)?;
        let operation = rustix::fs::FlockOperation::NonBlockingLockExclusive;
        match rustix::fs::flock(&lock, operation) {
            Ok(()) => Ok(Self {
                path: directory.join(FILE_NAME),
                lock,
            }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(ListError::Locked(path)),
            Err(errno) => Err(io_error("flock", &path)(errno.into())),
        }
    }

    /// The directory the lists are kept in.
    pub(super) fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// Reads the file; what has ended is left out, what was not confirmed in time is taken back.
    pub(super) fn load(&self, now: Moment) -> Result<Kept, ListError> {
        let mut kept = load(self.directory(), now)?;
        for pending in kept.take_back(now) {
            tracing::warn!(list = pending.list.name(), prefix = %pending.prefix, "not confirmed: taken back");
        }
        kept.sweep(now);
        Ok(kept)
    }

    /// Replaces the file: after a crash there are the old lists or the new ones.
    pub(super) fn save(&self, kept: &Kept) -> Result<(), ListError> {
        let document = Document {
            version: VERSION,
            deny: kept.deny.iter().map(saved_entry).collect(),
            allow: kept.allow.iter().map(saved_entry).collect(),
            unconfirmed: kept.pending.iter().map(saved_pending).collect(),
        };
        replace(&self.path, &document)
    }
}

/// Reads what is saved in `directory`, as it is. No file is two empty lists.
pub(super) fn load(directory: &Path, now: Moment) -> Result<Kept, ListError> {
    let path = &directory.join(FILE_NAME);
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kept::default()),
        Err(error) => return Err(io_error("read", path)(error)),
    };
    let document: Document = serde_json::from_str(&text).map_err(|source| ListError::Damaged {
        path: path.clone(),
        source,
    })?;
    if !(1..=VERSION).contains(&document.version) {
        return Err(ListError::Version {
            path: path.clone(),
            found: document.version,
            expected: VERSION,
        });
    }
    let mut kept = Kept {
        deny: entries(path, document.deny, now)?,
        allow: entries(path, document.allow, now)?,
        pending: Vec::with_capacity(document.unconfirmed.len()),
    };
    for saved in document.unconfirmed {
        let before = saved.before.map(|saved| entry(path, saved, now));
        kept.pending.push(Pending {
            list: saved.list,
            prefix: prefix(path, &saved.prefix)?,
            before: before.transpose()?.map(|(_, expiry)| expiry),
            until: moment(saved.until_unix_seconds, now).unwrap_or(Expiry::at(now.wall, now)),
        });
    }
    Ok(kept)
}

fn entries(path: &Path, saved: Vec<SavedEntry>, now: Moment) -> Result<Entries, ListError> {
    let entries = saved.into_iter();
    entries.map(|saved| entry(path, saved, now)).collect()
}

fn entry(
    path: &Path,
    saved: SavedEntry,
    now: Moment,
) -> Result<(Prefix, Option<Expiry>), ListError> {
    let expiry = saved.expires_unix_seconds;
    // Beyond what the clock can say is as good as never.
    let expiry = expiry.and_then(|seconds| moment(seconds, now));
    Ok((prefix(path, &saved.prefix)?, expiry))
}

fn prefix(path: &Path, text: &str) -> Result<Prefix, ListError> {
    text.parse().map_err(|source| ListError::Entry {
        path: path.to_owned(),
        source,
    })
}

fn saved_entry((prefix, expiry): (&Prefix, &Option<Expiry>)) -> SavedEntry {
    SavedEntry {
        prefix: prefix.to_string(),
        expires_unix_seconds: expiry.as_ref().map(unix_seconds),
    }
}

fn saved_pending(pending: &Pending) -> SavedPending {
    let before = pending.before;
    SavedPending {
        list: pending.list,
        prefix: pending.prefix.to_string(),
        until_unix_seconds: unix_seconds(&pending.until),
        before: before.map(|expiry| saved_entry((&pending.prefix, &expiry))),
    }
}

/// Rounded up: what is saved never ends before what is in memory.
fn unix_seconds(expiry: &Expiry) -> u64 {
    let since = expiry.wall.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        since.as_secs() + u64::from(since.subsec_nanos() > 0)
    })
}

fn moment(unix_seconds: u64, now: Moment) -> Option<Expiry> {
    let wall = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(unix_seconds))?;
    Some(Expiry::at(wall, now))
}
