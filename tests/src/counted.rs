//! What the program has counted.

use gateway::xdp::EdgeHandle;
use gateway::xdp::stats::{Snapshot, VerdictCount};
use gateway_common::reason::{Family, Reason, Verdict};

/// What the program has counted up to one moment.
#[derive(Debug)]
pub struct Counted(pub Snapshot);

impl Counted {
    /// By an edge of this process.
    ///
    /// # Panics
    /// When its maps cannot be read.
    #[must_use]
    pub fn by(edge: &EdgeHandle) -> Self {
        Self(edge.statistics().read().expect("it can be read"))
    }

    /// Packets with this verdict and reason, of every family.
    #[must_use]
    pub fn packets(&self, verdict: Verdict, reason: Reason) -> u64 {
        Family::ALL
            .iter()
            .map(|family| self.of(verdict, reason, *family))
            .sum()
    }

    /// Packets with this verdict, reason and family.
    #[must_use]
    pub fn of(&self, verdict: Verdict, reason: Reason, family: Family) -> u64 {
        let same = |count: &&VerdictCount| {
            (count.verdict, count.reason, count.family) == (verdict, reason, family)
        };
        self.0
            .verdicts
            .iter()
            .find(same)
            .map_or(0, |count| count.counter.packets)
    }

    /// All packets.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0
            .verdicts
            .iter()
            .map(|count| count.counter.packets)
            .sum()
    }
}
