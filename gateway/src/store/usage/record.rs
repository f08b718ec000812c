//! What is written of a key's use, in memory and on its way to the disk.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::tally::{Stretch, Tally};
use crate::model::{ApiKeyId, Day, UsagePlanName};

/// A key under a usage plan: whose use it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlanKey {
    /// The plan.
    pub plan: UsagePlanName,
    /// The key.
    pub key: ApiKeyId,
}

/// What a cell says of a quota: words as they are in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) used: u64,
    pub(super) granted: u64,
    pub(super) bound: u64,
}

impl Words {
    /// Requests that are left in the period that `day` is in, where that is known.
    pub(super) fn remaining_on(self, day: Day) -> Option<u64> {
        let (used, bound) = (Tally::read(self.used)?, Tally::read(self.bound)?);
        let present = Stretch::of(used.stretch.period, day.begin());
        let is_known = used.stretch == present && bound.stretch == present;
        is_known.then(|| bound.count.saturating_sub(used.count))
    }

    /// Whether they say anything of a period that had not ended on the `first` day that is kept, or of any
    /// where all are.
    pub(super) fn says_of(self, first: Option<Day>) -> bool {
        let words = [self.used, self.granted].into_iter();
        let mut periods = words.filter_map(Tally::read);
        periods.any(|tally| first.is_none_or(|first| tally.stretch.end() > first.begin()))
    }

    /// Whether there is nothing to keep.
    pub(super) fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// What a key used on one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayUse {
    /// Requests.
    pub used: u64,
    /// Requests that were left of the quota when the day's last one was counted; `None` without a quota,
    /// and where all requests of a day came within a second of its end.
    pub remaining: Option<u64>,
}

/// What a day has more than was written of it, or less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DayChange {
    pub(super) day: Day,
    pub(super) requests: i64,
}

/// What has become of a cell since it was asked the last time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Changed {
    pub(super) words: Words,
    pub(super) days: Vec<DayChange>,
    /// The last day with requests: that of which the words say what remains.
    pub(super) last: Option<Day>,
}

/// Whose cells have changed, each once: no more than there are.
#[derive(Debug, Default)]
pub(super) struct Changes(Mutex<Vec<PlanKey>>);

impl Changes {
    pub(super) fn add(&self, plan_key: PlanKey) {
        self.list().push(plan_key);
    }

    pub(super) fn take(&self) -> Vec<PlanKey> {
        std::mem::take(&mut *self.list())
    }

    fn list(&self) -> MutexGuard<'_, Vec<PlanKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
