//! What is counted of the decisions of one authorizer.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of everything that bears one name: of an authorizer as it was and as it is now.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) name: Box<str>,
    pub(super) hits: AtomicU64,
    pub(super) refusals: AtomicU64,
    pub(super) misses: AtomicU64,
    pub(super) coalesced: AtomicU64,
    pub(super) evicted: AtomicU64,
    pub(super) held: AtomicU64,
    pub(super) bytes: AtomicU64,
}

/// What [`super::Decisions::counts`] tells of one authorizer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DecisionCounts {
    /// Its name.
    pub name: String,
    /// Requests for which a remembered decision was found.
    pub hits: u64,
    /// Requests for which a remembered refusal was found.
    pub refusals: u64,
    /// Requests for which neither was found.
    pub misses: u64,
    /// Of the misses, requests that waited for what another had asked already.
    pub coalesced: u64,
    /// Decisions that were pushed out before their time, or found no room.
    pub evicted: u64,
    /// Decisions and refusals held now, with those that are out of reach and have not been cleared away.
    pub held: u64,
    /// Bytes that they occupy.
    pub bytes: u64,
}

impl Account {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            hits: AtomicU64::new(0),
            refusals: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            coalesced: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
            held: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    pub(super) fn counts(&self) -> DecisionCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        DecisionCounts {
            name: self.name.to_string(),
            hits: read(&self.hits),
            refusals: read(&self.refusals),
            misses: read(&self.misses),
            coalesced: read(&self.coalesced),
            evicted: read(&self.evicted),
            held: read(&self.held),
            bytes: read(&self.bytes),
        }
    }
}

/// Counts one more.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
