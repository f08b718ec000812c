//! Remembered decisions of authorizers.
//!
//! A credential that was judged once need not be judged again until it could be judged otherwise.
//! The rules:
//!
//! - An entry is unreachable at the token's `exp` and after the authorizer's time to live,
//!   whichever comes first. Reading checks both against the caller's clock, exactly; the cache's
//!   own expiry, on monotonic time, frees memory and holds the limit when wall time is set back.
//! - The key is a digest of the credential. No credential stays in memory.
//! - The key carries a [`Fence`] and the generation of the issuer's keys. A changed authorizer has
//!   another fence and a key set that lost a key another generation, so older decisions are out of
//!   reach at once and age out.
//! - Only admissions are remembered. A refusal costs its caller a verification each time; if it
//!   were remembered, anyone could fill the cache with worthless tokens and push out good ones,
//!   and a token refused for a key not yet published would stay refused.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use moka::Expiry;
use moka::sync::Cache;

/// Most decisions remembered, over all authorizers. A decision about a credential of more than
/// [`CREDENTIAL_UNIT_BYTES`] counts once for each such unit begun, which bounds memory as well.
pub const DECISIONS_MAX: u64 = 65_536;

/// Size up to which a credential's decision counts as one.
pub const CREDENTIAL_UNIT_BYTES: usize = 1_024;

/// Positive decisions of type `T`, for all authorizers and workers.
pub struct DecisionCache<T> {
    entries: Cache<DecisionKey, Entry<T>>,
    fences: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// Separates the decisions of one authorizer, as configured now, from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fence(u64);

/// What a decision is found by.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DecisionKey {
    fence: Fence,
    generation: u64,
    digest: [u8; 32],
    /// Weight in units; a function of the credential, so it cannot tell two keys apart.
    units: u32,
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

struct Entry<T> {
    decision: Arc<T>,
    /// First second at which the entry must not be used.
    until: u64,
    /// `until` as a span from its insertion, for the cache's own clock.
    span: Duration,
}

impl<T: Send + Sync + 'static> DecisionCache<T> {
    /// A cache of [`DECISIONS_MAX`].
    #[must_use]
    pub fn new() -> Self {
        let entries = Cache::builder()
            .max_capacity(DECISIONS_MAX)
            .weigher(|key: &DecisionKey, _: &Entry<T>| key.units)
            .expire_after(EntryExpiry)
            .build();
        Self {
            entries,
            fences: AtomicU64::new(0),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// A fence no decision was ever stored under.
    pub fn new_fence(&self) -> Fence {
        Fence(self.fences.fetch_add(1, Ordering::Relaxed))
    }

    /// The decision stored under `key`, if it may still be used at `now` (seconds since 1970).
    pub fn get(&self, key: &DecisionKey, now: u64) -> Option<Arc<T>> {
        let found = self.entries.get(key).filter(|entry| now < entry.until);
        let counter = if found.is_some() {
            &self.hits
        } else {
            &self.misses
        };
        counter.fetch_add(1, Ordering::Relaxed);
        found.map(|entry| entry.decision)
    }

    /// Remembers `decision` for as long as `lifetime` permits, which may be not at all.
    pub fn insert(&self, key: DecisionKey, decision: Arc<T>, lifetime: Lifetime) {
        let Lifetime {
            now,
            expires_at,
            ttl,
        } = lifetime;
        let until = expires_at.min(now.saturating_add(ttl.as_secs()));
        if until <= now {
            return;
        }
        let span = Duration::from_secs(until - now);
        self.entries.insert(
            key,
            Entry {
                decision,
                until,
                span,
            },
        );
    }

    /// Reads that found a usable decision.
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    /// Reads that found none.
    pub fn misses(&self) -> u64 {
        self.misses.load(Ordering::Relaxed)
    }

    /// Decisions held now, unreachable ones that have not aged out included; an estimate while
    /// others write.
    pub fn len(&self) -> u64 {
        self.entries.run_pending_tasks();
        self.entries.entry_count()
    }

    /// Whether no decision is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: Send + Sync + 'static> Default for DecisionCache<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for DecisionCache<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecisionCache")
            .field("hits", &self.hits)
            .field("misses", &self.misses)
            .finish_non_exhaustive()
    }
}

impl DecisionKey {
    /// The key of `credential` behind `fence`, judged by the issuer's keys of `generation`.
    #[must_use]
    pub fn new(fence: Fence, generation: u64, credential: &[u8]) -> Self {
        let units = credential.len().div_ceil(CREDENTIAL_UNIT_BYTES).max(1);
        let mut bytes = [0; 32];
        for (byte, source) in bytes.iter_mut().zip(digest(&SHA256, credential).as_ref()) {
            *byte = *source;
        }
        Self {
            fence,
            generation,
            digest: bytes,
            units: u32::try_from(units).unwrap_or(u32::MAX),
        }
    }
}

impl fmt::Debug for DecisionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecisionKey")
            .field("fence", &self.fence)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

impl<T> Clone for Entry<T> {
    fn clone(&self) -> Self {
        Self {
            decision: Arc::clone(&self.decision),
            until: self.until,
            span: self.span,
        }
    }
}

struct EntryExpiry;

impl<T> Expiry<DecisionKey, Entry<T>> for EntryExpiry {
    fn expire_after_create(
        &self,
        _: &DecisionKey,
        entry: &Entry<T>,
        _: Instant,
    ) -> Option<Duration> {
        Some(entry.span)
    }

    // Two requests may judge one token at once; the later entry brings its own span.
    fn expire_after_update(
        &self,
        _: &DecisionKey,
        entry: &Entry<T>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.span)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lifetime(now: u64, expires_at: u64, ttl: u64) -> Lifetime {
        Lifetime {
            now,
            expires_at,
            ttl: Duration::from_secs(ttl),
        }
    }

    #[test]
    fn fence_generation_and_credential_all_separate() {
        let cache = DecisionCache::new();
        let (fence, other) = (cache.new_fence(), cache.new_fence());
        cache.insert(
            DecisionKey::new(fence, 0, b"token"),
            Arc::new(1),
            lifetime(0, 100, 100),
        );
        let get = |fence, generation, token: &[u8]| {
            cache
                .get(&DecisionKey::new(fence, generation, token), 50)
                .map(|value| *value)
        };
        assert_eq!(get(fence, 0, b"token"), Some(1));
        assert_eq!(get(other, 0, b"token"), None);
        assert_eq!(get(fence, 1, b"token"), None);
        assert_eq!(get(fence, 0, b"tokem"), None);
        assert_eq!((cache.hits(), cache.misses()), (1, 3));
    }

    #[test]
    fn a_later_decision_replaces_an_earlier_one_with_its_own_lifetime() {
        let cache = DecisionCache::new();
        let key = DecisionKey::new(cache.new_fence(), 0, b"token");
        cache.insert(key, Arc::new(1), lifetime(0, 1_000, 10));
        cache.insert(key, Arc::new(2), lifetime(5, 1_000, 10));
        assert_eq!(cache.get(&key, 14).as_deref(), Some(&2));
        assert_eq!(cache.get(&key, 15), None);
    }

    /// The cache's own expiry, which frees memory, without waiting for it.
    #[test]
    fn an_entry_written_or_rewritten_ages_out_with_its_span() {
        let key = DecisionKey::new(Fence(0), 0, b"token");
        let entry = Entry {
            decision: Arc::new(()),
            until: 9,
            span: Duration::from_secs(4),
        };
        let now = tokio::time::Instant::now().into_std();
        let created = EntryExpiry.expire_after_create(&key, &entry, now);
        let updated = EntryExpiry.expire_after_update(&key, &entry, now, None);
        assert_eq!((created, updated), (Some(entry.span), Some(entry.span)));
    }

    #[test]
    fn memory_is_bounded_and_large_credentials_count_more() {
        let cache = DecisionCache::new();
        let fence = cache.new_fence();
        let large = vec![b'x'; 16 * CREDENTIAL_UNIT_BYTES - 8];
        for number in 0..2 * DECISIONS_MAX / 16 {
            let credential = [&large, number.to_be_bytes().as_slice()].concat();
            let key = DecisionKey::new(fence, 0, &credential);
            cache.insert(key, Arc::new(()), lifetime(0, 1_000, 1_000));
        }
        assert!(cache.len() <= DECISIONS_MAX / 16, "{}", cache.len());
        assert!(!cache.is_empty());
    }

    #[test]
    fn debug_output_holds_nothing_of_the_credential() {
        let cache = DecisionCache::<()>::new();
        let key = DecisionKey::new(cache.new_fence(), 3, b"token");
        assert_eq!(
            format!("{key:?}"),
            "DecisionKey { fence: Fence(0), generation: 3, .. }"
        );
    }

    proptest! {
        #[test]
        fn no_decision_is_returned_at_or_after_exp_or_its_time_to_live(
            decided in 0..2_000_u64,
            expires_at in prop_oneof![0..4_000_u64, Just(u64::MAX)],
            ttl in prop_oneof![0..2_000_u64, Just(u64::MAX)],
            reads in proptest::collection::vec(0..6_000_u64, 1..20),
        ) {
            let cache = DecisionCache::new();
            let key = DecisionKey::new(cache.new_fence(), 0, b"token");
            cache.insert(key, Arc::new(()), lifetime(decided, expires_at, ttl));
            for now in reads {
                let usable = decided < expires_at && ttl > 0
                    && now < expires_at && now < decided.saturating_add(ttl);
                prop_assert_eq!(cache.get(&key, now).is_some(), usable);
            }
        }
    }
}
