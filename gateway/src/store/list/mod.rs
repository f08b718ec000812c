//! Lists of addresses: who is never judged, who is let in whatever denies it, who is kept out.
//!
//! This module is the authority. Two lists are kept by hand and saved with every change; the others
//! come from the configuration and from files. Accept reads all of them without a lock; the kernel
//! edge follows through a [`ListSink`]. One process writes at a time: the daemon while it lives,
//! else the command line.
//!
//! The tables of long lists are immutable and shared. A change by hand costs what it affects, in
//! memory and in the kernel; a file that changes is read, staged beside what is in force and then
//! put in force whole. Changes by hand made meanwhile are part of what is put in force.

mod error;
mod moment;
mod span;
mod index;
mod limits;
mod table;
mod picture;
mod draft;
mod by_hand;
mod saved;
mod definitions;
mod file;
mod sink;
mod configured;
mod debt;
mod change;
mod view;
mod swap;
mod tidy;
mod status;
mod saved_lists;
mod watch;

use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use gateway_common::capacity::LIST_MAX;

use crate::model::Prefix;
use by_hand::Kept;
use configured::Configured;
use debt::Debt;
use limits::Limits;
use saved::Saved;
use view::View;

pub use by_hand::{BY_HAND_MAX, ByHand};
pub use configured::Prepared;
pub use error::{ListError, SinkError};
pub use file::{FileError, LIST_FILE_BYTES_MAX, LIST_FILE_ENTRIES_MAX, LineError, Stamp, read};
pub use moment::Moment;
pub use picture::{Effective, Picture, Role, Standing, Within};
pub use saved_lists::SavedLists;
pub use sink::{Generation, ListSink};
pub use status::{ListStatus, Listed};
pub use table::{Room, Table};
pub use watch::Watch;

/// What an addition came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// A new entry.
    New,
    /// The prefix was listed; its end is now the new one.
    Changed,
}

/// A change to a list kept by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The list.
    pub list: ByHand,
    /// The entry.
    pub prefix: Prefix,
    /// Taken back after this time unless it is confirmed; `None` is for good.
    pub confirm_within: Option<Duration>,
}

impl Change {
    /// A change to the deny list, for good.
    #[must_use]
    pub const fn deny(prefix: Prefix) -> Self {
        Self {
            list: ByHand::Deny,
            prefix,
            confirm_within: None,
        }
    }

    /// A change to the allow list, for good.
    #[must_use]
    pub const fn allow(prefix: Prefix) -> Self {
        Self {
            list: ByHand::Allow,
            prefix,
            confirm_within: None,
        }
    }
}

/// The lists. Clones are the same lists.
#[derive(Clone, Debug)]
pub struct Lists(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    view: ArcSwap<View>,
    /// Held while the spare generation of the sink is in use; always taken before the writer.
    swapping: Mutex<()>,
    writer: Mutex<Writer>,
    limits: Limits,
    /// Connections for which a list decided at accept, by its number.
    decided: Box<[AtomicU64]>,
}

#[derive(Debug)]
struct Writer {
    kept: Kept,
    saved: Saved,
    /// What was changed by hand since a swap began; `None` while there is none.
    journal: Option<Vec<Prefix>>,
    debt: Debt,
}

impl Lists {
    /// Reads what is kept by hand in a state directory and becomes the only writer until the last
    /// clone is gone. Lists of the configuration are empty until [`Self::install`].
    ///
    /// # Errors
    /// See [`ListError`]; a damaged file is refused and left as it is.
    pub fn open(state_directory: &Path, now: Moment) -> Result<Self, ListError> {
        Self::open_within(Limits::default(), state_directory, now)
    }

    fn open_within(limits: Limits, state_directory: &Path, now: Moment) -> Result<Self, ListError> {
        let saved = Saved::lock(state_directory)?;
        let kept = saved.load(now)?;
        let configured = Configured::with_numbers(definitions::load(state_directory)?.1);
        let view = View {
            picture: Picture::new(swap::parts(&kept, &configured)),
            configured: Arc::new(configured),
            sink: None,
        };
        let decided = (0..LIST_MAX).map(|_| AtomicU64::new(0));
        Ok(Self(Arc::new(Shared {
            view: ArcSwap::from_pointee(view),
            swapping: Mutex::new(()),
            writer: Mutex::new(Writer {
                kept,
                saved,
                journal: None,
                debt: Debt::default(),
            }),
            limits,
            decided: decided.collect(),
        })))
    }

    /// What the lists say about `address` at `now_ns` of `CLOCK_MONOTONIC`. Takes no lock.
    #[must_use]
    pub fn judge(&self, address: IpAddr, now_ns: u64) -> Standing {
        self.0.view.load().picture.judge(address, now_ns)
    }

    /// Whether `address` is kept out. Takes no lock.
    #[must_use]
    pub fn denies(&self, address: IpAddr, now_ns: u64) -> bool {
        matches!(self.judge(address, now_ns), Standing::Denied(_))
    }

    /// Whether `address` is one of a proxy, whom the kernel lets in whatever the lists say. Takes no
    /// lock.
    #[must_use]
    pub fn is_proxy(&self, address: IpAddr) -> bool {
        self.0.view.load().picture.is_proxy(address)
    }

    /// Whether no list has an entry. Takes no lock.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.view.load().picture.is_empty()
    }

    /// Counts a connection for which list `number` decided at accept.
    pub fn count(&self, number: u16) {
        if let Some(count) = self.0.decided.get(usize::from(number)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lists a prefix from now on, for `time` or until it is removed.
    ///
    /// # Errors
    /// See [`ListError`]; nothing changed then.
    pub fn add(
        &self,
        change: Change,
        time: Option<Duration>,
        now: Moment,
    ) -> Result<Added, ListError> {
        let prefix = change.prefix;
        let expiry = match time {
            None => None,
            Some(Duration::ZERO) => return Err(ListError::NoTime(prefix)),
            Some(time) => Some(now.after(time).ok_or(ListError::TooLong(prefix))?),
        };
        let before = self.edit(change, Some(expiry), now)?;
        Ok(match before {
            None => Added::New,
            Some(_) => Added::Changed,
        })
    }

    /// Takes a prefix off a list; whether it was on it. Prefixes inside or around it stay.
    ///
    /// # Errors
    /// See [`ListError`]; nothing changed then.
    pub fn remove(&self, change: Change, now: Moment) -> Result<bool, ListError> {
        let is_listed = {
            let writer = self.writer();
            writer
                .kept
                .entries(change.list)
                .contains_key(&change.prefix)
        };
        Ok(is_listed && self.edit(change, None, now)?.is_some())
    }

    /// Makes every change that waits to be confirmed stay; how many there were.
    ///
    /// # Errors
    /// See [`ListError`]; nothing changed then.
    pub fn confirm(&self) -> Result<usize, ListError> {
        let mut writer = self.writer();
        let mut kept = writer.kept.clone();
        let waiting = std::mem::take(&mut kept.pending).len();
        if waiting > 0 {
            writer.save(&kept)?;
            writer.kept = kept;
        }
        Ok(waiting)
    }

    fn edit(
        &self,
        change: Change,
        entry: Option<Option<moment::Expiry>>,
        now: Moment,
    ) -> Result<Option<Option<moment::Expiry>>, ListError> {
        let Change {
            list,
            prefix,
            confirm_within,
        } = change;
        let edit = by_hand::Edit {
            list,
            prefix,
            entry,
            confirm_within,
        };
        let max = self.0.limits.by_hand;
        self.change(now, |kept| kept.edit(&edit, max, now))
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        // A change is assembled aside and stored whole, so a panic leaves the lists as they were.
        self.0.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod tests;
