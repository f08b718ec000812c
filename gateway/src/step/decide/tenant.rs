//! Policy stores that lookups find, such as one of each tenant.
//!
//! What is found is the name of a store of the configuration, or a store of its own: its policies and
//! entities. Such a one is read once and remembered under what it says and whose it is, so that a store
//! can only ever answer for the record that it was read from. Reading takes long, and is done beside the
//! worker. A record without a store that can be used refuses the request.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Semaphore;

use super::found::{FoundPlan, value};
use super::lookup::{LookupError, Record};
use crate::exchange::{Reason, Refusal};
use crate::language::cedar::{Source, Store};
use crate::step::attempt::{Attempt, Purpose};
use crate::store::decision::{DecisionCache, Flights, Fresh, Lifetime, Remembered, Undecided};

/// Bytes of all texts of a store that is found.
pub const FOUND_STORE_BYTES_MAX: usize = 128 * 1024;

/// Stores that are read at a time, for one policy set.
const READERS_MAX: usize = 2;

/// Longest time that a store is remembered. What it was read from is looked up as before.
const TTL: Duration = Duration::from_secs(3600);

/// Longest part of a problem that is told.
const PROBLEM_CHARACTERS_MAX: usize = 256;

/// Where the stores of a policy set are found.
#[derive(Debug)]
pub struct FoundStores {
    found: FoundPlan,
    /// Those of the configuration.
    named: HashMap<Box<str>, Arc<Store>>,
    /// Without policies; its schema is that of all stores that are found.
    frame: Arc<Store>,
    read: Arc<DecisionCache<ReadStore>>,
    flights: Arc<Flights<ReadStore, Died>>,
    readers: Arc<Semaphore>,
    /// When the operator was last told of one that cannot be used, in seconds since 1970.
    told: AtomicU64,
}

/// What became of reading a store.
#[derive(Clone, Debug)]
pub struct ReadStore {
    tenant: Box<str>,
    outcome: Result<Arc<Store>, Unusable>,
}

impl Remembered for ReadStore {
    fn bytes(&self) -> usize {
        let outcome = match &self.outcome {
            Ok(store) => size_of::<Store>() + store.bytes(),
            Err(why) => why.bytes(),
        };
        size_of::<Self>() + self.tenant.len() + outcome
    }

    /// It is whose record's key names.
    fn principal(&self) -> Option<&str> {
        Some(&self.tenant)
    }
}

/// Reading a store ended as nothing should.
#[derive(Clone, Copy, Debug)]
struct Died;

/// Why a store that was found cannot be used. Nothing of the request is quoted: logs may hold this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    /// A value that is neither the name of a store nor one.
    #[error(
        "it is neither the name of a policy store nor an object of `policies`, a text or a list of \
         texts, and `entities`, a list"
    )]
    Shape,
    /// No store of the configuration is called so.
    #[error("it is the name of no policy store of the configuration")]
    Unknown,
    /// More text than [`FOUND_STORE_BYTES_MAX`].
    #[error("it has {0} bytes of policies and entities: at most {FOUND_STORE_BYTES_MAX}")]
    Large(usize),
    /// What is wrong in its texts: the first of so many mistakes.
    #[error("{first}, the first of {count} mistakes")]
    Mistaken {
        /// The first one, with its place.
        first: String,
        /// How many there are.
        count: usize,
    },
}

impl Unusable {
    fn bytes(&self) -> usize {
        match self {
            Self::Mistaken { first, .. } => first.len(),
            Self::Shape | Self::Unknown | Self::Large(_) => 0,
        }
    }
}

/// Why a request has no store. Nothing of the request is quoted: logs may hold this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoStore {
    /// The lookup does not know.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// It has no record.
    #[error("lookup `{0}` has no record for the request, and so no policy store")]
    NoRecord(Arc<str>),
    /// The record has no store.
    #[error("lookup `{0}`: the record has nothing where `store.at` says")]
    Nothing(Arc<str>),
    /// The record has no id of one.
    #[error("lookup `{0}`: the record has no id of a policy store where `policy_store.at` says")]
    NoId(Arc<str>),
    /// The record has one that cannot be used.
    #[error("lookup `{lookup}`: the policy store of the record cannot be used: {why}")]
    Unusable {
        /// The lookup.
        lookup: Arc<str>,
        /// Why not.
        why: Unusable,
    },
    /// It could not be read now.
    #[error("lookup `{lookup}`: the policy store of the record is not read: {why}")]
    Unread {
        /// The lookup.
        lookup: Arc<str>,
        /// Why not.
        why: &'static str,
    },
}

impl NoStore {
    /// What becomes of the request.
    pub(super) fn refusal(&self) -> Refusal {
        let reason = match self {
            Self::Lookup(error) => return error.refusal(),
            Self::NoRecord(_) => Reason::DecisionFailed,
            Self::Nothing(_) | Self::NoId(_) | Self::Unusable { .. } | Self::Unread { .. } => {
                Reason::DecisionUnavailable
            }
        };
        Refusal {
            reason,
            detail: Some(self.to_string()),
        }
    }
}

impl FoundStores {
    /// Stores that `found` leads to: of `named`, or their own under the schema of `frame`. None is read
    /// yet.
    #[must_use]
    pub fn new(
        found: FoundPlan,
        named: HashMap<Box<str>, Arc<Store>>,
        frame: Arc<Store>,
        read: DecisionCache<ReadStore>,
    ) -> Self {
        Self {
            found,
            named,
            frame,
            read: Arc::new(read),
            flights: Arc::default(),
            readers: Arc::new(Semaphore::new(READERS_MAX)),
            told: AtomicU64::new(0),
        }
    }

    /// The store of whoever sends a request.
    ///
    /// # Cancel safety
    /// Safe: what is asked and read goes on, and who asks the same finds what it came to.
    pub(super) async fn store(
        &self,
        set: &str,
        attempt: &Attempt<'_>,
    ) -> Result<Arc<Store>, NoStore> {
        let store = self.found_store(attempt).await;
        if let Err(why @ (NoStore::Nothing(_) | NoStore::Unusable { .. })) = &store
            && attempt.asking.purpose == Purpose::Serve
            && self.told.swap(attempt.now, Ordering::Relaxed) != attempt.now
        {
            tracing::warn!("policy set `{set}` refuses requests: {why}");
        }
        store
    }

    async fn found_store(&self, attempt: &Attempt<'_>) -> Result<Arc<Store>, NoStore> {
        let lookup = || Arc::clone(self.found.lookup.name());
        let unusable = |why| NoStore::Unusable {
            lookup: lookup(),
            why,
        };
        let record = self.found.record(attempt).await?;
        let record = record.ok_or_else(|| NoStore::NoRecord(lookup()))?;
        match self.found.value(&record) {
            None => Err(NoStore::Nothing(lookup())),
            Some(Value::String(name)) => {
                let named = self.named.get(&**name).map(Arc::clone);
                named.ok_or_else(|| unusable(Unusable::Unknown))
            }
            Some(Value::Object(_)) => {
                let read = self.read(record, attempt.now).await;
                let read = read.map_err(|why| NoStore::Unread {
                    lookup: lookup(),
                    why,
                })?;
                read.outcome.clone().map_err(unusable)
            }
            Some(_) => Err(unusable(Unusable::Shape)),
        }
    }

    /// The store that a record holds.
    async fn read(&self, record: Arc<Record>, now: u64) -> Result<Arc<ReadStore>, &'static str> {
        let content = record.digest(&self.read);
        let key = self
            .read
            .key(0, &[record.key().as_bytes(), content.bytes()]);
        let begin = || {
            let (at, frame) = (self.found.at.clone(), Arc::clone(&self.frame));
            let readers = Arc::clone(&self.readers);
            Ok(async move {
                let Ok(_place) = readers.acquire_owned().await else {
                    return Err(Died);
                };
                let reading = tokio::task::spawn_blocking(move || {
                    Arc::new(ReadStore {
                        tenant: record.key().into(),
                        outcome: read_store(value(&at, &record), &frame),
                    })
                });
                let decision = reading.await.map_err(|_died| Died)?;
                let lifetime = Lifetime {
                    now,
                    expires_at: u64::MAX,
                    ttl: TTL,
                };
                Ok(Fresh { decision, lifetime })
            })
        };
        let read = self.read.decided(&self.flights, key, now, begin).await;
        read.map_err(|why| match why {
            Undecided::Failed(Died) => "reading it did not end",
            Undecided::Crowded => "too many wait for stores already",
            Undecided::Abandoned => "whoever read it has ended",
        })
    }
}

/// Reads a store of its own.
fn read_store(found: Option<&Value>, frame: &Store) -> Result<Arc<Store>, Unusable> {
    let members = found.and_then(Value::as_object).ok_or(Unusable::Shape)?;
    let is_known = |name: &String| name == "policies" || name == "entities";
    if !members.keys().all(is_known) {
        return Err(Unusable::Shape);
    }
    let text = |name: String, text: &str| {
        Arc::new(Source {
            name: name.into(),
            text: text.into(),
        })
    };
    let policies: Vec<Arc<Source>> = match members.get("policies") {
        Some(Value::String(policies)) => vec![text("policies".to_owned(), policies)],
        Some(Value::Array(all)) => {
            let all = all.iter().enumerate().map(|(index, policies)| {
                let policies = policies.as_str().ok_or(Unusable::Shape)?;
                Ok(text(format!("policies[{index}]"), policies))
            });
            all.collect::<Result<_, _>>()?
        }
        Some(_) | None => return Err(Unusable::Shape),
    };
    let entities = match members.get("entities") {
        None => None,
        Some(entities @ Value::Array(_)) => {
            Some(text("entities".to_owned(), &entities.to_string()))
        }
        Some(_) => return Err(Unusable::Shape),
    };
    let bytes = policies
        .iter()
        .chain(&entities)
        .map(|source| source.text.len())
        .sum();
    if bytes > FOUND_STORE_BYTES_MAX {
        return Err(Unusable::Large(bytes));
    }
    frame
        .under(policies, entities)
        .map(Arc::new)
        .map_err(|problems| {
            let first = problems
                .first()
                .map(ToString::to_string)
                .unwrap_or_default();
            Unusable::Mistaken {
                first: first.chars().take(PROBLEM_CHARACTERS_MAX).collect(),
                count: problems.len(),
            }
        })
}
