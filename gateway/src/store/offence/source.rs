//! What is remembered of one source.

use std::sync::Arc;
use std::time::Duration;

use arrayvec::ArrayVec;
use gateway_common::limit::Limit;

use super::Step;
use super::handshakes::Handshakes;
use crate::model::PenaltyRules;
use crate::store::bucket::ns;

/// Keys of one source that are remembered.
pub(super) const KEYS_MAX: usize = 8;
/// How long it takes at most until who was told could have heard of it.
const HEARING: Duration = Duration::from_secs(1);
/// Whoever goes on although it was told has offended by then; whoever has not is waiting.
const HEEDED: Duration = Duration::from_secs(2);
/// How long a key is remembered to have behaved.
const BEHAVED: Duration = Duration::from_secs(60);
/// Of whoever still behaves that is told at least this often.
const RETOLD: Duration = Duration::from_secs(15);
/// A penalty is remembered for so many times its length.
const MEMORY: u32 = 10;

/// One source.
#[derive(Debug, Default)]
pub(super) struct Source {
    keys: ArrayVec<Key, KEYS_MAX>,
    /// Until when one counts as behaving for which there is no room: those who share an address with as many
    /// offenders as are remembered must not be cut off with them.
    others_behave_until: u64,
    pub(super) handshakes: Handshakes,
}

/// One of its keys, or what it does without any.
#[derive(Debug)]
struct Key {
    key: Option<u64>,
    /// When it was told to wait, and until when; zeros where it was not.
    told: (u64, u64),
    /// Until when it counts as one that behaves.
    behaved_until: u64,
    /// What it owes for offences.
    tat: u64,
    penalty: Option<Penalty>,
    /// What it is called, once it has been punished.
    name: Option<Arc<str>>,
}

/// What it was punished with last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Penalty {
    is_slow: bool,
    length: Duration,
    /// When it ends.
    pub(super) until: u64,
}

/// Until when those count as behaving at most who make room for whoever is told to wait or offends, one after the
/// other as long as there is none: nobody who behaves, those who may have stopped, and everybody. An address of
/// which that is forgotten is one that nobody has offended from, and of those who behave there it is told again soon.
pub(super) fn spare_until(now_ns: u64) -> [u64; 3] {
    let may_have_stopped = now_ns.saturating_add(ns(BEHAVED.saturating_sub(RETOLD)));
    [now_ns, may_have_stopped, u64::MAX]
}

impl Source {
    /// Whether nothing of it has to be remembered.
    pub(super) fn is_idle(&self, now_ns: u64) -> bool {
        let is_capped = now_ns < self.handshakes.capped_until;
        !is_capped && self.keys.iter().all(|key| key.is_idle(now_ns))
    }

    /// Whether others may have its room: it has not offended, waits where it was told to, and counts as one that
    /// behaves until then at most.
    pub(super) fn is_spare(&self, behaves_until: u64, now_ns: u64) -> bool {
        let is_capped = now_ns < self.handshakes.capped_until;
        let are_spare = self
            .keys
            .iter()
            .all(|key| key.is_spare(behaves_until, now_ns));
        !is_capped && are_spare && self.others_behave_until <= behaves_until
    }

    /// Notes that requests of this key are admitted.
    pub(super) fn behaves(&mut self, key: Option<u64>, now_ns: u64) {
        let until = now_ns.saturating_add(ns(BEHAVED));
        match self.key(key, now_ns) {
            Some(key) => key.behaved_until = until,
            None => self.others_behave_until = until,
        }
    }

    /// Notes that it was told to wait, and says whether it should have known; `None` where there is no room
    /// for it.
    pub(super) fn is_told(
        &mut self,
        key: Option<u64>,
        arrived_ns: u64,
        (now_ns, wait): (u64, Duration),
    ) -> Option<bool> {
        let key = self.key(key, now_ns)?;
        let (at, until) = key.told;
        let is_overage = arrived_ns < until && arrived_ns >= at.saturating_add(ns(HEARING));
        // What it heard last is what it goes by. Whoever does not wait has known since it heard first.
        let since = if now_ns < until { at } else { now_ns };
        key.told = (since, now_ns.saturating_add(ns(wait)));
        Some(is_overage)
    }

    /// Counts an offence, and says what becomes of it; `None` where there is no room for the key. `name` is
    /// what operators call it.
    pub(super) fn offends(
        &mut self,
        key: Option<u64>,
        name: impl FnOnce() -> Arc<str>,
        (now_ns, wait): (u64, Duration),
        rules: &PenaltyRules,
    ) -> Option<Step> {
        let is_shared = self.is_shared(key, now_ns);
        let key = self.key(key, now_ns)?;
        if key.is_free(&rules.offences, now_ns) {
            return Some(Step::Tell);
        }
        if key.key.is_some() {
            key.name.get_or_insert_with(name);
        }
        let (penalty, step) = key.punish((now_ns, wait), rules, is_shared);
        self.handshakes.cap(penalty.capped_until());
        Some(step)
    }

    /// Cuts it off for so long at least, as an operator asks for. `None` where there is no room to remember
    /// that.
    pub(super) fn cut_off(&mut self, length: Duration, now_ns: u64) -> Option<()> {
        let asked = Penalty {
            is_slow: false,
            length,
            until: now_ns.saturating_add(ns(length)),
        };
        self.handshakes.cap(asked.capped_until());
        let key = self.key(None, now_ns)?;
        // A short one by hand takes nothing back of what it has come to by itself.
        let known = key.penalty.filter(|it| it.is_remembered(now_ns));
        key.penalty = Some(match known {
            Some(known) if known.until > asked.until && !known.is_slow => known,
            Some(known) => Penalty {
                length: known.length.max(length),
                ..asked
            },
            None => asked,
        });
        Some(())
    }

    /// Its penalties that have not ended, with what their keys are called.
    pub(super) fn penalties(
        &self,
        now_ns: u64,
    ) -> impl Iterator<Item = (Option<Arc<str>>, Penalty)> {
        let keys = self.keys.iter();
        keys.filter_map(move |key| {
            let penalty = key.penalty.filter(|penalty| penalty.until > now_ns)?;
            Some((key.name.clone(), penalty))
        })
    }

    /// Whether another key of it behaves. One that was penalised itself speaks for nobody: whoever goes on with
    /// two keys is admitted with each now and then.
    fn is_shared(&self, key: Option<u64>, now_ns: u64) -> bool {
        let mut others = self.keys.iter().filter(|other| other.key != key);
        let is_one_known = others.any(|other| {
            other.key.is_some() && other.behaved_until > now_ns && !other.was_penalised(now_ns)
        });
        is_one_known || self.others_behave_until > now_ns
    }

    /// What is remembered of a key. Of too many the one is forgotten that matters least; `None` where each of
    /// them has offended.
    fn key(&mut self, key: Option<u64>, now_ns: u64) -> Option<&mut Key> {
        let known = self.keys.iter().position(|known| known.key == key);
        if known.is_none() && self.keys.is_full() {
            let keys = self.keys.iter().enumerate();
            let spare = keys.filter(|(_, key)| !key.has_offended(now_ns));
            let (least, _) = spare.min_by_key(|(_, key)| key.weight(now_ns))?;
            let forgotten = self.keys.remove(least);
            let until = &mut self.others_behave_until;
            *until = (*until).max(forgotten.behaved_until);
        }
        let place = match known {
            Some(place) => place,
            None => {
                self.keys.push(Key {
                    key,
                    told: (0, 0),
                    behaved_until: 0,
                    tat: 0,
                    penalty: None,
                    name: None,
                });
                self.keys.len() - 1
            }
        };
        self.keys.get_mut(place)
    }
}

impl Key {
    fn is_idle(&self, now_ns: u64) -> bool {
        let last = self.told.1.max(self.behaved_until);
        last <= now_ns && !self.has_offended(now_ns)
    }

    /// Whether it owes something for offences, or was penalised not long ago.
    fn has_offended(&self, now_ns: u64) -> bool {
        self.tat > now_ns || self.was_penalised(now_ns)
    }

    fn was_penalised(&self, now_ns: u64) -> bool {
        self.penalty.is_some_and(|it| it.is_remembered(now_ns))
    }

    fn is_spare(&self, behaves_until: u64, now_ns: u64) -> bool {
        !self.has_offended(now_ns) && self.behaved_until <= behaves_until && self.heeds(now_ns)
    }

    /// Whether it could have gone on since it was told, and has not.
    fn heeds(&self, now_ns: u64) -> bool {
        now_ns >= self.told.0.saturating_add(ns(HEEDED))
    }

    /// How much it matters that one is remembered that has not offended. Least one that is not to wait now,
    /// then one that does wait, the sooner its time is over the less. Of those that may yet go on the last to
    /// come gives way: were it the first, whoever has one key more than there is room for would never be
    /// found to go on with any.
    fn weight(&self, now_ns: u64) -> (u8, u64) {
        let (at, until) = self.told;
        if until <= now_ns {
            (0, self.behaved_until)
        } else if self.heeds(now_ns) {
            (1, until)
        } else {
            (2, u64::MAX - at)
        }
    }

    /// Whether the bucket of its offences has one more that costs nothing.
    fn is_free(&mut self, offences: &Limit, now_ns: u64) -> bool {
        match offences.decide(self.tat, now_ns, offences.increment(1)) {
            Ok(after) => {
                self.tat = after;
                true
            }
            Err(_wait) => false,
        }
    }

    fn punish(
        &mut self,
        (now_ns, wait): (u64, Duration),
        rules: &PenaltyRules,
        is_shared: bool,
    ) -> (Penalty, Step) {
        let known = self.penalty.filter(|it| it.is_remembered(now_ns));
        let (is_slow, length) = match known {
            None => (true, wait.min(rules.first)),
            Some(Penalty {
                is_slow,
                length,
                until,
            }) if now_ns < until => (is_slow, length),
            Some(Penalty { is_slow: true, .. }) => (false, rules.first),
            Some(Penalty { length, .. }) => (false, (length * 2).min(rules.most)),
        };
        // One that has begun goes on to its own end, whoever else it meets.
        let until = match known {
            Some(penalty) if now_ns < penalty.until => penalty.until,
            Some(_) | None => now_ns.saturating_add(ns(length)),
        };
        let penalty = Penalty {
            is_slow,
            length,
            until,
        };
        self.penalty = Some(penalty);
        let left = Duration::from_nanos(until.saturating_sub(now_ns));
        let step = match (is_slow, is_shared) {
            (true, _) => Step::Slow(left),
            (false, true) => Step::Hold(left),
            (false, false) => Step::Cut(left),
        };
        (penalty, step)
    }
}

impl Penalty {
    fn is_remembered(&self, now_ns: u64) -> bool {
        now_ns < self.until.saturating_add(ns(self.length * MEMORY))
    }

    /// Until when handshakes of its source are charged: for as long again, so that whoever goes on meets
    /// the next penalty before that.
    fn capped_until(&self) -> u64 {
        self.until.saturating_add(ns(self.length))
    }

    /// Whether it only slows down.
    pub(super) const fn is_slow(&self) -> bool {
        self.is_slow
    }
}
