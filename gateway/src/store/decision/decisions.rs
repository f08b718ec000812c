//! All that a gateway remembers.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::counts::{Account, DecisionCounts};
use super::key::{DecisionKey, Digester};
use super::shelf::{Entry, Shelf};
use super::{DecisionCache, REFUSAL_TTL_MAX, REFUSALS_SHARE, Remembered};

/// Parts that are locked apart, so that workers rarely meet.
const SHELVES: usize = 16;

/// What a frozen authorizer's name has behind that of the authorizer.
const FROZEN: char = '@';

/// All that a gateway remembers, over all authorizers and workers.
#[derive(Debug)]
pub struct Decisions {
    pub(super) digester: Digester,
    pub(super) granted: Shelves,
    pub(super) refused: Shelves,
    accounts: Mutex<BTreeMap<Box<str>, Weak<Account>>>,
    fences: AtomicU64,
    /// Grows before anything is forgotten.
    era: AtomicU64,
}

/// Since when something is being decided: what is forgotten after that, the outcome must not bring back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Era(u64);

/// Whose decisions are to be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose<'a> {
    /// Those of the authorizer of this name, and of every one that a deployment keeps of it.
    Authorizer(&'a str),
    /// Those about this principal, whoever decided.
    Principal(&'a str),
}

impl Decisions {
    /// Nothing remembered; at most `bytes_max` are, and an eighth of that for what is refused.
    #[must_use]
    pub fn new(bytes_max: u64) -> Arc<Self> {
        let decisions = Self {
            digester: Digester::new(),
            granted: Shelves::default(),
            refused: Shelves::default(),
            accounts: Mutex::default(),
            fences: AtomicU64::new(0),
            era: AtomicU64::new(0),
        };
        decisions.resize(bytes_max);
        Arc::new(decisions)
    }

    /// From now on at most `bytes_max` are remembered.
    pub fn resize(&self, bytes_max: u64) {
        self.granted.resize(bytes_max);
        self.refused.resize(bytes_max / REFUSALS_SHARE);
    }

    /// A cache for what `owner` decides, in which nothing is found yet. Whoever bore the name before
    /// goes on being counted with it.
    pub fn cache<T: Remembered>(self: &Arc<Self>, owner: &str) -> DecisionCache<T> {
        let (fence, account) = (self.new_fence(), self.account(owner));
        DecisionCache::new(Arc::clone(self), fence, account, None)
    }

    /// As [`Decisions::cache`] for what `owner` refuses: entries live for [`REFUSAL_TTL_MAX`] at most.
    pub fn refusals<T: Remembered>(self: &Arc<Self>, owner: &str) -> DecisionCache<T> {
        let (fence, account) = (self.new_fence(), self.account(owner));
        DecisionCache::new(Arc::clone(self), fence, account, Some(REFUSAL_TTL_MAX))
    }

    /// Since when something is decided that begins now.
    #[must_use]
    pub fn era(&self) -> Era {
        Era(self.era.load(Ordering::Acquire))
    }

    /// Forgets what is remembered of somebody, and sees to it that nothing decided before comes back.
    /// Returns how many entries went. Takes milliseconds where there are many.
    pub fn forget(&self, whose: Whose<'_>) -> usize {
        // Before the first shelf: who puts something there afterwards sees it.
        self.era.fetch_add(1, Ordering::AcqRel);
        match whose {
            Whose::Authorizer(name) => self.drop_where(|entry| {
                let owner = &*entry.account.name;
                let rest = owner.strip_prefix(name);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(FROZEN))
            }),
            Whose::Principal(name) => {
                let principal = Some(self.principal(name));
                self.drop_where(|entry| entry.principal == principal)
            }
        }
    }

    /// The numbers of every authorizer that has a cache or entries, in the order of their names.
    #[must_use]
    pub fn counts(&self) -> Vec<DecisionCounts> {
        let accounts = self.lock_accounts();
        let living = accounts.values().filter_map(Weak::upgrade);
        living.map(|account| account.counts()).collect()
    }

    /// What a principal is compared by.
    pub(super) fn principal(&self, name: &str) -> u128 {
        self.digester.of(&[b"principal", name.as_bytes()])
    }

    fn drop_where(&self, is_unwanted: impl Fn(&Entry) -> bool) -> usize {
        let shelves = self.granted.shelves.iter().chain(&self.refused.shelves);
        let dropped = shelves.map(|shelf| lock(shelf).drop_where(&is_unwanted));
        dropped.sum()
    }

    fn new_fence(&self) -> u64 {
        self.fences.fetch_add(1, Ordering::Relaxed)
    }

    /// The account of a name, as long as anybody needs it.
    fn account(&self, name: &str) -> Arc<Account> {
        let mut accounts = self.lock_accounts();
        accounts.retain(|_, account| account.strong_count() > 0);
        if let Some(account) = accounts.get(name).and_then(Weak::upgrade) {
            return account;
        }
        let account = Arc::new(Account::new(name));
        accounts.insert(name.into(), Arc::downgrade(&account));
        account
    }

    // Every change of the map is one call, so that it is whole also where one panicked.
    fn lock_accounts(&self) -> MutexGuard<'_, BTreeMap<Box<str>, Weak<Account>>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Entries, over several locks.
pub(super) struct Shelves {
    shelves: [Mutex<Shelf>; SHELVES],
    /// For each shelf.
    bytes_max: AtomicU64,
}

impl Shelves {
    pub(super) fn get(&self, key: &DecisionKey, now: u64) -> Option<Arc<dyn Any + Send + Sync>> {
        self.of(key)?.get(key, now)
    }

    /// Takes an entry in that was decided since `since`, unless something was forgotten meanwhile.
    pub(super) fn insert(
        &self,
        decisions: &Decisions,
        since: Era,
        (key, entry): (DecisionKey, Entry),
        now: u64,
    ) {
        let Some(mut shelf) = self.of(&key) else {
            return;
        };
        // Read behind the lock: whoever forgets comes by this shelf either before, and then the era is
        // another, or behind, and then finds the entry.
        if decisions.era() == since {
            shelf.insert(key, entry, now, self.bytes_max.load(Ordering::Relaxed));
        }
    }

    fn resize(&self, bytes_max: u64) {
        let each = bytes_max / SHELVES as u64;
        self.bytes_max.store(each, Ordering::Relaxed);
        for shelf in &self.shelves {
            lock(shelf).shrink(each, 0);
        }
    }

    /// The shelf of a key. Its digest says which, by other bits than those of its hash.
    fn of(&self, key: &DecisionKey) -> Option<MutexGuard<'_, Shelf>> {
        let number = usize::try_from(key.digest >> 64 & (SHELVES as u128 - 1));
        // There is one of each number.
        Some(lock(self.shelves.get(number.ok()?)?))
    }

    /// What all entries occupy.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> u64 {
        self.shelves.iter().map(|shelf| lock(shelf).bytes()).sum()
    }
}

impl Default for Shelves {
    fn default() -> Self {
        Self {
            shelves: std::array::from_fn(|_| Mutex::default()),
            bytes_max: AtomicU64::new(0),
        }
    }
}

// Of what is remembered nothing is shown.
impl fmt::Debug for Shelves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelves")
            .field("bytes_max", &self.bytes_max)
            .finish_non_exhaustive()
    }
}

// Nothing between two changes of a shelf can panic.
fn lock(shelf: &Mutex<Shelf>) -> MutexGuard<'_, Shelf> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}
