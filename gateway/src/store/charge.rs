//! Charging several buckets: all of them or none.

use std::sync::atomic::{AtomicU64, Ordering};

use gateway_common::limit::{Charge, Limit};
use gateway_common::slot::Slot;
use gateway_common::word::Word;

use super::bucket::Buckets;
use super::lease::SlotLease;

/// One word to charge, and the slot whose counters tell of it.
#[derive(Clone, Copy, Debug)]
pub struct Account<'a> {
    /// The word.
    pub tat: &'a AtomicU64,
    /// Its limit.
    pub limit: &'a Limit,
    /// The slot.
    pub slot: &'a Slot<AtomicU64>,
}

/// A bucket that refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Which of the accounts.
    pub at: usize,
    /// Nanoseconds until all of them would admit the same request.
    wait_ns: u64,
}

impl Refused {
    /// The smallest whole number of seconds, at least 1, after which the request may come again.
    #[must_use]
    pub const fn retry_after_seconds(&self) -> u64 {
        let seconds = self.wait_ns.div_ceil(1_000_000_000);
        if seconds == 0 { 1 } else { seconds }
    }
}

impl<'a> Account<'a> {
    /// The account of a slot.
    #[must_use]
    pub fn of_slot(lease: &'a SlotLease, limit: &'a Limit) -> Self {
        let slot = lease.slot();
        let tat = &slot.tat;
        Self { tat, limit, slot }
    }

    /// The account of one of many who are told apart by `value` under the slot `parent`. Where the
    /// table has no room, it is that slot, under `overflow`.
    #[must_use]
    pub fn of_one(
        buckets: &'a Buckets,
        parent: &'a SlotLease,
        value: &[u8],
        (limit, overflow): (&'a Limit, &'a Limit),
        now_ns: u64,
    ) -> Self {
        let tag = buckets.caller_tag(parent.tag(), value);
        let slot = parent.slot();
        let line = buckets.caller_line(tag);
        match line.find_or_claim(tag, now_ns, limit) {
            Some(tat) => Self { tat, limit, slot },
            None => {
                slot.shed.fetch_add(1, Ordering::Relaxed);
                let (tat, limit) = (&slot.tat, overflow);
                Self { tat, limit, slot }
            }
        }
    }

    /// Nanoseconds until a charge would be admitted; `None` if it would be now.
    fn wait(&self, now_ns: u64) -> Option<u64> {
        let increment = self.limit.increment(1);
        let decided = self.limit.decide(Word::load(self.tat), now_ns, increment);
        decided.err()
    }

    fn refuse(&self, at: usize, wait_ns: u64) -> Refused {
        self.slot.rejected.fetch_add(1, Ordering::Relaxed);
        Refused { at, wait_ns }
    }
}

/// Charges one request at `now_ns` (monotonic) to all accounts, or to none: first every bucket is asked
/// without writing, then each is charged, and a charge that loses its place to another worker in between
/// takes the earlier one back.
///
/// # Errors
/// The bucket that refused, and of several the one that refuses longest.
pub fn charge_all(accounts: [Option<Account<'_>>; 2], now_ns: u64) -> Result<(), Refused> {
    let numbered = || {
        let numbered = accounts.iter().enumerate();
        numbered.filter_map(|(at, account)| Some((at, account.as_ref()?)))
    };
    let refused = numbered().filter_map(|(at, it)| Some((at, it, it.wait(now_ns)?)));
    // The longest wait: only then does every bucket admit the same request.
    if let Some((at, account, wait_ns)) = refused.max_by_key(|(_, _, wait_ns)| *wait_ns) {
        return Err(account.refuse(at, wait_ns));
    }
    let mut charged: Option<(&Account<'_>, u64, u64)> = None;
    for (at, account) in numbered() {
        match account.limit.charge(account.tat, now_ns, 1) {
            Charge::Admitted { before, after } => charged = Some((account, before, after)),
            Charge::AdmittedAfterRaces => {}
            Charge::Limited { wait_ns } => {
                if let Some((earlier, before, after)) = charged {
                    // Only an untouched word may be put back; one that others have charged since
                    // stays charged, which errs to the strict side.
                    match Word::compare_exchange(earlier.tat, after, before) {
                        Ok(_) | Err(_) => {}
                    }
                }
                return Err(account.refuse(at, wait_ns));
            }
        }
    }
    for (_, account) in numbered() {
        account.slot.admitted.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}
