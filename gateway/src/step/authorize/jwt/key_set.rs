//! The keys an issuer publishes, kept fresh.
//!
//! One task per key set, [`KeySet::refresh`] on the control runtime, does all fetching; workers on
//! other threads read the last good keys through one atomic pointer. A fetch that fails changes
//! nothing: the last good keys go on serving while the issuer is down, and the failure is logged
//! and counted.
//!
//! A token that names an unknown key may be the first after a rotation, or noise. It asks for a
//! fetch and waits until one has ended that began after it asked. There is one fetch at a time, and
//! [`FETCH_INTERVAL_MIN`] between the beginnings of two, however many ask: a flood of made-up key ids
//! costs the issuer one request per interval, and a request waits at most for that interval and the
//! deadline of a fetch. A name that a fetch did not bring is refused at once from then on, until the
//! next fetch may begin. At most [`WAITERS_MAX`] wait; who comes then is told to come back.
//!
//! That the issuer has no such key ([`Refusal::UnknownKey`]) is said only where it is known: of a file, and
//! behind a fetch that succeeded. One that failed or did not end in time says nothing of a key
//! ([`Refusal::KeysOutdated`]), and what the issuer has signed with a key that was passed over cannot be judged
//! ([`Refusal::UnusableKey`]): nobody may be blamed for naming those.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use rustls::ClientConfig;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::Refusal;
use super::absent::AbsentKeys;
use super::fetch::FetchError;
use super::key::{KeyDocumentError, Keys};
use super::remote::{DiscoveryError, Remote};
use crate::model::{Jwks, JwksFile, JwksSource};

/// Least time between the beginnings of two fetches of one key set.
pub const FETCH_INTERVAL_MIN: Duration = Duration::from_secs(5);

/// Time from a failed background fetch to the next, where the refresh interval is longer.
pub const RETRY_INTERVAL: Duration = Duration::from_secs(30);

/// Most requests that wait for one key set. Beyond it a request with an unknown key is answered 503.
pub const WAITERS_MAX: usize = 4_096;

/// Why a key set cannot be used, or was not replaced.
#[derive(Debug, thiserror::Error)]
pub enum KeySetError {
    /// What its file holds is not known.
    #[error("the key set `{}` cannot be used: {why}", path.display())]
    Unopened {
        /// The file.
        path: PathBuf,
        /// Why that is not known.
        why: String,
    },
    /// What its file holds is no key set.
    #[error("the key set `{}` is not usable", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: KeyDocumentError,
    },
    /// The URL cannot be fetched, or was not.
    #[error("fetching the key set failed")]
    Fetch(#[from] FetchError),
    /// The issuer's discovery document leads to no keys.
    #[error("finding the key set failed")]
    Discovery(#[from] DiscoveryError),
    /// What was fetched is no key set.
    #[error("the key set is not usable")]
    Document(#[from] KeyDocumentError),
}

/// The last good keys of one issuer.
#[derive(Debug)]
pub struct KeySet {
    keys: ArcSwapOption<Keys>,
    /// `None` for a file, whose keys never change: a reload opens another set.
    remote: Option<Remote>,
    pace: Pace,
    progress: watch::Sender<Progress>,
    demand: Notify,
    waiters: Semaphore,
    absent: AbsentKeys,
    fetches: AtomicU64,
    failures: AtomicU64,
}

/// What is known of a key set, for metrics and status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySetStatus {
    /// Usable keys now.
    pub keys: usize,
    /// Keys of the last good document that were passed over.
    pub skipped: usize,
    /// Fetches tried.
    pub fetches: u64,
    /// Fetches that changed nothing because they failed.
    pub failures: u64,
}

#[derive(Clone, Copy, Debug)]
struct Pace {
    timeout: Duration,
    refresh: Duration,
    retry: Duration,
    interval_min: Duration,
}

/// How far fetching has come.
#[derive(Clone, Copy, Debug)]
struct Progress {
    begun: u64,
    ended: u64,
    /// When the next fetch may begin.
    next: Instant,
    /// Whether the last fetch that ended brought keys.
    is_good: bool,
}

impl KeySet {
    /// Opens the key set that `jwks` describes. A file was read with the configuration; a URL is fetched
    /// once [`KeySet::refresh`] runs, and until then every token is [`Refusal::KeysUnavailable`].
    ///
    /// # Errors
    /// A file that was not opened or is no key set; a URL that is not of an HTTPS host.
    pub fn open(jwks: &Jwks, tls: &Arc<ClientConfig>) -> Result<Arc<Self>, KeySetError> {
        Self::open_paced(jwks, tls, FETCH_INTERVAL_MIN)
    }

    /// As [`KeySet::open`], with the least time between two fetches.
    pub(super) fn open_paced(
        jwks: &Jwks,
        tls: &Arc<ClientConfig>,
        interval_min: Duration,
    ) -> Result<Arc<Self>, KeySetError> {
        let remote = Remote::new(jwks, tls)?;
        let keys = match &jwks.source {
            JwksSource::File(file) => Some(parse(file)?),
            JwksSource::Url(_) | JwksSource::Discovery { .. } => None,
        };
        Ok(Self::of(keys, remote, jwks, interval_min))
    }

    /// A set that never has keys, in place of a file that cannot be used: every token is
    /// [`Refusal::KeysUnavailable`].
    #[must_use]
    pub fn without_keys(jwks: &Jwks) -> Arc<Self> {
        Self::of(None, None, jwks, FETCH_INTERVAL_MIN)
    }

    /// Whether it is one of [`KeySet::without_keys`].
    #[must_use]
    pub fn never_has_keys(&self) -> bool {
        self.remote.is_none() && self.keys.load().is_none()
    }

    fn of(
        keys: Option<Keys>,
        remote: Option<Remote>,
        jwks: &Jwks,
        interval_min: Duration,
    ) -> Arc<Self> {
        Arc::new(Self {
            keys: ArcSwapOption::from(keys.map(Arc::new)),
            pace: Pace {
                timeout: remote.as_ref().map_or(jwks.timeout, Remote::time_max),
                refresh: jwks.refresh,
                retry: jwks.refresh.min(RETRY_INTERVAL),
                interval_min,
            },
            remote,
            progress: watch::Sender::new(Progress {
                begun: 0,
                ended: 0,
                next: Instant::now(),
                is_good: false,
            }),
            demand: Notify::new(),
            waiters: Semaphore::new(WAITERS_MAX),
            absent: AbsentKeys::default(),
            fetches: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        })
    }

    /// Keeps the keys fresh: fetches at once, then every refresh interval and on demand. Returns
    /// at once for a file, otherwise never; whoever spawns it on the control runtime aborts it
    /// when no snapshot uses the set any more.
    ///
    /// # Cancel safety
    /// Dropping it abandons a fetch in flight and leaves the keys as they are.
    pub async fn refresh(self: Arc<Self>) {
        let Some(remote) = &self.remote else {
            return;
        };
        let mut due = Instant::now();
        loop {
            tokio::select! {
                () = sleep_until(due) => {}
                () = self.demand.notified() => {
                    let permitted = self.progress.borrow().next;
                    sleep_until(permitted.min(due)).await;
                }
            }
            let pause = match self.renew(remote).await {
                Ok(()) => self.pace.refresh,
                Err(error) => {
                    self.failures.fetch_add(1, Ordering::Relaxed);
                    let serving = self.status().keys;
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, serving, source = %remote, "key set not renewed");
                    self.pace.retry
                }
            };
            due = (Instant::now() + pause).max(self.progress.borrow().next);
        }
    }

    /// Waits until the first fetch has ended, well or not; at once for a file. For a start that
    /// wants keys before the first request.
    pub async fn first_fetch(&self) {
        if self.remote.is_some() {
            let mut progress = self.progress.subscribe();
            // The sender lives in `self`, so waiting ends only with a fetch.
            if progress
                .wait_for(|progress| progress.ended > 0)
                .await
                .is_err()
            {
                tracing::error!("a key set ended while it was awaited");
            }
        }
    }

    /// Numbers for metrics and status.
    #[must_use]
    pub fn status(&self) -> KeySetStatus {
        let keys = self.keys.load();
        KeySetStatus {
            keys: keys.as_ref().map_or(0, |keys| keys.len()),
            skipped: keys.as_ref().map_or(0, |keys| keys.skipped),
            fetches: self.fetches.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
        }
    }

    /// The generation of the keys in use: decisions taken under another may rest on a key that is
    /// gone. 0 before there are keys, when there are no decisions either.
    pub(super) fn generation(&self) -> u64 {
        self.keys
            .load()
            .as_ref()
            .map_or(0, |keys| keys.generation())
    }

    /// The version of the keys in use: what was refused under another may be good now. 0 before there
    /// are keys.
    pub(super) fn version(&self) -> u64 {
        self.keys.load().as_ref().map_or(0, |keys| keys.version())
    }

    /// Whether both sets hold keys, and the same ones.
    pub(super) fn same_keys(&self, other: &Self) -> bool {
        match (&*self.keys.load(), &*other.keys.load()) {
            (Some(ours), Some(theirs)) => ours.same_as(theirs),
            _ => false,
        }
    }

    /// Keys among which one is named `id`, after waiting for a fetch if need be.
    ///
    /// # Errors
    /// [`Refusal::UnknownKey`] if the issuer has none, and [`Refusal::UnusableKey`] if none that could be used;
    /// [`Refusal::KeysOutdated`] if that could not be found out, or [`Refusal::KeysUnavailable`] if there
    /// never were keys; [`Refusal::TooManyWait`] if as many as may wait already do.
    ///
    /// # Cancel safety
    /// Safe: only the wish for a fetch stays behind.
    pub(super) async fn keys_with(&self, id: &str) -> Result<Arc<Keys>, Refusal> {
        match self.holding(id) {
            Some(keys) => Ok(keys),
            None if self.remote.is_some() => self.fetched_keys_with(id).await,
            None => Err(self.lacking(id)),
        }
    }

    /// Keys among which one is named `id`, as far as they are known.
    ///
    /// # Errors
    /// As [`Self::keys_with`], but [`Refusal::NotAsked`] where the issuer would be asked.
    pub(super) fn known_keys_with(&self, id: &str) -> Result<Arc<Keys>, Refusal> {
        let refusal = || match &self.remote {
            Some(_) => Refusal::NotAsked,
            None => self.lacking(id),
        };
        self.holding(id).ok_or_else(refusal)
    }

    async fn fetched_keys_with(&self, id: &str) -> Result<Arc<Keys>, Refusal> {
        let mut progress = self.progress.subscribe();
        let asked = *progress.borrow_and_update();
        let now = Instant::now();
        let (is_absent, is_fetched) = (self.absent.has(id), asked.begun > asked.ended);
        if is_absent && !is_fetched && now < asked.next {
            return Err(self.lacking(id));
        }
        // One that was not there a moment ago waits for a fetch that is under way, and for no further one.
        let awaited = asked.begun + u64::from(!(is_absent && is_fetched));
        let Ok(_place) = self.waiters.try_acquire() else {
            return Err(Refusal::TooManyWait);
        };
        let deadline = asked.next.max(now) + self.pace.timeout;
        self.demand.notify_one();
        loop {
            let Progress { ended, is_good, .. } = *progress.borrow_and_update();
            // Looked at after the progress: keys are published before their fetch has ended, so that
            // none of a fetch that is seen to have ended is missed.
            if let Some(keys) = self.holding(id) {
                return Ok(keys);
            }
            if ended >= awaited {
                // A fetch that failed says nothing of the key.
                if !is_good {
                    return Err(self.unrefreshed());
                }
                self.absent.insert(id);
                return Err(self.lacking(id));
            }
            if !matches!(timeout_at(deadline, progress.changed()).await, Ok(Ok(()))) {
                return Err(self.unrefreshed());
            }
        }
    }

    /// The keys at hand, where one of them is named `id`.
    pub(super) fn holding(&self, id: &str) -> Option<Arc<Keys>> {
        self.keys.load_full().filter(|keys| keys.has(id))
    }

    /// Of a key that is known not to be among those of the issuer that can be used.
    fn lacking(&self, id: &str) -> Refusal {
        match &*self.keys.load() {
            Some(keys) if keys.skips(id) => Refusal::UnusableKey,
            Some(_) => Refusal::UnknownKey,
            None => Refusal::KeysUnavailable,
        }
    }

    /// Of a key that the issuer may have since these keys were fetched.
    fn unrefreshed(&self) -> Refusal {
        match &*self.keys.load() {
            Some(_) => Refusal::KeysOutdated,
            None => Refusal::KeysUnavailable,
        }
    }

    /// One fetch; publishes the keys before the end of the fetch, which wakes who waits.
    async fn renew(&self, remote: &Remote) -> Result<(), KeySetError> {
        self.fetches.fetch_add(1, Ordering::Relaxed);
        self.progress.send_if_modified(|progress| {
            progress.begun += 1;
            progress.next = Instant::now() + self.pace.interval_min;
            // Nobody waits for the beginning.
            false
        });
        let outcome = self.replace(remote).await;
        self.absent.clear();
        self.progress.send_modify(|progress| {
            progress.ended = progress.begun;
            progress.is_good = outcome.is_ok();
        });
        outcome
    }

    async fn replace(&self, remote: &Remote) -> Result<(), KeySetError> {
        let mut keys = Keys::parse(&remote.fetch().await?)?;
        if let Some(previous) = &*self.keys.load() {
            keys = keys.succeeding(previous);
        }
        tracing::debug!(keys = keys.len(), skipped = keys.skipped, "key set renewed");
        self.keys.store(Some(Arc::new(keys)));
        Ok(())
    }
}

/// The keys that a file held when the configuration was read.
fn parse(file: &JwksFile) -> Result<Keys, KeySetError> {
    let path = || file.path.clone();
    let document = file.document.as_deref();
    let document = document.map_err(|why| KeySetError::Unopened {
        path: path(),
        why: why.clone(),
    })?;
    Keys::parse(document).map_err(|source| KeySetError::File {
        path: path(),
        source,
    })
}
