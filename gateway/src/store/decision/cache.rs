//! What one authorizer remembers.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use super::counts::{Account, count};
use super::shelf::{ENTRY_BYTES, Entry};
use super::{DecisionCounts, DecisionKey, Decisions, Digest, Era, Remembered};

/// Decisions of type `T` that one authorizer has made, as configured now.
pub struct DecisionCache<T> {
    pub(super) decisions: Arc<Decisions>,
    fence: u64,
    pub(super) account: Arc<Account>,
    /// Of what is refused, the longest time that it may be remembered.
    ttl_max: Option<Duration>,
    remembered: PhantomData<fn() -> T>,
}

/// What was found.
#[derive(Debug)]
pub enum Looked<T> {
    /// A decision that may be used.
    Found(Arc<T>),
    /// None. What is decided instead is decided since then.
    Missed(Era),
}

/// How long a decision may be reused.
#[derive(Clone, Copy, Debug)]
pub struct Lifetime {
    /// Now, in seconds since 1970.
    pub now: u64,
    /// When the credential expires, in seconds since 1970.
    pub expires_at: u64,
    /// Longest reuse; zero means none.
    pub ttl: Duration,
}

impl Lifetime {
    /// The first second, since 1970, at which the decision must not be used.
    #[must_use]
    pub fn until(&self) -> u64 {
        self.expires_at
            .min(self.now.saturating_add(self.ttl.as_secs()))
    }
}

impl<T: Remembered> DecisionCache<T> {
    pub(super) fn new(
        decisions: Arc<Decisions>,
        fence: u64,
        account: Arc<Account>,
        ttl_max: Option<Duration>,
    ) -> Self {
        Self {
            decisions,
            fence,
            account,
            ttl_max,
            remembered: PhantomData,
        }
    }

    /// The key of a decision that rests on `parts`, all of them and in this order, and on the issuer's
    /// keys of `generation`; that is 0 where there are none.
    #[must_use]
    pub fn key(&self, generation: u64, parts: &[&[u8]]) -> DecisionKey {
        self.key_of(generation, self.digest(parts))
    }

    /// As [`DecisionCache::key`], of a digest of the parts.
    #[must_use]
    pub const fn key_of(&self, generation: u64, digest: Digest) -> DecisionKey {
        DecisionKey {
            fence: self.fence,
            generation,
            digest: u128::from_be_bytes(digest.0),
        }
    }

    /// A digest of `parts`, all of them and in this order, to be a part of keys.
    #[must_use]
    pub fn digest(&self, parts: &[&[u8]]) -> Digest {
        Digest(self.decisions.digester.of(parts).to_be_bytes())
    }

    /// Looks for the decision under `key`, and counts whether there is one to use at `now` (seconds
    /// since 1970).
    pub fn look(&self, key: &DecisionKey, now: u64) -> Looked<T> {
        // Before looking: what is forgotten in between, nobody may find by what follows.
        let since = self.decisions.era();
        let found = self.peek(key, now);
        if self.ttl_max.is_some() {
            if found.is_some() {
                count(&self.account.refusals);
            }
        } else if found.is_some() {
            count(&self.account.hits);
        } else {
            count(&self.account.misses);
        }
        found.map_or(Looked::Missed(since), Looked::Found)
    }

    /// As [`DecisionCache::look`], and nothing is counted.
    #[must_use]
    pub fn peek(&self, key: &DecisionKey, now: u64) -> Option<Arc<T>> {
        let value = self.shelves().get(key, now)?;
        // The fence of a key is of one cache, and so of one type.
        value.downcast().ok()
    }

    /// Remembers what was decided since `since` for as long as `lifetime` permits, which may be not at
    /// all.
    pub fn remember(&self, since: Era, key: DecisionKey, decision: &Arc<T>, lifetime: Lifetime) {
        let ttl = self
            .ttl_max
            .map_or(lifetime.ttl, |max| lifetime.ttl.min(max));
        let until = Lifetime { ttl, ..lifetime }.until();
        if until <= lifetime.now {
            return;
        }
        let principal = decision.principal();
        let entry = Entry {
            value: Arc::clone(decision) as _,
            until,
            bytes: ENTRY_BYTES + decision.bytes() as u64,
            principal: principal.map(|name| self.decisions.principal(name)),
            account: Arc::clone(&self.account),
            is_used: false,
        };
        self.shelves()
            .insert(&self.decisions, since, (key, entry), lifetime.now);
    }

    /// What is counted of whoever bears its owner's name.
    #[must_use]
    pub fn counts(&self) -> DecisionCounts {
        self.account.counts()
    }

    /// All that is remembered, of others too.
    #[must_use]
    pub const fn decisions(&self) -> &Arc<Decisions> {
        &self.decisions
    }

    fn shelves(&self) -> &super::decisions::Shelves {
        match self.ttl_max {
            None => &self.decisions.granted,
            Some(_) => &self.decisions.refused,
        }
    }
}

impl<T> fmt::Debug for DecisionCache<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecisionCache")
            .field("owner", &self.account.name)
            .field("fence", &self.fence)
            .finish_non_exhaustive()
    }
}
