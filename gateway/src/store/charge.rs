//! Charging several buckets: all of them or none.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gateway_common::limit::{Charge, Limit};
use gateway_common::slot::Slot;
use gateway_common::word::Word;

use super::bucket::{Buckets, owe_at_most};
use super::fleet::{Allowance, Claim, Verdict};
use super::lease::SlotLease;
use crate::clock;
use crate::model::Throttle;

/// One word to charge, and the slot whose counters tell of it.
#[derive(Clone, Debug)]
pub struct Account<'a> {
    tat: &'a AtomicU64,
    limit: &'a Limit,
    /// Where all gateways of the fleet share the limit: what this one has in hand. The word is then its
    /// share of it, by which it goes on where nobody says what others have used.
    across: Option<Arc<Allowance>>,
    slot: &'a Slot<AtomicU64>,
    /// Whether it only notes what it would refuse.
    is_monitored: bool,
}

/// How full a bucket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Requests that it admits at once from idle.
    pub burst: u64,
    /// Requests that it would admit now.
    pub left: u64,
    /// Nanoseconds in which an empty one is full again.
    pub refill_ns: u64,
    /// Nanoseconds until it is.
    pub full_in_ns: u64,
}

impl Level {
    /// Of a bucket whose word says `tat`.
    #[must_use]
    pub const fn new(limit: &Limit, tat: u64, now_ns: u64) -> Self {
        let (unit, burst_ns) = (limit.increment(1), limit.tolerance_ns);
        let owed_ns = tat.saturating_sub(now_ns);
        Self {
            burst: burst_ns / unit,
            left: burst_ns.saturating_sub(owed_ns) / unit,
            refill_ns: burst_ns,
            full_in_ns: owed_ns,
        }
    }
}

/// A bucket that refused, and how long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Which of the accounts: of several the first.
    pub at: usize,
    /// Nanoseconds until all of them would admit the same request.
    wait_ns: u64,
}

impl Refused {
    /// This one, with the wait of another that refuses the same request where that is longer.
    #[must_use]
    pub const fn longest(self, other: Self) -> Self {
        let is_longer = other.wait_ns > self.wait_ns;
        let wait_ns = if is_longer {
            other.wait_ns
        } else {
            self.wait_ns
        };
        Self {
            at: self.at,
            wait_ns,
        }
    }

    /// The smallest whole number of seconds, at least 1, after which the request may come again.
    #[must_use]
    pub const fn retry_after_seconds(&self) -> u64 {
        let seconds = self.wait_ns.div_ceil(1_000_000_000);
        if seconds == 0 { 1 } else { seconds }
    }
}

/// Limits of those who share one account with many: each has a word of its own as long as the table has
/// room, and beyond that they share the slot.
#[derive(Clone, Copy, Debug)]
pub struct CallerLimits<'a> {
    /// Of each.
    pub own: &'a Limit,
    /// Of those together for whom there is no room.
    pub overflow: &'a Limit,
    /// Whether it is only noted what would be refused.
    pub is_monitored: bool,
}

/// Nanoseconds by which a word may owe more than its limit can and is left alone: a worker whose request waited for
/// the processor comes with a moment that has passed, and cuts nothing of what others were charged since.
const MOMENTS_APART_NS: u64 = 1_000_000_000;

/// What a word of a caller that says `tat` owes until under `limit`, which may not be the one that it was charged
/// under: no more than the limit can owe.
#[must_use]
pub const fn owed_until(limit: &Limit, tat: u64, now_ns: u64) -> u64 {
    let most = now_ns.saturating_add(limit.tolerance_ns);
    if tat > most.saturating_add(MOMENTS_APART_NS) {
        most
    } else {
        tat
    }
}

/// Has a word of a caller owe no more than `limit` can. Nothing is written where it does not.
fn cut(tat: &AtomicU64, limit: &Limit, now_ns: u64) {
    let found = Word::load(tat);
    let until = owed_until(limit, found, now_ns);
    if until < found {
        owe_at_most(tat, until);
    }
}

/// What was taken of an account.
struct Taken<'a> {
    /// Of its word, unless that lost races.
    added: Option<Added<'a>>,
    /// Of what all gateways share.
    across: Option<Claim<'a>>,
}

impl Taken<'_> {
    fn give_back(self) {
        if let Some(claim) = self.across {
            claim.give_back();
        }
        if let Some(added) = self.added {
            added.give_back();
        }
    }
}

/// What has been added to a word.
struct Added<'a> {
    tat: &'a AtomicU64,
    increment_ns: u64,
    /// What the word said then.
    after: u64,
}

impl Added<'_> {
    /// Takes it back. A word is a moment in time. Until that has come all that was added is owed, and taking
    /// one charge away leaves the others; once it has come nothing is owed that could be given back. Others who
    /// give back as well may have left the word below what it said then: our own is owed still.
    fn give_back(self) {
        let mut found = Word::load(self.tat);
        loop {
            let now_ns = clock::monotonic_ns();
            if self.after <= now_ns || found <= now_ns {
                return;
            }
            match Word::compare_exchange(self.tat, found, found.saturating_sub(self.increment_ns)) {
                Ok(_) => return,
                Err(other) => found = other,
            }
        }
    }
}

impl<'a> Account<'a> {
    /// The account of a slot.
    #[must_use]
    pub fn of_slot(lease: &'a SlotLease, throttle: &'a Throttle) -> Self {
        let slot = lease.slot();
        Self {
            tat: &slot.tat,
            limit: throttle.here(),
            across: lease.across().cloned(),
            slot,
            is_monitored: throttle.is_monitored,
        }
    }

    /// The account of one of many who are told apart by `value` under the slot `parent`.
    ///
    /// Nobody looks through the words of callers when a limit changes: what one owes under another limit is cut
    /// when it comes next.
    #[must_use]
    pub fn of_one(
        buckets: &'a Buckets,
        parent: &'a SlotLease,
        value: &[u8],
        limits: CallerLimits<'a>,
        now_ns: u64,
    ) -> Self {
        let tag = buckets.caller_tag(parent.tag(), value);
        let slot = parent.slot();
        let line = buckets.caller_line(tag);
        let (tat, limit) = match line.find_or_claim(tag, now_ns, buckets.caller_yields_ns()) {
            Some(tat) => {
                cut(tat, limits.own, now_ns);
                (tat, limits.own)
            }
            None => {
                slot.shed.fetch_add(1, Ordering::Relaxed);
                buckets.count_shed();
                (&slot.tat, limits.overflow)
            }
        };
        Self {
            tat,
            limit,
            across: None,
            slot,
            is_monitored: limits.is_monitored,
        }
    }

    /// The same account, of a limit that all gateways share where there is an allowance.
    #[must_use]
    pub fn shared(self, across: Option<Arc<Allowance>>) -> Self {
        Self { across, ..self }
    }

    /// Whether it only notes what it would refuse.
    #[must_use]
    pub const fn is_monitored(&self) -> bool {
        self.is_monitored
    }

    /// Nanoseconds until a charge would be admitted; `None` if it would be now.
    #[must_use]
    pub fn wait(&self, now_ns: u64) -> Option<u64> {
        let across = self.across.as_ref();
        if let Some(wait_ns) = across.and_then(|across| across.wait(now_ns)) {
            return (wait_ns > 0).then_some(wait_ns);
        }
        let increment = self.limit.increment(1);
        let decided = self.limit.decide(Word::load(self.tat), now_ns, increment);
        decided.err()
    }

    /// How much of its burst is left, and when all of it is again.
    #[must_use]
    pub fn level(&self, now_ns: u64) -> Level {
        if let Some(level) = self.across.as_ref().and_then(|across| across.level()) {
            return level;
        }
        Level::new(self.limit, Word::load(self.tat), now_ns)
    }

    fn count_refusal(&self) {
        self.slot.rejected.fetch_add(1, Ordering::Relaxed);
    }

    /// Charges one request.
    ///
    /// # Errors
    /// The wait in nanoseconds where that is refused.
    fn charge(&self, now_ns: u64) -> Result<Taken<'_>, u64> {
        let Some(across) = &self.across else {
            return Ok(Taken {
                added: self.charge_word(now_ns)?,
                across: None,
            });
        };
        let (added, claim) = match across.take(now_ns) {
            // What is used counts for the share as well, so that a gateway that goes on alone does not begin
            // with all of it. What all gateways have decided, it does not refuse.
            Verdict::Admitted => {
                let added = self.charge_word(now_ns).ok().flatten();
                (added, Claim::taken(across, now_ns))
            }
            Verdict::Refused { wait_ns } => return Err(wait_ns),
            Verdict::Alone => (self.charge_word(now_ns)?, Claim::alone(across, now_ns)),
        };
        Ok(Taken {
            added,
            across: Some(claim),
        })
    }

    fn charge_word(&self, now_ns: u64) -> Result<Option<Added<'a>>, u64> {
        match self.limit.charge(self.tat, now_ns, 1) {
            Charge::Admitted { after, .. } => Ok(Some(Added {
                tat: self.tat,
                increment_ns: self.limit.increment(1),
                after,
            })),
            Charge::AdmittedAfterRaces => Ok(None),
            Charge::Limited { wait_ns } => Err(wait_ns),
        }
    }
}

/// Charges one request at `now_ns` (monotonic) to all accounts, or to none: first every bucket is asked
/// without writing, then each is charged, and one that loses its place to another worker in between has
/// the earlier ones give back what they took. Gives the first account that would have refused if it were
/// not only monitored; such a one is not charged.
///
/// # Errors
/// The first bucket that refuses, with the longest wait of all that do: only then does every bucket admit
/// the same request.
pub fn charge_all(accounts: &[Account<'_>], now_ns: u64) -> Result<Option<usize>, Refused> {
    match refusal(accounts, now_ns) {
        Some(refused) => {
            count_refusal(accounts, refused);
            Err(refused)
        }
        None => charge_asked(accounts, now_ns),
    }
}

/// As [`charge_all`], where [`refusal`] has just said that nothing refuses.
///
/// # Errors
/// A bucket that has lost its place since.
pub fn charge_asked(accounts: &[Account<'_>], now_ns: u64) -> Result<Option<usize>, Refused> {
    charge_each(accounts, 0, now_ns)
}

/// Counts a refusal that was not counted when it was found.
pub fn count_refusal(accounts: &[Account<'_>], refused: Refused) {
    if let Some(account) = accounts.get(refused.at) {
        account.count_refusal();
    }
}

/// What would refuse a request at `now_ns`. Nothing is charged, and nothing counted.
#[must_use]
pub fn refusal(accounts: &[Account<'_>], now_ns: u64) -> Option<Refused> {
    let enforced = accounts.iter().enumerate();
    let enforced = enforced.filter(|(_, account)| !account.is_monitored);
    let mut refused = enforced.filter_map(|(at, account)| Some((at, account.wait(now_ns)?)));
    let (at, wait_ns) = refused.next()?;
    let wait_ns = refused.map(|(_, wait_ns)| wait_ns).fold(wait_ns, u64::max);
    Some(Refused { at, wait_ns })
}

/// Charges the accounts from `at` on. Each level knows what its own account took, and gives that back where
/// a later one refuses.
fn charge_each(accounts: &[Account<'_>], at: usize, now_ns: u64) -> Result<Option<usize>, Refused> {
    let Some(account) = accounts.get(at) else {
        return Ok(None);
    };
    let rest = || charge_each(accounts, at + 1, now_ns);
    match account.charge(now_ns) {
        Ok(taken) => match rest() {
            Ok(noted) => {
                account.slot.admitted.fetch_add(1, Ordering::Relaxed);
                Ok(noted)
            }
            Err(refused) => {
                taken.give_back();
                Err(refused)
            }
        },
        Err(_) if account.is_monitored => {
            account.count_refusal();
            rest().map(|_later| Some(at))
        }
        Err(wait_ns) => {
            account.count_refusal();
            Err(Refused { at, wait_ns })
        }
    }
}

#[cfg(test)]
mod tests {
    use gateway_common::limit::Rate;

    use super::*;

    #[test]
    fn those_who_give_back_leave_nothing_owed_whoever_does_so_first() {
        let tat = AtomicU64::new(0);
        let limit = Limit::new(Rate::per_second(1), 10, 1).unwrap();
        let now = clock::monotonic_ns();
        let added = || match limit.charge(&tat, now, 1) {
            Charge::Admitted { after, .. } => Added {
                tat: &tat,
                increment_ns: limit.increment(1),
                after,
            },
            refused => panic!("{refused:?}"),
        };
        for turned in [false, true] {
            let (one, other) = (added(), added());
            let (first, last) = if turned { (other, one) } else { (one, other) };
            first.give_back();
            assert_eq!(Word::load(&tat), now + limit.increment(1));
            last.give_back();
            assert_eq!(Word::load(&tat), now);
        }
    }
}
