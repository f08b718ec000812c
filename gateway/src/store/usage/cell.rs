//! What one key has used under one plan.
//!
//! Words that many workers change at once, without locks; only when a day ends, the first to come notes
//! what the day before had under a lock. A request is counted against the quota first, then for the day:
//! the quota is exact at any moment, and the day once nobody is in between.

use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::record::{Changed, Changes, DayChange, PlanKey, Words};
use super::tally::{Asked, Exhausted, NoPeriod, QuotaTerms, Stretch, Tally, day_at, on_day};
use crate::model::{Day, Period};

/// What one key has used under one plan: in the present period of its quota, and today.
#[derive(Debug, Default)]
pub struct QuotaCell {
    /// Requests in the period that is the last one in which there were any.
    used: AtomicU64,
    /// How many there may be in a period, where an operator has said so.
    granted: AtomicU64,
    /// How many there might be when one was last asked for; 0 without a quota.
    bound: AtomicU64,
    /// Requests on the last day on which there were any.
    day: AtomicU64,
    /// Whether whoever writes it has been told that something is to be written.
    changed: AtomicBool,
    notice: Option<Notice>,
    ended: Mutex<Ended>,
}

/// What was counted and is not written yet, beside the word of the day.
#[derive(Debug, Default)]
struct Ended {
    /// How much of that word is written, or on its way.
    written: u64,
    /// Other days.
    changes: Vec<DayChange>,
}

/// Whom a cell tells that it has changed.
#[derive(Debug)]
pub(super) struct Notice {
    pub(super) plan_key: PlanKey,
    pub(super) changes: Arc<Changes>,
}

/// A request that was counted, and may be given back.
#[must_use = "a request that is refused later is given back"]
#[derive(Clone, Copy, Debug)]
pub struct Taken<'a> {
    cell: &'a QuotaCell,
    /// The period of the quota, where there is one.
    pub(super) stretch: Option<Stretch>,
    day: Day,
}

/// How a key stands with its quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Requests in the present period.
    pub used: u64,
    /// Requests that are left of it.
    pub remaining: u64,
    /// The first second behind the period, since 1970.
    pub end: u64,
    /// Requests today.
    pub today: u64,
}

impl QuotaCell {
    /// What was written, of which `today` is of the day on which this is read.
    pub(super) fn restored(notice: Notice, words: Words, today: Option<Tally>) -> Self {
        let written = today.map_or(0, |today| today.count);
        Self {
            used: AtomicU64::new(words.used),
            granted: AtomicU64::new(words.granted),
            bound: AtomicU64::new(words.bound),
            day: AtomicU64::new(today.map_or(0, Tally::word)),
            changed: AtomicBool::new(false),
            notice: Some(notice),
            ended: Mutex::new(Ended {
                written,
                changes: Vec::new(),
            }),
        }
    }

    /// What is to be written. From here on it is the caller's to do that.
    pub(super) fn take_changes(&self) -> Changed {
        // Before the words: whoever changes one from here on tells of it again.
        self.changed.store(false, SeqCst);
        let mut ended = self.ended();
        let words = Words {
            used: self.used.load(SeqCst),
            granted: self.granted.load(SeqCst),
            bound: self.bound.load(SeqCst),
        };
        let last = Tally::read(self.day.load(SeqCst));
        if let Some(last) = last {
            let day = Day::numbered(last.stretch.number);
            let written = std::mem::replace(&mut ended.written, last.count);
            note(&mut ended.changes, day, difference(last.count, written));
        }
        Changed {
            words,
            days: std::mem::take(&mut ended.changes),
            last: last
                .filter(|last| last.count > 0)
                .map(|last| Day::numbered(last.stretch.number)),
        }
    }

    /// Whether there is nothing that a cell which is made anew would not say as well: all is written, and the
    /// file keeps none of it for a gateway that starts `today`, where `first` is its first day; `None` where it
    /// keeps all. Only of a cell that nobody else holds that is so for longer than a moment.
    pub(super) fn says_nothing(&mut self, first: Option<Day>, today: Day) -> bool {
        let words = Words {
            used: *self.used.get_mut(),
            granted: *self.granted.get_mut(),
            bound: *self.bound.get_mut(),
        };
        let day = Tally::read(*self.day.get_mut());
        let is_over = day.is_none_or(|day| day.stretch.number < today.number());
        !*self.changed.get_mut() && is_over && !words.says_of(first)
    }

    /// Tells whoever writes it. Words are changed before: either this finds that it was not told yet, or
    /// whoever takes the changes finds those words.
    fn tell(&self) {
        if let Some(notice) = &self.notice
            && !self.changed.load(SeqCst)
            && !self.changed.swap(true, SeqCst)
        {
            notice.changes.add(notice.plan_key.clone());
        }
    }

    /// Takes one request of a quota. However many do so at once, a period never has more than its limit.
    ///
    /// # Errors
    /// There is none left, and nothing was taken.
    pub fn charge(&self, terms: &QuotaTerms, unix_seconds: u64) -> Result<Taken<'_>, Exhausted> {
        let mut word = self.used.load(SeqCst);
        let asked = loop {
            let asked = self.ask(word, terms, unix_seconds);
            if let Some(exhausted) = asked.exhausted {
                return Err(exhausted);
            }
            match self.put(word, asked) {
                Ok(()) => break asked,
                Err(other) => word = other,
            }
        };
        Ok(self.taken(Some(asked.used.stretch), unix_seconds))
    }

    /// Counts one request against a quota that is only watched, and says what that would have refused.
    pub fn watch(&self, terms: &QuotaTerms, unix_seconds: u64) -> (Taken<'_>, Option<Exhausted>) {
        let mut word = self.used.load(SeqCst);
        let asked = loop {
            let asked = self.ask(word, terms, unix_seconds);
            match self.put(word, asked) {
                Ok(()) => break asked,
                Err(other) => word = other,
            }
        };
        let taken = self.taken(Some(asked.used.stretch), unix_seconds);
        (taken, asked.exhausted)
    }

    /// Counts one request of a key whose plan has no quota, of which nothing is left then.
    pub fn count(&self, unix_seconds: u64) -> Taken<'_> {
        self.note_bound(0);
        self.taken(None, unix_seconds)
    }

    /// How the key stands, without changing that.
    #[must_use]
    pub fn standing(&self, terms: &QuotaTerms, unix_seconds: u64) -> Standing {
        let used = self.tally(terms.period, unix_seconds);
        let bound = used.bound(Tally::read(self.granted.load(SeqCst)), terms);
        Standing {
            used: used.count,
            remaining: bound.saturating_sub(used.count),
            end: used.stretch.end(),
            today: self.today(unix_seconds),
        }
    }

    /// Leaves the key so many requests in the present period, whatever its plan says; those that are being
    /// admitted meanwhile are of them. `period` is that of its quota; without one it is the one that was
    /// counted, or said something of, last. `remaining` is at most [`super::QUOTA_MAX`].
    ///
    /// # Errors
    /// None was counted.
    pub fn set_remaining(
        &self,
        remaining: u64,
        period: Option<Period>,
        unix_seconds: u64,
    ) -> Result<(), NoPeriod> {
        let found = || {
            let mut words = [&self.used, &self.granted].into_iter();
            words.find_map(|word| Tally::read(word.load(SeqCst)))
        };
        let period = period.or_else(|| Some(found()?.stretch.period));
        let period = period.ok_or(NoPeriod)?;
        let used = self.tally(period, unix_seconds);
        let granted = Tally::new(used.stretch, used.count.saturating_add(remaining));
        self.granted.store(granted.word(), SeqCst);
        self.bound.store(granted.word(), SeqCst);
        self.tell();
        Ok(())
    }

    /// What has been counted in the present period.
    fn tally(&self, period: Period, unix_seconds: u64) -> Tally {
        let found = Tally::read(self.used.load(SeqCst));
        Tally::at(found, period, || self.today(unix_seconds), unix_seconds)
    }

    /// What a quota says to a request that finds `word`.
    fn ask(&self, word: u64, terms: &QuotaTerms, unix_seconds: u64) -> Asked {
        let found = Tally::read(word);
        let granted = Tally::read(self.granted.load(SeqCst));
        let asked = Asked::new(
            found,
            granted,
            || self.today(unix_seconds),
            terms,
            unix_seconds,
        );
        self.note_bound(Tally::new(asked.used.stretch, asked.bound).word());
        asked
    }

    /// Counts a request that was asked about.
    ///
    /// # Errors
    /// The word has changed, and is not `word` any more.
    fn put(&self, word: u64, asked: Asked) -> Result<(), u64> {
        let next = asked.used.more().word();
        let put = self.used.compare_exchange_weak(word, next, SeqCst, SeqCst);
        put.map(|_replaced| ())
    }

    /// Keeps what a request was last judged by, for those who ask what is left.
    fn note_bound(&self, bound: u64) {
        if self.bound.load(SeqCst) != bound {
            self.bound.store(bound, SeqCst);
            self.tell();
        }
    }

    /// Counts a request for its day.
    fn taken(&self, stretch: Option<Stretch>, unix_seconds: u64) -> Taken<'_> {
        loop {
            let word = self.day.load(SeqCst);
            let found = Tally::read(word);
            let day = day_at(found, unix_seconds);
            match found.filter(|found| found.is_on(day)) {
                None => self.begin_day(found, day),
                Some(found) if self.change_day(word, found.more()) => {
                    self.tell();
                    return Taken {
                        cell: self,
                        stretch,
                        day,
                    };
                }
                Some(_) => {}
            }
        }
    }

    /// Whether the word of the day was still `word`, and says this now.
    fn change_day(&self, word: u64, tally: Tally) -> bool {
        let changed = self
            .day
            .compare_exchange_weak(word, tally.word(), SeqCst, SeqCst);
        changed.is_ok()
    }

    /// Begins a day where the one that was found is the last still, and notes what that had. Days begin under
    /// the lock only; until this one has, requests are counted for the last.
    fn begin_day(&self, found: Option<Tally>, day: Day) {
        let mut ended = self.ended();
        loop {
            let word = self.day.load(SeqCst);
            let last = Tally::read(word);
            if last.map(|last| last.stretch) != found.map(|found| found.stretch) {
                return;
            }
            if self.change_day(word, on_day(day, 0)) {
                let written = std::mem::take(&mut ended.written);
                if let Some(last) = last {
                    let requests = difference(last.count, written);
                    let day = Day::numbered(last.stretch.number);
                    note(&mut ended.changes, day, requests);
                }
                return;
            }
        }
    }

    /// Requests on the present day.
    fn today(&self, unix_seconds: u64) -> u64 {
        let found = Tally::read(self.day.load(SeqCst));
        let day = day_at(found, unix_seconds);
        let found = found.filter(|found| found.is_on(day));
        found.map_or(0, |found| found.count)
    }

    fn ended(&self) -> MutexGuard<'_, Ended> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken<'_> {
    /// Takes the request back, as if it had not been counted. What was counted in a period that has ended
    /// meanwhile stays counted in it.
    pub fn give_back(self) {
        let Self { cell, stretch, day } = self;
        if let Some(stretch) = stretch {
            cell.give_back_to_quota(stretch);
        }
        cell.give_back_to_day(day);
        cell.tell();
    }
}

impl QuotaCell {
    fn give_back_to_quota(&self, stretch: Stretch) {
        let mut word = self.used.load(SeqCst);
        while let Some(used) = Tally::read(word).filter(|used| used.stretch == stretch) {
            let next = used.less().word();
            match self.used.compare_exchange_weak(word, next, SeqCst, SeqCst) {
                Ok(_) => return,
                Err(other) => word = other,
            }
        }
    }

    fn give_back_to_day(&self, day: Day) {
        loop {
            let word = self.day.load(SeqCst);
            match Tally::read(word).filter(|found| found.is_on(day) && found.count > 0) {
                Some(found) if self.change_day(word, found.less()) => return,
                Some(_) => {}
                None => return note(&mut self.ended().changes, day, -1),
            }
        }
    }
}

/// How much more `count` is than what was `written`. Counts have 40 bits.
fn difference(count: u64, written: u64) -> i64 {
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    signed(count) - signed(written)
}

/// Adds to what a day has.
fn note(changes: &mut Vec<DayChange>, day: Day, requests: i64) {
    if requests == 0 {
        return;
    }
    match changes.iter_mut().find(|change| change.day == day) {
        Some(change) => change.requests = change.requests.saturating_add(requests),
        None => changes.push(DayChange { day, requests }),
    }
}

#[cfg(test)]
#[path = "cell_tests.rs"]
mod tests;
