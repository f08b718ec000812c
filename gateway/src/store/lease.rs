//! Slots in use: which snapshot still needs which bucket.
//!
//! A route's bucket belongs to its identity, not to a snapshot: the next snapshot with the same
//! route finds the same slot with everything it owes. A slot is given back when the last snapshot
//! that names it has gone, which may be long after a reload, when its last request has ended.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gateway_common::limit::Limit;
use gateway_common::slot::Slot;

use super::bucket::{Buckets, SlotIndex, SlotsFull, owe_at_most};
use super::fleet::{Allowance, BucketTerms, Fleet, Terms};
use crate::model::Throttle;

/// Every slot in use.
#[derive(Debug)]
pub struct SlotRegistry {
    buckets: Buckets,
    fleet: Fleet,
    leased: Mutex<HashMap<u64, (SlotIndex, usize)>>,
    keeping: AtomicBool,
}

/// One user of a slot.
#[derive(Debug)]
pub struct SlotLease {
    registry: Arc<SlotRegistry>,
    tag: u64,
    index: SlotIndex,
    /// Where all gateways of the fleet share the limit: what this one has in hand of it.
    across: Option<Arc<Allowance>>,
}

impl SlotRegistry {
    /// A registry over `buckets` in which nothing is in use, and of a gateway on its own.
    #[must_use]
    pub fn new(buckets: Buckets) -> Self {
        let (fleet, _nobody_asks) = Fleet::new(0);
        Self::in_fleet(buckets, fleet)
    }

    /// A registry over `buckets` in which nothing is in use, of a gateway of this fleet.
    #[must_use]
    pub fn in_fleet(buckets: Buckets, fleet: Fleet) -> Self {
        Self {
            buckets,
            fleet,
            leased: Mutex::default(),
            keeping: AtomicBool::new(true),
        }
    }

    /// The slot of `tag`, as it was left if it is known.
    ///
    /// # Errors
    /// All slots are in use.
    pub fn lease(self: &Arc<Self>, tag: u64) -> Result<SlotLease, SlotsFull> {
        let mut leased = self.leased.lock().unwrap_or_else(PoisonError::into_inner);
        let index = match leased.get_mut(&tag) {
            Some((index, users)) => {
                *users += 1;
                *index
            }
            None => {
                let index = self.buckets.claim_slot(tag)?;
                leased.insert(tag, (index, 1));
                index
            }
        };
        drop(leased);
        Ok(SlotLease {
            registry: Arc::clone(self),
            tag,
            index,
            across: None,
        })
    }

    /// The slot of `tag` for `throttle`, which is called `name` on all gateways where they share it.
    ///
    /// # Errors
    /// All slots are in use.
    pub fn lease_for(
        self: &Arc<Self>,
        tag: u64,
        throttle: &Throttle,
        name: impl FnOnce() -> String,
    ) -> Result<SlotLease, SlotsFull> {
        let mut lease = self.lease(tag)?;
        lease.across = throttle.share.map(|_| {
            let terms = Terms::Bucket(BucketTerms::new(&throttle.limit));
            self.fleet.named(tag, name, terms)
        });
        Ok(lease)
    }

    /// The limits that hold across gateways.
    #[must_use]
    pub const fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// From now on a slot is freed when its last user goes: the gateway has started. Until then a
    /// start that fails must not cost anybody's bucket.
    pub fn free_unused(&self) {
        self.keeping.store(false, Ordering::Relaxed);
    }

    /// From now on slots are left as they are when their last user goes: the gateway stops, and the
    /// next one is to find what was owed.
    pub fn keep_all(&self) {
        self.keeping.store(true, Ordering::Relaxed);
    }

    /// Frees slots that an earlier run left behind and whose tags are not `kept`. To be called
    /// before the first lease, so that they make room. Returns how many.
    pub fn retain(&self, kept: &HashSet<u64>) -> usize {
        self.buckets.retain_slots(kept)
    }
}

impl SlotLease {
    /// The words.
    #[must_use]
    pub fn slot(&self) -> &Slot<AtomicU64> {
        self.registry.buckets.slot(self.index)
    }

    /// Identity of the slot.
    #[must_use]
    pub const fn tag(&self) -> u64 {
        self.tag
    }

    /// What this gateway has in hand of the limit, where all gateways share it.
    #[must_use]
    pub const fn across(&self) -> Option<&Arc<Allowance>> {
        self.across.as_ref()
    }

    /// As [`Self::put_in_force`], with what all gateways share.
    pub fn put_throttle_in_force(&self, throttle: &Throttle, now_ns: u64) {
        if let Some(across) = &self.across {
            across.set_terms(Terms::Bucket(BucketTerms::new(&throttle.limit)));
        }
        self.put_in_force(throttle.here(), now_ns);
    }

    /// Notes the limit for whoever reads the slot, and cuts what is owed to what the new limit can
    /// owe, so that a lowered burst does not keep a bucket shut.
    pub fn put_in_force(&self, limit: &Limit, now_ns: u64) {
        let slot = self.slot();
        slot.multiplier.store(limit.multiplier, Ordering::Relaxed);
        slot.tolerance_ns
            .store(limit.tolerance_ns, Ordering::Relaxed);
        slot.shift.store(u64::from(limit.shift), Ordering::Relaxed);
        let ceiling = now_ns.saturating_add(limit.tolerance_ns);
        owe_at_most(&slot.tat, ceiling);
    }
}

impl Drop for SlotLease {
    fn drop(&mut self) {
        if self.registry.keeping.load(Ordering::Relaxed) {
            return;
        }
        let mut leased = self
            .registry
            .leased
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((index, users)) = leased.get_mut(&self.tag) {
            *users -= 1;
            if *users == 0 {
                self.registry.buckets.release_slot(*index);
                leased.remove(&self.tag);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use gateway_common::limit::Rate;

    use super::*;
    use crate::model::BucketTables;
    use crate::store::bucket::BootId;

    fn registry() -> (Arc<SlotRegistry>, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("buckets");
        let (buckets, _) =
            Buckets::open_file(&path, BootId([7; 16]), BucketTables::default()).unwrap();
        let registry = SlotRegistry::new(buckets);
        registry.free_unused();
        (Arc::new(registry), directory)
    }

    #[test]
    fn a_slot_lives_until_its_last_user_has_gone() {
        let (registry, _directory) = registry();
        let old = registry.lease(5).unwrap();
        old.slot().tat.store(77, Ordering::Relaxed);
        let new = registry.lease(5).unwrap();
        drop(old);
        assert_eq!(new.slot().tat.load(Ordering::Relaxed), 77);
        assert_eq!(registry.buckets.slots_claimed(), 1);
        drop(new);
        assert_eq!(registry.buckets.slots_claimed(), 0);
    }

    #[test]
    fn slots_of_an_earlier_run_are_found_by_tag_or_freed() {
        let (registry, _directory) = registry();
        for tag in [5, 6] {
            let index = registry.buckets.claim_slot(tag).unwrap();
            registry
                .buckets
                .slot(index)
                .tat
                .store(77, Ordering::Relaxed);
        }
        assert_eq!(registry.retain(&[5].into()), 1);
        let kept = registry.lease(5).unwrap();
        assert_eq!(kept.slot().tat.load(Ordering::Relaxed), 77);
        assert_eq!(registry.buckets.slots_claimed(), 1);
    }

    #[test]
    fn a_start_that_fails_and_a_stop_cost_nobody_a_bucket() {
        let (registry, _directory) = registry();
        registry.keep_all();
        let lease = registry.lease(5).unwrap();
        lease.slot().tat.store(77, Ordering::Relaxed);
        drop(lease);
        let again = registry.lease(5).unwrap();
        assert_eq!(again.slot().tat.load(Ordering::Relaxed), 77);
        let fresh = SlotRegistry::new(registry.buckets.clone());
        assert!(
            fresh.keeping.load(Ordering::Relaxed),
            "until it has started"
        );
    }

    #[test]
    fn a_lowered_burst_cuts_what_is_owed() {
        let (registry, _directory) = registry();
        let lease = registry.lease(5).unwrap();
        let (wide, narrow) = (
            Limit::new(Rate::per_second(1), 100, 1).unwrap(),
            Limit::new(Rate::per_second(1), 2, 1).unwrap(),
        );
        let now = 1_000_000_000_000;
        for _ in 0..100 {
            wide.charge(&lease.slot().tat, now, 1);
        }
        lease.put_in_force(&narrow, now);
        assert_eq!(
            lease.slot().tat.load(Ordering::Relaxed),
            now + narrow.tolerance_ns
        );
    }
}
