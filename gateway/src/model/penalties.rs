//! What becomes of those who go on although they were told to wait.

use std::time::Duration;

use gateway_common::limit::{Limit, Rate};

/// When callers are penalised, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PenaltyRules {
    /// Whether they are; default off.
    pub mode: PenaltyMode,
    /// Offences of a key from one source, or of a source alone, that cost nothing; default 1 per second,
    /// burst 20.
    pub offences: Limit,
    /// The first time that a source is cut off; default 10 s.
    pub first: Duration,
    /// The longest; each but the first is twice as long as the one before. Default 10 min.
    pub most: Duration,
    /// TLS handshakes of a penalised source that no authorized request has followed; default 20 per
    /// second, burst 100.
    pub handshakes: Limit,
}

impl Default for PenaltyRules {
    fn default() -> Self {
        Self {
            mode: PenaltyMode::Off,
            offences: Self::free_offences(),
            first: Duration::from_secs(10),
            most: Duration::from_secs(600),
            handshakes: Self::unproven_handshakes(),
        }
    }
}

impl PenaltyRules {
    /// Longest penalty: more is not owed, see [`gateway_common::limit::DEBT_NS_MAX`].
    pub const LENGTH_MAX: Duration = Duration::from_secs(600);

    /// One per second, and twenty at once.
    #[must_use]
    pub fn free_offences() -> Limit {
        // Both are numbers that a limit can have.
        Limit::new(Rate::per_second(1), 20, 1).unwrap_or_default()
    }

    /// Twenty per second, which is below one percent of a core that makes a few thousand, and a hundred at
    /// once: so many newcomers behind one address may be between their handshake and its first answer.
    #[must_use]
    pub fn unproven_handshakes() -> Limit {
        Limit::new(Rate::per_second(20), 100, 1).unwrap_or_default()
    }
}

/// Whether anybody is penalised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PenaltyMode {
    /// Nobody, and nothing is counted.
    #[default]
    Off,
    /// Nobody, and it is said who would be.
    Monitor,
    /// Whoever has earned it.
    Enforce,
}
