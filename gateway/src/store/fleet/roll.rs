//! All allowances of a gateway, by the tags of their limits.

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot, watch};

use super::allowance::Allowance;
use super::counters::{FleetCounters, one};
use super::lender::Lender;
use super::question::Asker;
use super::terms::Terms;
use super::{FLEET_CALLERS_MAX, ORDERS_MAX};
use crate::model;

/// Parts of the roll, each with a lock of its own.
const PARTS: usize = 64;

/// The limits of this gateway that hold across the fleet. Clones share them.
#[derive(Clone, Debug)]
pub struct Fleet(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    parts: Box<[Mutex<HashMap<u64, Entry>>]>,
    callers: AtomicUsize,
    pub(super) common: Arc<Common>,
    pub(super) servers: watch::Sender<Option<model::Fleet>>,
}

#[derive(Debug)]
struct Entry {
    allowance: Arc<Allowance>,
    is_caller: bool,
}

/// What all allowances share.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) counters: FleetCounters,
    pub(super) settings: ArcSwap<Settings>,
    pub(super) numbers: AtomicU64,
}

/// What the configuration says, as far as allowances ask.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) asker: Asker,
    pub(super) lease: Duration,
    pub(super) idle_ns: u64,
    pub(super) timeout: Duration,
    pub(super) refuses_alone: bool,
    /// Changes with what the fleet is called and with its servers: what was taken before is not known there.
    pub(super) generation: u64,
}

/// What whoever asks is told.
#[derive(Debug)]
pub(super) enum Order {
    /// More is needed.
    Ask(Arc<Allowance>),
    /// So many are to be left of a quota.
    SetRemaining {
        allowance: Arc<Allowance>,
        remaining: u64,
        done: oneshot::Sender<Result<(), SetRefused>>,
    },
}

/// Why it was not set how many requests are left.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetRefused {
    /// Redis did not answer.
    #[error(
        "the store of the fleet did not answer, so it is not known whether anything has changed there: {0}"
    )]
    NoAnswer(String),
    /// The limit is asked about all the time.
    #[error(
        "the store of the fleet is asked about this limit all the time, and nothing was changed: try again"
    )]
    Busy,
    /// The gateway stops.
    #[error("the gateway is stopping")]
    Stopping,
}

impl Fleet {
    /// Without any limit yet, and whoever asks for it. `gateway` tells this run of this gateway from all
    /// others.
    #[must_use]
    pub fn new(gateway: u64) -> (Self, Lender) {
        let (orders, ordered) = mpsc::channel(ORDERS_MAX);
        let (servers, followed) = watch::channel(None);
        let common = Common {
            orders,
            counters: FleetCounters::default(),
            settings: ArcSwap::from_pointee(Settings::new(gateway)),
            numbers: AtomicU64::new(1),
        };
        let fleet = Self(Arc::new(Inner {
            parts: (0..PARTS).map(|_| Mutex::default()).collect(),
            callers: AtomicUsize::new(0),
            common: Arc::new(common),
            servers,
        }));
        let lender = Lender::new(fleet.clone(), ordered, followed);
        (fleet, lender)
    }

    /// Puts what the configuration says in force. `None` is a gateway on its own.
    pub fn put_in_force(&self, model: Option<&model::Fleet>) {
        let Inner {
            common, servers, ..
        } = &*self.0;
        if servers.borrow().as_ref() == model {
            return;
        }
        let settings = common.settings.load();
        let next = match model {
            None => Settings::new(settings.asker.gateway),
            Some(model) => settings.followed_by(model, servers.borrow().as_ref()),
        };
        common.settings.store(Arc::new(next));
        servers.send_replace(model.cloned());
    }

    /// What this gateway has in hand of a limit that the configuration or an API key names.
    #[must_use]
    pub fn named(&self, tag: u64, name: impl FnOnce() -> String, terms: Terms) -> Arc<Allowance> {
        let mut part = self.part(tag);
        let entry = part.entry(tag).or_insert_with(|| Entry {
            allowance: self.make(name(), terms),
            is_caller: false,
        });
        Arc::clone(&entry.allowance)
    }

    /// What it has in hand of the limit of a caller; `None` where there is no room for one more.
    #[must_use]
    pub fn caller(
        &self,
        tag: u64,
        name: impl FnOnce() -> String,
        terms: Terms,
    ) -> Option<Arc<Allowance>> {
        let mut part = self.part(tag);
        if let Some(entry) = part.get(&tag) {
            let allowance = Arc::clone(&entry.allowance);
            drop(part);
            allowance.set_terms(terms);
            return Some(allowance);
        }
        if self.0.callers.fetch_add(1, Relaxed) >= FLEET_CALLERS_MAX {
            self.0.callers.fetch_sub(1, Relaxed);
            one(&self.0.common.counters.without_room);
            return None;
        }
        let allowance = self.make(name(), terms);
        let entry = Entry {
            allowance: Arc::clone(&allowance),
            is_caller: true,
        };
        part.insert(tag, entry);
        Some(allowance)
    }

    /// That of a caller, if there is one.
    #[must_use]
    pub fn known(&self, tag: u64) -> Option<Arc<Allowance>> {
        let part = self.part(tag);
        part.get(&tag).map(|entry| Arc::clone(&entry.allowance))
    }

    /// Leaves all gateways together so many requests of a quota in its present period.
    ///
    /// # Errors
    /// See [`SetRefused`].
    pub async fn set_remaining(
        &self,
        allowance: Arc<Allowance>,
        remaining: u64,
    ) -> Result<(), SetRefused> {
        let (done, answer) = oneshot::channel();
        let order = Order::SetRemaining {
            allowance,
            remaining,
            done,
        };
        let sent = self.0.common.orders.send(order).await;
        sent.map_err(|_gone| SetRefused::Stopping)?;
        answer.await.map_err(|_gone| SetRefused::Stopping)?
    }

    /// What is counted.
    #[must_use]
    pub fn counters(&self) -> &FleetCounters {
        &self.0.common.counters
    }

    /// How many gateways share; 1 where this one is on its own.
    #[must_use]
    pub fn gateways(&self) -> u32 {
        self.0.common.settings.load().asker.gateways
    }

    /// Every allowance of which nobody has used anything for `idle_ns`, and that has something to give back or
    /// to be charged. Those that nobody else holds and that have nothing are taken off the roll.
    pub(super) fn idle(&self, idle_ns: u64, now_ns: u64) -> Vec<Arc<Allowance>> {
        let mut found = Vec::new();
        for part in &self.0.parts {
            let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
            part.retain(|_, entry| {
                let allowance = &entry.allowance;
                if !allowance.is_idle(idle_ns, now_ns) {
                    return true;
                }
                if allowance.holds(now_ns) {
                    found.push(Arc::clone(allowance));
                    return true;
                }
                // Under the lock nobody can get another one.
                let is_kept = Arc::strong_count(allowance) > 1 || !allowance.is_settled();
                if !is_kept && entry.is_caller {
                    self.0.callers.fetch_sub(1, Relaxed);
                }
                is_kept
            });
        }
        found
    }

    /// Has Redis told what was admitted while it did not answer, also where nobody comes who would have it
    /// asked.
    pub(super) fn tell(&self, now_ns: u64) {
        for part in &self.0.parts {
            let part = part.lock().unwrap_or_else(PoisonError::into_inner);
            for entry in part.values() {
                entry.allowance.tell(now_ns);
            }
        }
    }

    fn make(&self, name: String, terms: Terms) -> Arc<Allowance> {
        Arc::new(Allowance::new(name.into(), terms, &self.0.common))
    }

    fn part(&self, tag: u64) -> MutexGuard<'_, HashMap<u64, Entry>> {
        // Tags are well mixed.
        let at = usize::try_from(tag % PARTS as u64).unwrap_or(0);
        #[expect(clippy::indexing_slicing, reason = "less than the number of parts")]
        let part = &self.0.parts[at];
        part.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Settings {
    fn new(gateway: u64) -> Self {
        Self {
            asker: Asker {
                fleet: model::Fleet::NAME.to_owned(),
                gateway,
                gateways: 1,
            },
            lease: model::Fleet::LEASE,
            idle_ns: nanoseconds(model::Fleet::IDLE),
            timeout: model::Fleet::TIMEOUT,
            refuses_alone: false,
            generation: 0,
        }
    }

    /// What `model` says, where `before` was in force.
    fn followed_by(&self, model: &model::Fleet, before: Option<&model::Fleet>) -> Self {
        let is_same = before.is_some_and(|before| {
            before.name == model.name
                && before.redis.servers == model.redis.servers
                && before.redis.layout == model.redis.layout
                && before.redis.database == model.redis.database
        });
        Self {
            asker: Asker {
                fleet: model.name.clone(),
                gateway: self.asker.gateway,
                gateways: model.gateways.get(),
            },
            lease: model.lease,
            idle_ns: nanoseconds(model.idle),
            timeout: model.timeout,
            refuses_alone: model.unreachable == model::WithoutStore::Refuse,
            generation: if is_same {
                self.generation
            } else {
                self.generation + 1
            },
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
