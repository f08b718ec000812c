//! What holds a connection back whose callers were penalised.

use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::rc::Rc;
use std::time::Duration;

use arrayvec::ArrayVec;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How often a connection tells of one of its callers that it behaves.
const TOLD_EVERY: Duration = Duration::from_secs(10);
/// Callers of one connection of which that is told now and then; of more it is told oftener.
const TOLD_MAX: usize = 4;

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
    /// What its source is to be charged for offences, in new connections.
    charge: Cell<u64>,
    /// Until when it was told to wait last; zero where it was not.
    told_until: Cell<u64>,
    /// What keeps its packets away while it is held; it goes with the hold.
    held: RefCell<Option<Box<dyn Debug>>>,
    changed: Notify,
    carried: Cell<Carried>,
    /// Of which of its callers it was told last that they behave, and when.
    told: RefCell<ArrayVec<(u64, Instant), TOLD_MAX>>,
    /// The callers of its admitted requests that are under way, once for each: as many as it may have streams.
    under_way: RefCell<Vec<u64>>,
}

/// An admitted request that is under way on a connection; its end is dropping.
#[derive(Debug)]
pub struct UnderWay {
    restraint: Rc<Restraint>,
    key: u64,
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

    /// Says whether it is held back by nothing from now on.
    pub fn judge(&self, is_exempt: bool) {
        self.is_exempt.set(Some(is_exempt));
    }

    /// Notes that it is told to wait until then, and says whether a request that arrived then had waited as the
    /// one before was told to.
    pub fn is_told(&self, arrived_ns: u64, until_ns: u64) -> bool {
        let before = self.told_until.replace(until_ns);
        before > 0 && arrived_ns >= before
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

    /// Notes whose request it has carried, and says whose it has by now. What one has done holds it back no
    /// longer when another comes.
    pub fn carries(&self, key: u64) -> Carried {
        let before = self.carried.get();
        let carried = match before {
            Carried::Nobody => Carried::One(key),
            Carried::One(known) if known == key => Carried::One(key),
            Carried::One(_) | Carried::Several => Carried::Several,
        };
        self.carried.set(carried);
        if carried != before && carried == Carried::Several {
            self.cut_for.set(None);
            self.let_go();
        }
        carried
    }

    /// Whose requests it has carried.
    #[must_use]
    pub const fn carried(&self) -> Carried {
        self.carried.get()
    }

    /// Whether it is time to tell again that this caller behaves; then it is told.
    pub fn tells(&self, key: u64, now: Instant) -> bool {
        let mut told = self.told.borrow_mut();
        if let Some((_, at)) = told.iter_mut().find(|(known, _)| *known == key) {
            let is_due = now >= *at + TOLD_EVERY;
            if is_due {
                *at = now;
            }
            return is_due;
        }
        if told.is_full() {
            told.remove(0);
        }
        told.push((key, now));
        true
    }

    /// Notes that an admitted request of this caller is under way on it.
    pub fn begins(self: &Rc<Self>, key: u64) -> UnderWay {
        self.under_way.borrow_mut().push(key);
        UnderWay {
            restraint: Rc::clone(self),
            key,
        }
    }

    /// Whether an admitted request of another caller than this is under way on it.
    #[must_use]
    pub fn serves_another(&self, key: Option<u64>) -> bool {
        let under_way = self.under_way.borrow();
        under_way.iter().any(|other| Some(*other) != key)
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

    /// Ends a pause before its time.
    pub fn let_go(&self) {
        if self.is_paused() {
            self.release();
            self.changed.notify_one();
        }
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

    /// Has its source be charged as for so many new connections.
    pub fn charge(&self, connections: u64) {
        let charge = self.charge.get().saturating_add(connections);
        self.charge.set(charge);
        self.changed.notify_one();
    }

    /// What its source is to be charged, once.
    pub fn take_charge(&self) -> u64 {
        self.charge.take()
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

    /// Waits until it is held back, or more than before, or let go, or its source is to be charged. For one waiter.
    ///
    /// # Cancel safety
    /// Safe: what was said is told to whoever waits next.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut under_way = self.restraint.under_way.borrow_mut();
        if let Some(place) = under_way.iter().position(|key| *key == self.key) {
            under_way.swap_remove(place);
        }
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
        let told = |key, seconds| restraint.tells(key, now + Duration::from_secs(seconds));
        let one = [told(7, 0), told(7, 9), told(7, 10), told(7, 11)];
        assert_eq!(one, [true, false, true, false]);
        // Of each by itself.
        assert_eq!(
            [told(8, 11), told(8, 12), told(7, 12)],
            [true, false, false]
        );
        for key in 10..100 {
            assert!(told(key, 12));
        }
    }

    #[test]
    fn it_has_waited_where_it_was_told_to_and_that_time_was_over() {
        let restraint = Restraint::default();
        let told = [(1, 5), (4, 9), (8, 20), (20, 21), (30, 31)];
        let waited = told.map(|(arrived, until)| restraint.is_told(arrived, until));
        assert_eq!(waited, [false, false, false, true, true]);
    }

    #[test]
    fn what_one_caller_has_done_ends_when_another_comes() {
        let (restraint, now) = (Restraint::default(), Instant::now());
        let second = Duration::from_secs(1);
        restraint.carries(7);
        restraint.hold(now, second, Box::new("away"));
        restraint.carries(7);
        assert!(restraint.is_held());
        restraint.carries(8);
        assert!(!restraint.is_held() && !restraint.is_paused());
        assert_eq!(restraint.unread_until(now), None);
        let cut = Restraint::default();
        cut.carries(7);
        cut.cut(second);
        assert_eq!(cut.cut_for(), Some(second));
        cut.carries(8);
        assert_eq!(cut.cut_for(), None);
        // What comes to all of them stays.
        cut.cut(second);
        cut.carries(7);
        assert_eq!(cut.cut_for(), Some(second));
    }

    #[test]
    fn it_serves_another_as_long_as_one_request_of_another_is_under_way() {
        let restraint = Rc::new(Restraint::default());
        let serves = |keys: [Option<u64>; 3]| keys.map(|key| restraint.serves_another(key));
        let asked = [None, Some(7), Some(8)];
        assert_eq!(serves(asked), [false, false, false]);
        let (one, two) = (restraint.begins(7), restraint.begins(7));
        assert_eq!(serves(asked), [true, false, true]);
        let other = restraint.begins(8);
        drop(one);
        assert_eq!(serves(asked), [true, true, true]);
        drop(two);
        assert_eq!(serves(asked), [true, true, false]);
        drop(other);
        assert_eq!(serves(asked), [false, false, false]);
    }
}
