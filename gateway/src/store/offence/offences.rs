//! The sources that are remembered.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::source::{Source, spare_until};
use super::tally::Tally;
use super::{Culprit, OffenceKind, Step};
use crate::clock;
use crate::model::PenaltyRules;

/// Parts that are locked one at a time.
const SHARDS: usize = 16;
/// Sources of one part.
const SOURCES_MAX: usize = 4_096;
/// Room that is made in a part which is full.
const ROOM: usize = SOURCES_MAX / 4;
/// How often a part that is full is looked through for those that can be forgotten.
const SWEEP_NS: u64 = 1_000_000_000;

/// Every source of which something is remembered. Clones share it.
#[derive(Clone, Debug)]
pub struct Offences(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    shards: [Mutex<Shard>; SHARDS],
    /// Sources choose their addresses, and must not choose their shard.
    hasher: RandomState,
    /// How often there was no room for a source, or for a key of one.
    shed: AtomicU64,
    /// Until when handshakes of any source are charged.
    pub(super) capped_until: AtomicU64,
    pub(super) tally: Tally,
    /// Says whenever a source is pardoned.
    pardons: watch::Sender<()>,
}

#[derive(Debug, Default)]
pub(super) struct Shard {
    pub(super) sources: HashMap<[u8; 16], Source>,
    /// When those were forgotten last of which nothing has to be known.
    swept_ns: u64,
    /// When room was made last beyond that.
    cleared_ns: u64,
}

/// A penalty that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Penalised {
    /// The source.
    pub source: [u8; 16],
    /// What its key is called; `None` where it is of the source alone.
    pub key: Option<Arc<str>>,
    /// Whether its connections are only slowed down.
    pub is_slow: bool,
    /// How long it lasts yet.
    pub left: Duration,
}

impl Shard {
    /// What is known of a source; `None` where it is not known and there is no room for it.
    fn source(&mut self, source: [u8; 16]) -> Option<&mut Source> {
        let has_room = self.sources.len() < SOURCES_MAX || self.sources.contains_key(&source);
        has_room.then(|| self.sources.entry(source).or_default())
    }

    /// Where there is no room for a source, forgets those of which nothing has to be known, and then those who
    /// count as behaving until one of these moments at most, as long as there is none.
    fn make_room(&mut self, source: [u8; 16], now_ns: u64, spare_until: &[u64]) {
        if self.sources.len() < SOURCES_MAX || self.sources.contains_key(&source) {
            return;
        }
        if is_due(&mut self.swept_ns, now_ns) {
            self.sources.retain(|_, known| !known.is_idle(now_ns));
        }
        let is_needed = !spare_until.is_empty() && self.sources.len() >= SOURCES_MAX;
        if is_needed && is_due(&mut self.cleared_ns, now_ns) {
            for until in spare_until {
                // Enough for a second, and no more than that.
                let mut wanted = (self.sources.len() + ROOM).saturating_sub(SOURCES_MAX);
                self.sources.retain(|_, known| {
                    let goes = wanted > 0 && known.is_spare(*until, now_ns);
                    wanted -= usize::from(goes);
                    !goes
                });
            }
        }
    }
}

/// Whether the last time is long enough ago, which then is now.
fn is_due(last_ns: &mut u64, now_ns: u64) -> bool {
    let is_due = now_ns >= last_ns.saturating_add(SWEEP_NS);
    if is_due {
        *last_ns = now_ns;
    }
    is_due
}

impl Default for Offences {
    fn default() -> Self {
        Self(Arc::new(Inner {
            shards: Default::default(),
            hasher: RandomState::new(),
            shed: AtomicU64::new(0),
            capped_until: AtomicU64::new(0),
            tally: Tally::default(),
            pardons: watch::Sender::new(()),
        }))
    }
}

impl Offences {
    /// Notes that a request of `culprit` was admitted. To be told now and then for each connection. Where there
    /// is no room for one more source that is not noted: it matters where others offend at the same address,
    /// and for those there is room.
    pub fn behaves(&self, culprit: Culprit, now_ns: u64) {
        let mut shard = self.shard(culprit.source);
        shard.make_room(culprit.source, now_ns, &[]);
        if let Some(source) = shard.source(culprit.source) {
            source.behaves(culprit.key, now_ns);
        }
    }

    /// Counts a 429 that says to wait so long, to a request that arrived at `arrived_ns`, and says what
    /// becomes of it. `name` is what operators call its key.
    #[must_use]
    pub fn told(
        &self,
        culprit: Culprit,
        name: impl FnOnce() -> Arc<str>,
        arrived_ns: u64,
        (now_ns, wait): (u64, Duration),
        rules: &PenaltyRules,
    ) -> Step {
        // A quota may say to wait for a month; who is remembered for so long takes the room of others.
        let moment = (now_ns, wait.min(rules.most));
        let step = self.with(culprit, now_ns, |source| {
            if !source.is_told(culprit.key, arrived_ns, moment)? {
                return Some(Step::Tell);
            }
            self.count_offence(OffenceKind::Overage);
            source.offends(culprit.key, name, moment, rules)
        });
        step.unwrap_or(Step::Tell)
    }

    /// Counts a failed authentication of a source, and says what becomes of it.
    #[must_use]
    pub fn failed(
        &self,
        source: [u8; 16],
        kind: OffenceKind,
        now_ns: u64,
        rules: &PenaltyRules,
    ) -> Step {
        self.count_offence(kind);
        let culprit = Culprit { source, key: None };
        let step = self.with(culprit, now_ns, |source| {
            source.offends(None, || Arc::from(""), (now_ns, rules.first), rules)
        });
        step.unwrap_or(Step::Tell)
    }

    /// Cuts a source off for so long, as an operator asks for; whether there was room to remember it.
    #[must_use]
    pub fn cut_off(&self, source: [u8; 16], length: Duration, now_ns: u64) -> bool {
        let culprit = Culprit { source, key: None };
        let cut = self.with(culprit, now_ns, |source| source.cut_off(length, now_ns));
        cut.is_some()
    }

    /// Forgets everything about a source; whether there was anything.
    #[must_use]
    pub fn pardon(&self, source: [u8; 16]) -> bool {
        let was_known = self.shard(source).sources.remove(&source).is_some();
        self.0.pardons.send_replace(());
        was_known
    }

    /// Waits until a source is penalised no more, because it is pardoned. One whose penalty ends by itself is
    /// not told of.
    ///
    /// # Cancel safety
    /// Safe: nothing is kept between calls.
    pub async fn pardoned(&self, source: [u8; 16]) {
        let mut pardons = self.0.pardons.subscribe();
        while self.is_penalised(source, clock::monotonic_ns()) {
            if pardons.changed().await.is_err() {
                return;
            }
        }
    }

    fn is_penalised(&self, source: [u8; 16], now_ns: u64) -> bool {
        let shard = self.shard(source);
        let known = shard.sources.get(&source);
        known.is_some_and(|known| known.penalties(now_ns).next().is_some())
    }

    /// The penalties that have not ended.
    #[must_use]
    pub fn penalised(&self, now_ns: u64) -> Vec<Penalised> {
        let mut found = Vec::new();
        for shard in &self.0.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            for (&source, known) in &shard.sources {
                found.extend(known.penalties(now_ns).map(|(key, penalty)| Penalised {
                    source,
                    key,
                    is_slow: penalty.is_slow(),
                    left: Duration::from_nanos(penalty.until.saturating_sub(now_ns)),
                }));
            }
        }
        found
    }

    /// How often there was no room for a source or for one of its keys, of which nothing is counted then.
    #[must_use]
    pub fn shed(&self) -> u64 {
        self.0.shed.load(Ordering::Relaxed)
    }

    /// Does something with what is known of a source; `None`, which is counted, where there is no room for it
    /// or for its key.
    fn with<T>(
        &self,
        culprit: Culprit,
        now_ns: u64,
        work: impl FnOnce(&mut Source) -> Option<T>,
    ) -> Option<T> {
        let mut shard = self.shard(culprit.source);
        shard.make_room(culprit.source, now_ns, &spare_until(now_ns));
        let Some(source) = shard.source(culprit.source) else {
            self.0.shed.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        let outcome = work(source);
        let capped_until = source.handshakes.capped_until;
        if capped_until > now_ns {
            let until = &self.0.capped_until;
            until.fetch_max(capped_until, Ordering::Relaxed);
        }
        if outcome.is_none() {
            self.0.shed.fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }

    pub(super) fn shard(&self, source: [u8; 16]) -> MutexGuard<'_, Shard> {
        let hash = self.0.hasher.hash_one(source);
        let shards = &self.0.shards;
        let place = usize::try_from(hash).unwrap_or(0) % SHARDS;
        let [first, ..] = shards;
        let shard = shards.get(place).unwrap_or(first);
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
