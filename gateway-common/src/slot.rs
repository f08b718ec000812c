//! Buckets for what the configuration names: routes today, keys and plans later.
//!
//! A slot is one 64-byte line with a bucket of its own. Its tag makes a pinned slot recognisable
//! after a restart: the daemon that comes back finds its routes by tag and keeps what they owe.

use crate::limit::Limit;

/// One configured bucket with its counters.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default)]
pub struct Slot<W> {
    /// Identity; zero means free.
    pub tag: W,
    /// Theoretical arrival time, see [`crate::limit`].
    pub tat: W,
    /// [`Limit::multiplier`] last configured.
    pub multiplier: W,
    /// [`Limit::tolerance_ns`] last configured.
    pub tolerance_ns: W,
    /// [`Limit::shift`] last configured.
    pub shift: W,
    /// Requests admitted.
    pub admitted: W,
    /// Requests refused by this bucket.
    pub rejected: W,
    /// Requests of keys that found their line full and were charged here as their parent.
    pub shed: W,
}

const _: () = assert!(size_of::<Slot<u64>>() == 64);

/// A slot as plain numbers.
pub type PlainSlot = Slot<u64>;

impl PlainSlot {
    /// The limit last configured for this slot.
    #[must_use]
    pub fn limit(&self) -> Limit {
        Limit {
            multiplier: self.multiplier,
            tolerance_ns: self.tolerance_ns,
            shift: u32::try_from(self.shift).unwrap_or(0),
            reserved: 0,
        }
    }
}
