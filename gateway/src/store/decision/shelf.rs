//! One part of what is remembered, which its lock keeps whole.
//!
//! Room is made by second chance: the oldest entry goes, unless it was used since it was last looked
//! at, which puts it at the end once more. Every new entry also has two old ones looked at, so that what
//! has expired goes even where there is room.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::counts::{Account, count};
use super::key::{BuildPassing, DecisionKey};

/// What an entry occupies beside its value: its key in the table and in the queue, both with the room
/// that they have grown to, its other members, and the value's own reference counts.
pub(super) const ENTRY_BYTES: u64 =
    2 * (2 * size_of::<DecisionKey>() + size_of::<Entry>()) as u64 + 16;

/// Entries that are looked at when one comes.
const LOOKS: usize = 2;

/// Entries, of which the queue holds every key once.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    entries: HashMap<DecisionKey, Entry, BuildPassing>,
    queue: VecDeque<DecisionKey>,
    bytes: u64,
}

/// One decision.
#[derive(Debug)]
pub(super) struct Entry {
    /// Of the type that the cache of the key's fence remembers.
    pub(super) value: Arc<dyn Any + Send + Sync>,
    /// First second at which it must not be used, since 1970.
    pub(super) until: u64,
    /// What it occupies, [`ENTRY_BYTES`] included.
    pub(super) bytes: u64,
    /// A digest of whom it is about.
    pub(super) principal: Option<u128>,
    /// Whose it is.
    pub(super) account: Arc<Account>,
    /// Whether it was read since it was last looked at.
    pub(super) is_used: bool,
}

impl Shelf {
    /// The value under `key`, if it may still be used at `now`.
    pub(super) fn get(
        &mut self,
        key: &DecisionKey,
        now: u64,
    ) -> Option<Arc<dyn Any + Send + Sync>> {
        let entry = self.entries.get_mut(key)?;
        if entry.until <= now {
            return None;
        }
        entry.is_used = true;
        Some(Arc::clone(&entry.value))
    }

    /// Takes an entry in at `now`, and keeps to `bytes_max`.
    pub(super) fn insert(&mut self, key: DecisionKey, entry: Entry, now: u64, bytes_max: u64) {
        if entry.bytes > bytes_max {
            count(&entry.account.evicted);
            return;
        }
        self.clear_away(now);
        self.bytes += entry.bytes;
        entry.account.held.fetch_add(1, Ordering::Relaxed);
        entry
            .account
            .bytes
            .fetch_add(entry.bytes, Ordering::Relaxed);
        match self.entries.insert(key, entry) {
            Some(replaced) => self.settle(&replaced),
            None => self.queue.push_back(key),
        }
        self.shrink(bytes_max, now);
    }

    /// Makes it fit into `bytes_max`. What has expired at `now` goes first where it is met first.
    pub(super) fn shrink(&mut self, bytes_max: u64, now: u64) {
        // Ends: whoever gets another chance has none left the next time.
        while self.bytes > bytes_max {
            let Some(key) = self.queue.pop_front() else {
                return;
            };
            match self.entries.get_mut(&key) {
                Some(entry) if entry.is_used && entry.until > now => {
                    entry.is_used = false;
                    self.queue.push_back(key);
                }
                Some(entry) => {
                    if entry.until > now {
                        count(&entry.account.evicted);
                    }
                    self.remove(&key);
                }
                None => {}
            }
        }
    }

    /// Drops every entry that `is_unwanted`; returns how many.
    pub(super) fn drop_where(&mut self, is_unwanted: impl Fn(&Entry) -> bool) -> usize {
        let before = self.entries.len();
        let unwanted: Vec<DecisionKey> = self
            .entries
            .iter()
            .filter(|(_, entry)| is_unwanted(entry))
            .map(|(key, _)| *key)
            .collect();
        for key in &unwanted {
            self.remove(key);
        }
        if !unwanted.is_empty() {
            self.queue.retain(|key| self.entries.contains_key(key));
        }
        before - self.entries.len()
    }

    /// Drops what has expired among the next entries of the queue.
    fn clear_away(&mut self, now: u64) {
        for _ in 0..LOOKS.min(self.queue.len()) {
            let Some(key) = self.queue.pop_front() else {
                return;
            };
            if self
                .entries
                .get(&key)
                .is_some_and(|entry| entry.until <= now)
            {
                self.remove(&key);
            } else {
                self.queue.push_back(key);
            }
        }
    }

    fn remove(&mut self, key: &DecisionKey) {
        if let Some(entry) = self.entries.remove(key) {
            self.settle(&entry);
        }
    }

    /// Takes what an entry that is gone occupied off the accounts.
    fn settle(&mut self, gone: &Entry) {
        self.bytes -= gone.bytes;
        gone.account.held.fetch_sub(1, Ordering::Relaxed);
        gone.account.bytes.fetch_sub(gone.bytes, Ordering::Relaxed);
    }

    /// What all entries occupy.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> u64 {
        let of_entries: u64 = self.entries.values().map(|entry| entry.bytes).sum();
        assert_eq!(
            (of_entries, self.entries.len()),
            (self.bytes, self.queue.len())
        );
        self.bytes
    }
}
