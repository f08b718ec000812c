//! What holds a connection back whose callers were penalised.

use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// How often a connection tells that its callers behave.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// What one connection may not do for a while. Shared by its requests, which say so, and its stream.
#[derive(Debug, Default)]
pub struct Restraint {
    /// Whether it is never held back: it is that of a proxy, or of whoever is never penalised. `None` until
    /// somebody has looked.
    is_exempt: Cell<Option<bool>>,
    /// What its handshake was charged, in nanoseconds, until an authorized request has followed.
    charge_ns: Cell<Option<u64>>,
    unread_until: Cell<Option<Instant>>,
    cut_for: Cell<Option<Duration>>,
    /// What keeps its packets away while it is held; it goes with the hold.
    held: RefCell<Option<Box<dyn Debug>>>,
    changed: Notify,
    carried: Cell<Carried>,
    told: Cell<Option<Instant>>,
}

/// Whose requests a connection has carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Carried {
    /// Nobody's who is known.
    #[default]
    Nobody,
    /// Those of one key.
    One(u64),
    /// Those of several.
    Several,
}

impl Restraint {
    /// Of a connection whose handshake was charged so much, if it was.
    #[must_use]
    pub fn of_handshake(charge_ns: Option<u64>) -> Self {
        Self {
            charge_ns: Cell::new(charge_ns),
            ..Self::default()
        }
    }

    /// Settles whether it is never held back, which is looked up once.
    pub fn judge(&self, is_exempt: impl FnOnce() -> bool) {
        if self.is_exempt.get().is_none() {
            self.is_exempt.set(Some(is_exempt()));
        }
    }

    /// Whether it is never held back. So is one of which nobody has looked.
    #[must_use]
    pub fn is_exempt(&self) -> bool {
        self.is_exempt.get().unwrap_or(true)
    }

    /// Notes that an authorized request has come on it, and says what its handshake was charged, once.
    pub fn proven(&self) -> Option<u64> {
        self.charge_ns.take()
    }

    /// Notes whose request it has carried, and says whose it has by now.
    pub fn carries(&self, key: u64) -> Carried {
        let carried = match self.carried.get() {
            Carried::Nobody => Carried::One(key),
            Carried::One(known) if known == key => Carried::One(key),
            Carried::One(_) | Carried::Several => Carried::Several,
        };
        self.carried.set(carried);
        carried
    }

    /// Whose requests it has carried.
    #[must_use]
    pub const fn carried(&self) -> Carried {
        self.carried.get()
    }

    /// Whether it is time to tell again that its callers behave; then it is told.
    pub fn tells(&self, now: Instant) -> bool {
        let is_due = self.told.get().is_none_or(|told| now >= told + TOLD_EVERY);
        if is_due {
            self.told.set(Some(now));
        }
        is_due
    }

    /// Has it not be read for so long.
    pub fn slow(&self, now: Instant, length: Duration) {
        let until = now + length;
        let until = self
            .unread_until
            .get()
            .map_or(until, |known| known.max(until));
        self.unread_until.set(Some(until));
        self.changed.notify_one();
    }

    /// Has it not be read for so long, with what keeps its packets away meanwhile.
    pub fn hold(&self, now: Instant, length: Duration, held: Box<dyn Debug>) {
        self.held.replace(Some(held));
        self.slow(now, length);
    }

    /// Ends a pause that is over.
    pub fn release(&self) {
        self.unread_until.set(None);
        drop(self.held.take());
    }

    /// Whether it is paused, or was until its pause was over.
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        self.unread_until.get().is_some()
    }

    /// Whether its packets are kept away.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.held.borrow().is_some()
    }

    /// Ends it at once, and has its source open no other one for so long.
    pub fn cut(&self, length: Duration) {
        self.cut_for.set(Some(length));
        self.changed.notify_one();
    }

    /// Until when it is not read; `None` where it is.
    #[must_use]
    pub fn unread_until(&self, now: Instant) -> Option<Instant> {
        self.unread_until.get().filter(|until| *until > now)
    }

    /// For how long its source is cut off, where it is.
    #[must_use]
    pub const fn cut_for(&self) -> Option<Duration> {
        self.cut_for.get()
    }

    /// Waits until it is held back, or more than before. For one waiter.
    ///
    /// # Cancel safety
    /// Safe: what was said is told to whoever waits next.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_carries_one_key_until_it_carries_another() {
        let restraint = Restraint::default();
        assert_eq!(restraint.carried(), Carried::Nobody);
        for (key, carried) in [
            (7, Carried::One(7)),
            (7, Carried::One(7)),
            (8, Carried::Several),
            (7, Carried::Several),
        ] {
            assert_eq!(restraint.carries(key), carried);
        }
    }

    #[test]
    fn the_longest_pause_counts_and_ends() {
        let (restraint, now) = (Restraint::default(), Instant::now());
        let second = Duration::from_secs(1);
        assert_eq!(restraint.unread_until(now), None);
        restraint.slow(now, 3 * second);
        restraint.slow(now, second);
        assert_eq!(restraint.unread_until(now), Some(now + 3 * second));
        assert_eq!(restraint.unread_until(now + 3 * second), None);
    }

    #[test]
    fn it_is_told_now_and_then_that_callers_behave() {
        let (restraint, now) = (Restraint::default(), Instant::now());
        let told = |seconds| restraint.tells(now + Duration::from_secs(seconds));
        assert_eq!(
            [told(0), told(9), told(10), told(11)],
            [true, false, true, false]
        );
    }
}
