//! How much the lists may hold.

use gateway_common::capacity::{LIST_EXACT_MAX, LIST_PREFIX_MAX};

use super::by_hand::BY_HAND_MAX;
use super::error::ListError;
use super::picture::Picture;
use super::table::Room;

/// How many entries there may be. Tests take small ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// On each list that is kept by hand.
    pub(super) by_hand: usize,
    /// Addresses of one family, on all lists together.
    pub(super) addresses: u32,
    /// Prefixes of one family, on all lists together.
    pub(super) prefixes: u32,
}

impl Default for Limits {
    /// What the kernel's tables hold, and what is still saved whole with every change.
    fn default() -> Self {
        Self {
            by_hand: BY_HAND_MAX,
            addresses: LIST_EXACT_MAX,
            prefixes: LIST_PREFIX_MAX,
        }
    }
}

impl Limits {
    /// Refuses what the kernel's tables could not hold, with or without a kernel: the lists outlive
    /// this run.
    pub(super) fn check(&self, picture: &Picture) -> Result<(), ListError> {
        // Counting out takes a walk through everything, so only where it could matter.
        if self.passed(picture.room_at_most()).is_none() {
            return Ok(());
        }
        match self.passed(picture.room()) {
            Some((what, max)) => Err(ListError::Full { what, max }),
            None => Ok(()),
        }
    }

    fn passed(&self, room: Room) -> Option<(&'static str, u32)> {
        [
            ("addresses", self.addresses, room.ipv4_hosts),
            ("addresses", self.addresses, room.ipv6_hosts),
            ("prefixes", self.prefixes, room.ipv4_prefixes),
            ("prefixes", self.prefixes, room.ipv6_prefixes),
        ]
        .into_iter()
        .find(|(_, max, count)| *count > *max as usize)
        .map(|(what, max, _)| (what, max))
    }
}
