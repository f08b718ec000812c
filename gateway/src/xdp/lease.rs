//! The right to make events, which ends by itself.
//!
//! One word says until when drops become events. Whoever watches keeps moving that end; a reader
//! that was killed is over when it has passed. So the word is also what keeps a second reader out.

use std::time::Duration;

use gateway_common::event::{end_ns, watch};

use crate::clock;
use crate::store::control::ControlWords;

/// How long the program goes on making events after its reader was last heard of.
pub const LEASE: Duration = Duration::from_secs(5);
/// How often the word of another reader is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Held by the one reader.
#[derive(Debug)]
pub(super) struct Lease {
    control: ControlWords,
    /// What the word says, as long as it is ours.
    word: u64,
}

/// The word says what somebody else has written.
#[derive(Debug)]
pub(super) struct Lost;

impl Lease {
    /// Takes the word over, and makes no events yet. Where another reader has left it behind, that
    /// takes until its end; `None` where one keeps moving it.
    pub(super) fn take(control: ControlWords) -> Option<Self> {
        let found = control.events();
        // No reader promises more; a word that does is no reader's.
        let most_ns = clock::monotonic_ns().saturating_add(lease_ns());
        while clock::monotonic_ns() < end_ns(found).min(most_ns) {
            if control.events() != found {
                return None;
            }
            std::thread::sleep(LOOK);
        }
        let word = until(0);
        let taken = control.replace_events(found, word);
        taken.is_ok().then_some(Self { control, word })
    }

    /// Moves the end to [`LEASE`] from now; `sampling` is that of [`watch`].
    pub(super) fn renew(&mut self, sampling: u8) -> Result<(), Lost> {
        let next = until(sampling);
        match self.control.replace_events(self.word, next) {
            Ok(()) => {
                self.word = next;
                Ok(())
            }
            Err(_other) => Err(Lost),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        match self.control.replace_events(self.word, 0) {
            // What somebody else has written is theirs to end.
            Ok(()) | Err(_) => {}
        }
    }
}

fn until(sampling: u8) -> u64 {
    watch(sampling, clock::monotonic_ns().saturating_add(lease_ns()))
}

fn lease_ns() -> u64 {
    u64::try_from(LEASE.as_nanos()).unwrap_or(u64::MAX)
}
