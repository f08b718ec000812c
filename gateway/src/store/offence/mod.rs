//! Who goes on although it was told to wait, and who shows credentials that are none.
//!
//! Offences are counted per source and key. An *overage*, a request whose head came after a 429 with
//! `Retry-After` was written to the same pair and before that time was over, is counted for the pair that sent
//! it; a failed authentication for the source alone, never for the identity that it claims. Each pair has a bucket of
//! offences that cost nothing. Whoever overdraws it is slowed down, then cut off for a while, and for twice
//! as long each time that it comes back to it soon; a source that others share is held instead of cut, so
//! that they see nothing of it. What was remembered of a penalty is forgotten after ten times its length.
//!
//! This decides, and nothing else: what is done to connections and to the words of the kernel is the
//! listener's to do.

mod handshakes;
mod offences;
mod source;
#[cfg(test)]
mod handshake_tests;
#[cfg(test)]
mod tests;

pub use handshakes::{Handshake, PATIENCE};
pub use offences::{Offences, Penalised};

use std::time::Duration;

/// Whom an offence is counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Culprit {
    /// The source, as buckets tell sources apart.
    pub source: [u8; 16],
    /// What stands for its key; `None` where it has shown none that is one.
    pub key: Option<u64>,
}

/// What becomes of whoever has done it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is told, as everybody is.
    Tell,
    /// Its connection is not read for so long.
    Slow(Duration),
    /// Its connection ends at once, and its source opens no other one for so long.
    Cut(Duration),
    /// As [`Self::Cut`], of a source that others share: its connection stays and is not read for so long.
    Hold(Duration),
}

impl Step {
    /// As logs name it; `None` where nothing more than the answer becomes of it.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Tell => None,
            Self::Slow(_) => Some("slowed"),
            Self::Cut(_) => Some("cut"),
            Self::Hold(_) => Some("held"),
        }
    }
}
