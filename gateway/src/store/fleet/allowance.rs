//! What a gateway has in hand of one limit.

use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use super::book::Book;
use super::counters::one;
use super::question::{Answer, Question};
use super::roll::{Common, Order};
use super::terms::Terms;
use super::untold::{Moment, Untold};
use crate::clock;
use crate::store::charge::Level;

/// How long a refusal lasts while nothing is known but that more was asked for.
const ASKING_NS: u64 = 1_000_000;
/// How often it is asked again whether there is more, where there was none.
const RECHECK_NS: u64 = 1_000_000_000;
/// How often Redis is asked again that did not answer.
const RETRY_NS: u64 = 200_000_000;

/// Requests of one limit that this gateway may admit.
#[derive(Debug)]
pub struct Allowance {
    name: Box<str>,
    terms: ArcSwap<Terms>,
    /// Requests in hand; -1 where one was admitted on credit.
    in_hand: AtomicI64,
    /// When there are so few left, more are asked for.
    low_water: AtomicI64,
    /// When what is in hand lapses, because the period of the quota ends.
    ends_ns: AtomicU64,
    /// Until when there is none.
    closed_until_ns: AtomicU64,
    recheck_ns: AtomicU64,
    /// Requests that were left to all when the last answer came; `u64::MAX` before.
    left: AtomicU64,
    used_ns: AtomicU64,
    /// Whether the last question got no answer.
    is_alone: AtomicBool,
    retry_ns: AtomicU64,
    /// Whether whoever asks has been told to.
    is_asking: AtomicBool,
    book: Mutex<Book>,
    untold: Mutex<Untold>,
    common: Arc<Common>,
}

/// What an allowance says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be admitted, or was.
    Admitted,
    /// It is refused for so many nanoseconds.
    Refused {
        /// At least 1.
        wait_ns: u64,
    },
    /// Redis does not answer: this gateway's share decides. What that admits is a [`super::Claim`].
    Alone,
}

/// What a question is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To have more in hand.
    Refill,
    /// To give back what nobody uses.
    GiveBack,
    /// So many are to be left of a quota.
    SetRemaining(u64),
}

/// A question under way, and what has to be known of it when it is answered.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asked {
    pub(super) question: Question,
    generation: u64,
    sent_ns: u64,
}

impl Allowance {
    pub(super) fn new(name: Box<str>, terms: Terms, common: &Arc<Common>) -> Self {
        Self {
            name,
            terms: ArcSwap::from_pointee(terms),
            in_hand: AtomicI64::new(0),
            low_water: AtomicI64::new(low_water(&terms, common)),
            ends_ns: AtomicU64::new(u64::MAX),
            closed_until_ns: AtomicU64::new(0),
            recheck_ns: AtomicU64::new(0),
            left: AtomicU64::new(u64::MAX),
            used_ns: AtomicU64::new(clock::monotonic_ns()),
            is_alone: AtomicBool::new(false),
            retry_ns: AtomicU64::new(0),
            is_asking: AtomicBool::new(false),
            book: Mutex::default(),
            untold: Mutex::default(),
            common: Arc::clone(common),
        }
    }

    /// What it is called in Redis, behind the name of the fleet.
    #[must_use]
    pub const fn name(&self) -> &str {
        &self.name
    }

    /// Has the limit say something else from here on.
    pub fn set_terms(&self, terms: Terms) {
        if **self.terms.load() != terms {
            self.low_water
                .store(low_water(&terms, &self.common), SeqCst);
            self.terms.store(Arc::new(terms));
            self.recheck_ns.store(0, SeqCst);
        }
    }

    /// Nanoseconds until a request would be admitted, 0 if it would be at `now_ns`; `None` where this gateway's
    /// share decides. Nothing is taken.
    pub fn wait(self: &Arc<Self>, now_ns: u64) -> Option<u64> {
        match self.verdict(now_ns) {
            Verdict::Admitted => Some(0),
            Verdict::Refused { wait_ns } => Some(wait_ns),
            Verdict::Alone => None,
        }
    }

    /// What it would say to a request at `now_ns` (monotonic). Nothing is taken.
    pub fn verdict(self: &Arc<Self>, now_ns: u64) -> Verdict {
        self.used_ns.store(now_ns, SeqCst);
        if self.is_alone.load(SeqCst) {
            return self.alone(now_ns);
        }
        let closed_until_ns = self.closed_until_ns.load(SeqCst);
        let in_hand = self.in_hand_at(self.in_hand.load(SeqCst), now_ns);
        let is_closed = now_ns < closed_until_ns;
        if in_hand > 0 || (in_hand == 0 && !is_closed) {
            return Verdict::Admitted;
        }
        if !is_closed || now_ns >= self.recheck_ns.load(SeqCst) {
            self.ask();
        }
        let wait_ns = closed_until_ns.saturating_sub(now_ns).max(ASKING_NS);
        Verdict::Refused { wait_ns }
    }

    /// Takes a request. Whoever finds none in hand takes it on credit, unless it is known that there is none
    /// or somebody else has.
    pub fn take(self: &Arc<Self>, now_ns: u64) -> Verdict {
        loop {
            match self.verdict(now_ns) {
                Verdict::Admitted => {}
                Verdict::Alone => {
                    one(&self.common.counters.by_share);
                    return Verdict::Alone;
                }
                refused @ Verdict::Refused { .. } => return refused,
            }
            let found = self.in_hand.load(SeqCst);
            let in_hand = self.in_hand_at(found, now_ns);
            if in_hand < 0 {
                continue;
            }
            let left = in_hand - 1;
            let taken = self.in_hand.compare_exchange(found, left, SeqCst, SeqCst);
            if taken.is_ok() {
                if left <= self.low_water.load(SeqCst)
                    && now_ns >= self.closed_until_ns.load(SeqCst)
                {
                    self.ask();
                }
                return Verdict::Admitted;
            }
        }
    }

    /// Notes that the share has admitted a request, so that Redis is told when it answers.
    pub(super) fn admitted_alone(&self, now_ns: u64) {
        let moment = self.moment(now_ns);
        self.untold().add(&self.terms.load(), moment);
    }

    /// Takes back what was noted of such a request, which is not admitted.
    pub(super) fn give_back_alone(&self) {
        let gateways = self.common.settings.load().asker.gateways;
        self.untold().forget(1, &self.terms.load(), gateways);
    }

    /// Gives back a request that was taken at `taken_ns` and is not admitted. What was taken in a period that
    /// has ended is not.
    pub(super) fn give_back(&self, taken_ns: u64) {
        let ends_ns = self.ends_ns.load(SeqCst);
        if clock::monotonic_ns() < ends_ns || taken_ns >= ends_ns {
            self.in_hand.fetch_add(1, SeqCst);
        }
    }

    /// Requests that are left to all, as far as this gateway knows.
    #[must_use]
    pub fn left(&self) -> u64 {
        let left = self.left.load(SeqCst);
        let in_hand = u64::try_from(self.in_hand.load(SeqCst)).unwrap_or(0);
        match left {
            // It was not asked yet.
            u64::MAX => self.terms.load().all(),
            // More than the terms say where an operator has said so.
            _ => left.saturating_add(in_hand),
        }
    }

    /// How full a bucket is; `None` of a quota.
    #[must_use]
    pub fn level(&self) -> Option<Level> {
        let Terms::Bucket(bucket) = **self.terms.load() else {
            return None;
        };
        let left = self.left().min(bucket.burst);
        let used = bucket.burst.saturating_sub(left);
        let refill_ns = bucket.refill_ns;
        Some(Level {
            burst: bucket.burst,
            left,
            refill_ns,
            full_in_ns: (refill_ns / bucket.burst.max(1)).saturating_mul(used),
        })
    }

    /// Nanoseconds until the period of the quota ends; `None` before that is known.
    #[must_use]
    pub fn ends_in(&self, now_ns: u64) -> Option<u64> {
        let ends_ns = self.ends_ns.load(SeqCst);
        (ends_ns != u64::MAX).then(|| ends_ns.saturating_sub(now_ns))
    }

    /// What stands in `word` as long as it has not lapsed.
    fn in_hand_at(&self, word: i64, now_ns: u64) -> i64 {
        if now_ns < self.ends_ns.load(SeqCst) {
            word
        } else {
            word.min(0)
        }
    }

    fn alone(self: &Arc<Self>, now_ns: u64) -> Verdict {
        if now_ns >= self.retry_ns.load(SeqCst) {
            self.ask();
        }
        if self.common.settings.load().refuses_alone {
            return Verdict::Refused {
                wait_ns: RECHECK_NS,
            };
        }
        Verdict::Alone
    }

    /// Has Redis asked, once at a time: so each allowance is in the queue once at most. Where that is full,
    /// the next request has it asked.
    fn ask(self: &Arc<Self>) {
        if !self.is_asking.swap(true, SeqCst) {
            let order = Order::Ask(Arc::clone(self));
            if self.common.orders.try_send(order).is_err() {
                self.is_asking.store(false, SeqCst);
            }
        }
    }

    fn moment(&self, now_ns: u64) -> Moment {
        let settings = self.common.settings.load();
        Moment {
            gateways: settings.asker.gateways,
            generation: settings.generation,
            now_ns,
        }
    }

    fn untold(&self) -> MutexGuard<'_, Untold> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The side of whoever asks.
impl Allowance {
    /// Whether whoever gives back may ask now; then nobody else does until it is settled.
    pub(super) fn begin(&self) -> bool {
        !self.is_asking.swap(true, SeqCst)
    }

    /// Whether nobody has taken anything for so long.
    pub(super) fn is_idle(&self, idle_ns: u64, now_ns: u64) -> bool {
        now_ns.saturating_sub(self.used_ns.load(SeqCst)) >= idle_ns
    }

    /// Whether there is something to give back, or to be charged.
    pub(super) fn holds(&self, now_ns: u64) -> bool {
        self.in_hand.load(SeqCst) != 0 || self.is_untold(now_ns)
    }

    /// Whether the share has admitted something that counts still.
    pub(super) fn is_untold(&self, now_ns: u64) -> bool {
        let moment = self.moment(now_ns);
        self.untold().telling(&self.terms.load(), moment).count > 0
    }

    /// Has Redis told what it does not know, where nobody else has it asked.
    pub(super) fn tell(self: &Arc<Self>, now_ns: u64) {
        if self.is_alone.load(SeqCst) && self.is_untold(now_ns) {
            self.ask();
        }
    }

    /// Whether nothing is under way.
    pub(super) fn is_settled(&self) -> bool {
        !self.is_asking.load(SeqCst)
    }

    /// The question to ask now.
    pub(super) fn question(&self, purpose: Purpose, now_ns: u64) -> Asked {
        let settings = self.common.settings.load();
        let moment = self.moment(now_ns);
        let terms = **self.terms.load();
        let mut book = self.book();
        let in_hand = self.in_hand.load(SeqCst);
        let spent = u64::try_from(in_hand.saturating_neg()).unwrap_or(0);
        let wanted = match purpose {
            Purpose::Refill => {
                let usable = u64::try_from(self.in_hand_at(in_hand, now_ns)).unwrap_or(0);
                terms.lease(settings.lease).saturating_sub(usable)
            }
            Purpose::SetRemaining(_) => 0,
            Purpose::GiveBack => {
                let unused = self.lay_down();
                if now_ns < self.ends_ns.load(SeqCst) {
                    book.give_back(unused, &terms, settings.asker.gateways);
                }
                0
            }
        };
        let question = Question {
            name: self.name.clone(),
            terms,
            number: self.common.numbers.fetch_add(1, SeqCst),
            had: book.had(&terms, moment),
            spent,
            untold: self.untold().telling(&terms, moment),
            wanted,
            remaining: match purpose {
                Purpose::SetRemaining(remaining) => Some(remaining),
                Purpose::Refill | Purpose::GiveBack => None,
            },
        };
        Asked {
            question,
            generation: moment.generation,
            sent_ns: now_ns,
        }
    }

    /// Notes an answer.
    pub(super) fn answered(self: &Arc<Self>, asked: &Asked, answer: &Answer, now_ns: u64) {
        let question = &asked.question;
        if let Answer::Given(given) = answer {
            let is_quota = matches!(question.terms, Terms::Quota(_));
            let more = question.spent.saturating_add(given.given);
            let taken = more.saturating_add(given.told);
            let moment = Moment {
                generation: asked.generation,
                ..self.moment(now_ns)
            };
            let untold = question.untold.count;
            self.untold()
                .forget(untold, &question.terms, moment.gateways);
            let mut book = self.book();
            let is_other = book.settle(question.had, (taken, given), &question.terms, moment);
            drop(book);
            if is_quota {
                if is_other {
                    // Of a period that has ended. Before its end is moved, so that nobody takes of it.
                    self.lay_down();
                }
                // From when it was asked: so it lapses here before it does there.
                let ends_ns = asked.sent_ns.saturating_add(given.wait_ns);
                self.ends_ns.store(ends_ns, SeqCst);
            }
            self.left.store(given.left, SeqCst);
            let is_empty = given.left == 0 && given.given == 0;
            let closed_until_ns = if is_empty {
                now_ns.saturating_add(given.wait_ns)
            } else {
                0
            };
            self.recheck_ns
                .store(now_ns.saturating_add(RECHECK_NS), SeqCst);
            // Before there is something in hand, so that nobody takes another credit in between.
            self.closed_until_ns.store(closed_until_ns, SeqCst);
            self.in_hand
                .fetch_add(i64::try_from(more).unwrap_or(i64::MAX), SeqCst);
            let counters = &self.common.counters;
            counters.taken.fetch_add(taken, SeqCst);
            counters.lost.fetch_add(given.lost, SeqCst);
        }
        self.is_alone.store(false, SeqCst);
        self.is_asking.store(false, SeqCst);
        let is_late = matches!(answer, Answer::Late);
        if is_late || self.in_hand.load(SeqCst) < 0 {
            self.ask();
        }
    }

    /// Notes that there is no answer.
    pub(super) fn unanswered(&self, now_ns: u64) {
        self.retry_ns.store(now_ns.saturating_add(RETRY_NS), SeqCst);
        self.is_alone.store(true, SeqCst);
        self.is_asking.store(false, SeqCst);
    }

    /// Takes everything that is in hand out of it.
    fn lay_down(&self) -> u64 {
        let mut found = self.in_hand.load(SeqCst);
        while found > 0 {
            match self.in_hand.compare_exchange(found, 0, SeqCst, SeqCst) {
                Ok(_) => return u64::try_from(found).unwrap_or(0),
                Err(other) => found = other,
            }
        }
        0
    }
}

/// Half of what is taken at once.
fn low_water(terms: &Terms, common: &Common) -> i64 {
    let lease = terms.lease(common.settings.load().lease);
    i64::try_from(lease / 2).unwrap_or(i64::MAX)
}
