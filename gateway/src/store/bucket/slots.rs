//! Who owns which slot.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};

use gateway_common::bucket::mix;
use gateway_common::slot::Slot;

use super::memory::Table;

/// Number of a claimed slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotIndex(pub(super) u32);

/// All slots are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "all {count} buckets of throttles are taken: name fewer throttles, or raise `buckets.throttles`"
)]
pub struct SlotsFull {
    /// How many there are.
    pub count: u32,
}

/// Which tags hold which slots: what the tags in shared memory say, indexed for the one thread
/// that claims and releases.
#[derive(Debug)]
pub(super) struct Owners {
    by_tag: HashMap<u64, SlotIndex>,
}

impl Owners {
    /// Reads the tags found: a restart finds the slots of the run before.
    pub(super) fn read(slots: &Table<Slot<AtomicU64>>) -> Self {
        let by_tag = (0..slots.count())
            .filter_map(|index| match slots.at(index).tag.load(Ordering::Acquire) {
                0 => None,
                tag => Some((tag, SlotIndex(index))),
            })
            .collect();
        Self { by_tag }
    }

    pub(super) fn claim(
        &mut self,
        slots: &Table<Slot<AtomicU64>>,
        tag: u64,
    ) -> Result<SlotIndex, SlotsFull> {
        let tag = tag.max(1);
        if let Some(&found) = self.by_tag.get(&tag) {
            return Ok(found);
        }
        let count = slots.count();
        // The upper bits, scaled to the slots there are.
        let start = (u128::from(mix(tag, 0)) * u128::from(count)) >> u64::BITS;
        let start = u32::try_from(start).unwrap_or(0);
        let index = (0..count)
            .map(|step| start.wrapping_add(step) % count)
            .find(|&index| slots.at(index).tag.load(Ordering::Acquire) == 0)
            .ok_or(SlotsFull { count })?;
        clear(slots.at(index));
        slots.at(index).tag.store(tag, Ordering::Release);
        self.by_tag.insert(tag, SlotIndex(index));
        Ok(SlotIndex(index))
    }

    pub(super) fn release(&mut self, slots: &Table<Slot<AtomicU64>>, index: SlotIndex) {
        let slot = slots.at(index.0);
        self.by_tag.remove(&slot.tag.swap(0, Ordering::AcqRel));
        clear(slot);
    }

    /// Releases every slot whose tag is not in `kept`; returns how many.
    pub(super) fn retain(&mut self, slots: &Table<Slot<AtomicU64>>, kept: &HashSet<u64>) -> usize {
        let gone: Vec<SlotIndex> = self
            .by_tag
            .iter()
            .filter(|(tag, _)| !kept.contains(tag))
            .map(|(_, &index)| index)
            .collect();
        for &index in &gone {
            self.release(slots, index);
        }
        gone.len()
    }

    pub(super) fn count(&self) -> usize {
        self.by_tag.len()
    }
}

fn clear(slot: &Slot<AtomicU64>) {
    for word in words(slot) {
        word.store(0, Ordering::Release);
    }
}

/// Everything but the tag.
pub(super) const fn words(slot: &Slot<AtomicU64>) -> [&AtomicU64; 7] {
    let Slot {
        tag: _,
        tat,
        multiplier,
        tolerance_ns,
        shift,
        admitted,
        rejected,
        shed,
    } = slot;
    [
        tat,
        multiplier,
        tolerance_ns,
        shift,
        admitted,
        rejected,
        shed,
    ]
}
