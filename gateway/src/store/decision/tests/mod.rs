//! What is remembered, and what is not.

use std::sync::Arc;
use std::time::Duration;

use super::{DecisionCache, DecisionKey, Decisions, Lifetime, Looked, Remembered};

mod bounds;
mod flights;
mod forgetting;
mod lifetimes;

/// A decision about somebody, that occupies so much.
#[derive(Debug, PartialEq, Eq)]
struct Thing {
    number: u64,
    bytes: usize,
    about: Option<String>,
}

impl Remembered for Thing {
    fn bytes(&self) -> usize {
        self.bytes
    }

    fn principal(&self) -> Option<&str> {
        self.about.as_deref()
    }
}

fn thing(number: u64) -> Arc<Thing> {
    Arc::new(Thing {
        number,
        bytes: 100,
        about: None,
    })
}

fn lifetime(now: u64, expires_at: u64, ttl: u64) -> Lifetime {
    Lifetime {
        now,
        expires_at,
        ttl: Duration::from_secs(ttl),
    }
}

/// Lives from 0 to 1000.
fn long() -> Lifetime {
    lifetime(0, 1_000, 1_000)
}

/// Remembers as whoever decides without waiting.
fn remember(cache: &DecisionCache<Thing>, key: DecisionKey, thing: &Arc<Thing>, life: Lifetime) {
    cache.remember(cache.decisions().era(), key, thing, life);
}

fn found(cache: &DecisionCache<Thing>, key: &DecisionKey, now: u64) -> Option<u64> {
    match cache.look(key, now) {
        Looked::Found(thing) => Some(thing.number),
        Looked::Missed(_) => None,
    }
}

fn one_mebibyte() -> Arc<Decisions> {
    Decisions::new(1 << 20)
}
