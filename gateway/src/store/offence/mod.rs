//! Who goes on although it was told to wait, and who shows credentials that are none.
//!
//! Offences are counted per source and key. An *overage*, a request whose head came after a 429 with `Retry-After`
//! was written to the same pair and before the time that the last one said was over, is counted for the pair that
//! sent it; a failed authentication for the source alone, never for the identity that it claims. Each pair has a
//! bucket of offences that cost nothing. Whoever overdraws it is charged for each as for so many new connections
//! ([`OffenceKind::weight`]), and is slowed down, then cut off for a while, and for twice as long each time that it
//! comes back to it soon; a source that others share is held instead of cut, so that they see nothing of it. What was
//! remembered of a penalty is forgotten after ten times its length.
//!
//! This decides, and nothing else: what is done to connections and to the words of the kernel is the
//! listener's to do.

mod handshakes;
mod offences;
mod source;
mod tally;
#[cfg(test)]
mod handshake_tests;
#[cfg(test)]
mod room_tests;
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
    /// What is counted and logged of it; `None` where nothing more than the answer becomes of it.
    #[must_use]
    pub const fn measure(self) -> Option<Measure> {
        match self {
            Self::Tell => None,
            Self::Slow(_) => Some(Measure::Slowed),
            Self::Cut(_) => Some(Measure::Cut),
            Self::Hold(_) => Some(Measure::Held),
        }
    }
}

/// What is done to whoever offends, beside its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Its connection was not read for a while.
    Slowed,
    /// Its connection was broken off, and its source let in no more.
    Cut,
    /// Its connection was kept and its packets kept away.
    Held,
    /// Its handshake waited for its turn.
    HandshakeDelayed,
    /// Its connection was broken off before its handshake.
    HandshakeCapped,
}

impl Measure {
    /// Every one, in the order of the discriminants.
    pub const ALL: [Self; 5] = [
        Self::Slowed,
        Self::Cut,
        Self::Held,
        Self::HandshakeDelayed,
        Self::HandshakeCapped,
    ];

    /// As logs and metrics name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Slowed => "slowed",
            Self::Cut => "cut",
            Self::Held => "held",
            Self::HandshakeDelayed => "handshake_delayed",
            Self::HandshakeCapped => "handshake_capped",
        }
    }
}

/// What an offence is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffenceKind {
    /// A request before the time is over that its sender was told to wait.
    Overage,
    /// A signature that is wrong.
    BadSignature,
    /// A key that nobody knows.
    UnknownKey,
    /// A token that its issuer has not signed.
    ForgedToken,
}

impl OffenceKind {
    /// Every one, in the order of the discriminants.
    pub const ALL: [Self; 4] = [
        Self::Overage,
        Self::BadSignature,
        Self::UnknownKey,
        Self::ForgedToken,
    ];

    /// As how many new connections one is charged to its source, beyond those that cost nothing. Whoever cannot
    /// wait may have a clumsy client; who shows credentials that are none is guessing.
    #[must_use]
    pub const fn weight(self) -> u64 {
        match self {
            Self::Overage => 10,
            Self::BadSignature | Self::UnknownKey | Self::ForgedToken => 50,
        }
    }

    /// As metrics name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Overage => "overage",
            Self::BadSignature => "bad_signature",
            Self::UnknownKey => "unknown_key",
            Self::ForgedToken => "forged_token",
        }
    }
}
