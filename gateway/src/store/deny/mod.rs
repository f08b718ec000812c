//! The deny list of the operator: entries made by hand, kept through reload, restart and reboot.
//!
//! This list is the authority. It is saved to the state directory with every change, read without
//! a lock by accept, and handed to the kernel edge through a [`DenySink`]. One process writes it at
//! a time: the daemon while it lives, else the command line.

mod error;
mod entries;
mod index;
mod saved;

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use gateway_common::capacity::{LIST_EXACT_MAX, LIST_PREFIX_MAX};

use crate::model::Prefix;
use entries::{Entries, Expiry};
use index::Index;
use saved::Saved;

pub use entries::{EffectiveEntry, Moment};
pub use error::{DenyError, SinkError};

/// Where changes go besides memory and disk: the tables of the kernel edge.
pub trait DenySink: Send {
    /// Makes `entries` the whole list, all at once, whatever was there before.
    ///
    /// # Errors
    /// The old list is still in force.
    fn replace(&mut self, entries: &[EffectiveEntry]) -> Result<(), SinkError>;

    /// Makes `entries` the whole list by changing what differs from the last call.
    ///
    /// # Errors
    /// Part of the change may have happened; calling again with either list mends it.
    fn update(&mut self, entries: &[EffectiveEntry]) -> Result<(), SinkError>;
}

/// What an addition came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// A new entry.
    New,
    /// The prefix was listed; its end is now the new one.
    Changed,
}

/// One entry as people see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The prefix.
    pub prefix: Prefix,
    /// Time left; `None` until removed.
    pub remaining: Option<Duration>,
}

/// The list. Clones are the same list.
#[derive(Clone, Debug)]
pub struct DenyList(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    index: ArcSwap<Index>,
    writer: Mutex<Writer>,
}

struct Writer {
    entries: Entries,
    saved: Saved,
    sink: Option<Box<dyn DenySink>>,
}

impl DenyList {
    /// Reads the list of a state directory and becomes its only writer until the last clone is
    /// gone.
    ///
    /// # Errors
    /// See [`DenyError`]; a damaged file is refused and left as it is.
    pub fn open(state_directory: &Path, now: Moment) -> Result<Self, DenyError> {
        let saved = Saved::lock(state_directory)?;
        let entries = saved.load(now)?;
        let index = Index::build(&entries::effective(&entries));
        Ok(Self(Arc::new(Shared {
            index: ArcSwap::from_pointee(index),
            writer: Mutex::new(Writer {
                entries,
                saved,
                sink: None,
            }),
        })))
    }

    /// Hands the whole list to `sink`, and every later change as well.
    ///
    /// # Errors
    /// [`DenyError::Sink`]; the sink is not kept then.
    pub fn attach(&self, mut sink: Box<dyn DenySink>) -> Result<(), DenyError> {
        let mut writer = self.writer();
        sink.replace(&entries::effective(&writer.entries))
            .map_err(DenyError::Sink)?;
        writer.sink = Some(sink);
        Ok(())
    }

    /// Whether `address` is denied at `now_ns` of `CLOCK_MONOTONIC`. Takes no lock.
    #[must_use]
    pub fn denies(&self, address: IpAddr, now_ns: u64) -> bool {
        let index = self.0.index.load();
        !index.is_empty() && index.denies(address, now_ns)
    }

    /// Whether the list has no entry at all. Takes no lock.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.index.load().is_empty()
    }

    /// Denies `prefix` from now on, for `time` or until it is removed.
    ///
    /// # Errors
    /// See [`DenyError`]; nothing changed then.
    pub fn add(
        &self,
        prefix: Prefix,
        time: Option<Duration>,
        now: Moment,
    ) -> Result<Added, DenyError> {
        let expiry = match time {
            None => None,
            Some(Duration::ZERO) => return Err(DenyError::NoTime(prefix)),
            Some(time) => {
                let wall = now
                    .wall
                    .checked_add(time)
                    .ok_or(DenyError::TooLong(prefix))?;
                Some(Expiry::at(wall, now))
            }
        };
        self.change(now, |entries| match entries.insert(prefix, expiry) {
            None => Added::New,
            Some(_) => Added::Changed,
        })
    }

    /// Takes `prefix` off the list; whether it was on it. Prefixes inside or around it stay.
    ///
    /// # Errors
    /// See [`DenyError`]; nothing changed then.
    pub fn remove(&self, prefix: Prefix, now: Moment) -> Result<bool, DenyError> {
        self.change(now, |entries| entries.remove(&prefix).is_some())
    }

    /// Forgets what has expired. Only frees space: an expired entry denies nothing.
    ///
    /// # Errors
    /// See [`DenyError`]; nothing changed then.
    pub fn sweep(&self, now: Moment) -> Result<(), DenyError> {
        let expired = self.writer().entries.values().any(|end| is_over(*end, now));
        if expired {
            self.change(now, |_| ())?;
        }
        Ok(())
    }

    /// The entries that have not expired, by prefix.
    #[must_use]
    pub fn list(&self, now: Moment) -> Vec<Listed> {
        let writer = self.writer();
        writer
            .entries
            .iter()
            .filter(|(_, end)| !is_over(**end, now))
            .map(|(&prefix, end)| Listed {
                prefix,
                remaining: end.map(|end| {
                    Duration::from_nanos(end.monotonic_ns.saturating_sub(now.monotonic_ns))
                }),
            })
            .collect()
    }

    /// Changes kernel, disk and memory in this order; a failure takes the kernel back.
    fn change<T>(
        &self,
        now: Moment,
        change: impl FnOnce(&mut Entries) -> T,
    ) -> Result<T, DenyError> {
        let mut writer = self.writer();
        let mut entries = writer.entries.clone();
        entries.retain(|_, end| !is_over(*end, now));
        let outcome = change(&mut entries);
        check_room(&entries)?;
        let effective = entries::effective(&entries);
        let told = match &mut writer.sink {
            Some(sink) => sink.update(&effective).map_err(DenyError::Sink),
            None => Ok(()),
        };
        if let Err(error) = told.and_then(|()| writer.saved.save(&entries)) {
            writer.take_back()?;
            return Err(error);
        }
        writer.entries = entries;
        self.0.index.store(Arc::new(Index::build(&effective)));
        Ok(outcome)
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        // A change is assembled aside and stored whole, so a panic leaves the list as it was.
        self.0.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// Makes the sink hold the present entries again.
    fn take_back(&mut self) -> Result<(), DenyError> {
        match &mut self.sink {
            Some(sink) => sink
                .update(&entries::effective(&self.entries))
                .map_err(DenyError::Sink),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("entries", &self.entries.len())
            .field("saved", &self.saved)
            .field("sink", &self.sink.is_some())
            .finish()
    }
}

fn is_over(end: Option<Expiry>, now: Moment) -> bool {
    end.is_some_and(|end| end.monotonic_ns <= now.monotonic_ns)
}

/// Refuses what the kernel's tables could not hold, with or without a kernel: the list outlives
/// this run.
fn check_room(entries: &Entries) -> Result<(), DenyError> {
    let count = |ipv4: bool, host: bool| {
        entries
            .keys()
            .filter(|prefix| prefix.network().is_ipv4() == ipv4 && prefix.is_host() == host)
            .count()
    };
    for (host, what, max) in [
        (true, "addresses", LIST_EXACT_MAX),
        (false, "prefixes", LIST_PREFIX_MAX),
    ] {
        if count(true, host).max(count(false, host)) > max as usize {
            return Err(DenyError::Full { what, max });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
