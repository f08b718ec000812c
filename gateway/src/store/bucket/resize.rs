//! Buckets of a run before, whose tables had another size.
//!
//! Tags say whose a bucket is, so what is owed goes over into tables of any size. Where those are smaller and
//! not everybody finds room, whoever owes most does.

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use gateway_common::bucket::{Line, Way};
use gateway_common::slot::Slot;

use super::Buckets;
use super::memory::Table;
use super::slots::words;
use crate::model::BucketTables;

/// What became of buckets in tables that changed their size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resized {
    /// How many buckets there were.
    pub before: BucketTables,
    /// How many there are.
    pub now: BucketTables,
    /// Throttles and API keys that owed something, for which there was no room.
    pub throttles_lost: usize,
    /// Callers who owed something, for whom there was no room.
    pub callers_lost: usize,
}

/// Arrays of the kernel edge that the run before has left, where their size is another one now.
#[derive(Clone, Copy, Debug)]
pub struct Outgrown<'fd> {
    /// As [`super::BucketMaps::slots`].
    pub slots: Option<BorrowedFd<'fd>>,
    /// As [`super::BucketMaps::callers`].
    pub callers: Option<BorrowedFd<'fd>>,
    /// How large both were.
    pub sizes: BucketTables,
}

impl Resized {
    /// Whether everything owed is owed still.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.throttles_lost == 0 && self.callers_lost == 0
    }
}

impl fmt::Display for Resized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            before,
            now,
            throttles_lost,
            callers_lost,
        } = self;
        write!(
            f,
            "there are buckets for {} throttles and {} callers now, and were for {} and {}: ",
            now.throttles(),
            now.callers(),
            before.throttles(),
            before.callers()
        )?;
        if self.is_whole() {
            return f.write_str("what was owed is owed still");
        }
        write!(
            f,
            "{throttles_lost} throttles and {callers_lost} callers found no room, and owe nothing any \
             more"
        )
    }
}

impl Buckets {
    /// Takes over what is owed in arrays of another size. To be called before anybody else knows these
    /// buckets.
    ///
    /// # Errors
    /// `mmap`'s; nothing was taken over then.
    pub fn take_over(&self, left: Outgrown<'_>, now_ns: u64) -> io::Result<Resized> {
        let Outgrown {
            slots,
            callers,
            sizes,
        } = left;
        let slots = slots.map(|fd| Table::map(fd, 0, sizes.throttle_bits()));
        let callers = callers.map(|fd| Table::map(fd, 0, sizes.caller_line_bits()));
        let (slots, callers) = (slots.transpose()?, callers.transpose()?);
        Ok(self.take_tables(slots.as_ref(), callers.as_ref(), sizes, now_ns))
    }

    /// As [`Self::take_over`], of tables that are mapped already.
    pub(super) fn take_tables(
        &self,
        slots: Option<&Table<Slot<AtomicU64>>>,
        callers: Option<&Table<Line<AtomicU64>>>,
        before: BucketTables,
        now_ns: u64,
    ) -> Resized {
        Resized {
            before,
            now: self.sizes(),
            throttles_lost: slots.map_or(0, |slots| self.take_slots(slots, now_ns)),
            callers_lost: callers.map_or(0, |callers| self.take_callers(callers, now_ns)),
        }
    }

    /// Returns how many found no room of those that owed something.
    fn take_slots(&self, left: &Table<Slot<AtomicU64>>, now_ns: u64) -> usize {
        let slots = (0..left.count()).map(|index| left.at(index));
        let used = slots.filter(|slot| slot.tag.load(Ordering::Acquire) != 0);
        let mut used: Vec<&Slot<AtomicU64>> = used.collect();
        used.sort_by_key(|slot| std::cmp::Reverse(slot.tat.load(Ordering::Acquire)));
        let mut lost = 0;
        for slot in used {
            match self.claim_slot(slot.tag.load(Ordering::Acquire)) {
                Ok(index) => {
                    let into = words(self.slot(index));
                    for (into, from) in into.into_iter().zip(words(slot)) {
                        into.store(from.load(Ordering::Acquire), Ordering::Release);
                    }
                }
                Err(_full) => lost += usize::from(slot.tat.load(Ordering::Acquire) > now_ns),
            }
        }
        lost
    }

    /// Returns how many found no room.
    fn take_callers(&self, left: &Table<Line<AtomicU64>>, now_ns: u64) -> usize {
        let lines = (0..left.count()).map(|index| left.at(index));
        let ways = lines.flat_map(|line| &line.ways);
        let owing = ways.filter_map(|Way { tag, tat }| {
            let (tag, tat) = (tag.load(Ordering::Acquire), tat.load(Ordering::Acquire));
            (tag != 0 && tat > now_ns).then_some((tat, tag))
        });
        let mut owing: Vec<(u64, u64)> = owing.collect();
        owing.sort_unstable_by(|one, other| other.cmp(one));
        let mut lost = 0;
        for (tat, tag) in owing {
            let line = self.caller_line(tag);
            if line.find(tag).is_some() {
                continue;
            }
            let mut ways = line.ways.iter();
            match ways.find(|way| way.tag.load(Ordering::Acquire) == 0) {
                Some(way) => {
                    way.tat.store(tat, Ordering::Release);
                    way.tag.store(tag, Ordering::Release);
                }
                None => lost += 1,
            }
        }
        lost
    }
}
