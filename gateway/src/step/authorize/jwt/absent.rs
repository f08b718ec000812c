//! Names of keys that an issuer was just asked for and does not have.
//!
//! Who names one of them again is refused at once, instead of waiting for a fetch that cannot begin
//! yet: see [`super::KeySet`]. Every fetch forgets them, since it may have brought what was missing.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};

/// Most names that are remembered between two fetches. Beyond it they are not: whoever names such a
/// key again waits again.
pub(super) const ABSENT_MAX: usize = 4_096;

/// Absent names, as digests: whoever sends tokens chooses how long names are.
#[derive(Debug, Default)]
pub(super) struct AbsentKeys(Mutex<HashSet<[u8; 32]>>);

impl AbsentKeys {
    /// Remembers that there is no key `id`.
    pub(super) fn insert(&self, id: &str) {
        let mut absent = self.lock();
        if absent.len() < ABSENT_MAX {
            absent.insert(digested(id));
        }
    }

    /// Whether the issuer was seen to have no key `id`.
    pub(super) fn has(&self, id: &str) -> bool {
        self.lock().contains(&digested(id))
    }

    /// Forgets all of them.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    // A set is whole between any two of its changes, also where one of them panicked.
    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<[u8; 32]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn digested(id: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, id.as_bytes()).as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_remembered_up_to_a_bound_and_until_they_are_cleared() {
        let absent = AbsentKeys::default();
        for number in 0..=ABSENT_MAX {
            absent.insert(&number.to_string());
        }
        assert!(absent.has("0"));
        assert!(absent.has(&(ABSENT_MAX - 1).to_string()));
        assert!(!absent.has(&ABSENT_MAX.to_string()), "there was no room");
        absent.clear();
        assert!(!absent.has("0"));
        absent.insert(&ABSENT_MAX.to_string());
        assert!(absent.has(&ABSENT_MAX.to_string()));
    }
}
