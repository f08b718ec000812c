//! The words that steer the XDP program from moment to moment.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gateway_common::settings::{CONTROL_WORDS, Control};

use super::bucket::SharedWords;

/// Words of [`Control`], as a power of two.
const BITS: u32 = CONTROL_WORDS.trailing_zeros();

/// The mapped [`Control`]. Clones share the memory; every change is one store or one addition, and
/// the next packet sees it.
#[derive(Clone, Debug)]
pub struct ControlWords(Arc<SharedWords>);

impl ControlWords {
    /// Maps the array [`gateway_common::name::MAP_CONTROL`]. The descriptor may be closed
    /// afterwards.
    ///
    /// # Errors
    /// `mmap`'s: an array that is too small, or was created without `BPF_F_MMAPABLE`.
    pub fn map(fd: BorrowedFd<'_>) -> io::Result<Self> {
        Ok(Self(Arc::new(SharedWords::map(fd, BITS)?)))
    }

    /// Index of the settings in force, 0 or 1.
    #[must_use]
    pub fn active(&self) -> u32 {
        u32::from(self.at(Self::ACTIVE).load(Ordering::Acquire) & 1 == 1)
    }

    /// Puts the settings of an index in force.
    pub fn activate(&self, index: u32) {
        self.at(Self::ACTIVE)
            .store(u64::from(index & 1), Ordering::Release);
    }

    /// Whether the program acts as under attack.
    #[must_use]
    pub fn is_under_attack(&self) -> bool {
        self.at(Self::ATTACK).load(Ordering::Acquire) != 0
    }

    /// Makes the program act as under attack, or end that.
    pub fn set_under_attack(&self, is_under_attack: bool) {
        self.at(Self::ATTACK)
            .store(u64::from(is_under_attack), Ordering::Release);
    }

    /// Rows of the flow table, as the program is told.
    #[must_use]
    pub fn penalties(&self) -> u64 {
        self.at(Self::PENALTIES).load(Ordering::Acquire)
    }

    /// Says that the flow table gets one more row. Before the row is there: a row that nobody
    /// looks for would hold nobody back.
    pub fn add_penalty(&self) {
        self.at(Self::PENALTIES).fetch_add(1, Ordering::AcqRel);
    }

    /// Says that the flow table has one row less. After the row is gone.
    pub fn remove_penalty(&self) {
        self.at(Self::PENALTIES).fetch_sub(1, Ordering::AcqRel);
    }

    /// Says that the flow table is empty.
    pub fn clear_penalties(&self) {
        self.at(Self::PENALTIES).store(0, Ordering::Release);
    }

    /// Which drops become events: see [`Control::events`].
    #[must_use]
    pub fn events(&self) -> u64 {
        self.at(Self::EVENTS).load(Ordering::Acquire)
    }

    /// Says which drops become events: see [`Control::events`].
    ///
    /// # Errors
    /// What it says by now, where that is not what the caller knows: somebody else has said it.
    pub fn replace_events(&self, known: u64, watch: u64) -> Result<(), u64> {
        self.at(Self::EVENTS)
            .compare_exchange(known, watch, Ordering::AcqRel, Ordering::Acquire)
            .map(drop)
    }

    fn at(&self, word: u32) -> &AtomicU64 {
        self.0.at(word)
    }

    const ACTIVE: u32 = index_of(std::mem::offset_of!(Control, active));
    const ATTACK: u32 = index_of(std::mem::offset_of!(Control, attack));
    const PENALTIES: u32 = index_of(std::mem::offset_of!(Control, penalties));
    const EVENTS: u32 = index_of(std::mem::offset_of!(Control, events));
}

#[expect(clippy::cast_possible_truncation, reason = "below four")]
const fn index_of(offset: usize) -> u32 {
    (offset / size_of::<u64>()) as u32
}
