//! Who is refused most, of those whom nobody has named, for the command line.

use serde::{Deserialize, Serialize};

use crate::telemetry::heavy_hitters::HeavyHitters;

/// Callers that one answer lists.
const CALLERS_MAX: usize = 100;

/// A caller that is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThrottledReport {
    /// Tag of the limit: of a throttle that of its slot.
    pub throttle: u64,
    /// What it is told by there.
    pub caller: String,
    /// Requests of it that were refused, since the gateway has started: at most so many.
    pub rejected_max: u64,
    /// At least so many.
    pub rejected_min: u64,
}

pub(super) fn throttled(hitters: &HeavyHitters) -> Vec<ThrottledReport> {
    let top = hitters.top(CALLERS_MAX).into_iter();
    top.map(|hitter| ThrottledReport {
        throttle: hitter.throttle,
        caller: hitter.caller.into(),
        rejected_max: hitter.count,
        rejected_min: hitter.count.saturating_sub(hitter.error),
    })
    .collect()
}
