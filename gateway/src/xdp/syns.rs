//! New connections as the program has counted them, for the trip-wire.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use aya::maps::{MapData, PerCpuArray};
use gateway_common::counter::{Counter, counter_index};
use gateway_common::name::MAP_COUNTERS;
use gateway_common::reason::{Family, Reason, Verdict};

use super::error::EdgeError;
use super::maps;
use super::switch::map_error;

/// Every cell that only SYNs for listeners are counted in: those admitted, refused for their
/// source's rate or the newcomers' share, admitted as a trickle, answered with a cookie. Not among
/// them are SYNs that a list or the parser decided about, which cost next to nothing.
const CELLS: [(Verdict, Reason); 7] = [
    (Verdict::Pass, Reason::NewConnection),
    (Verdict::Drop, Reason::ConnectionRate),
    (Verdict::WouldDrop, Reason::ConnectionRate),
    (Verdict::Drop, Reason::NewcomerConnections),
    (Verdict::WouldDrop, Reason::NewcomerConnections),
    (Verdict::Pass, Reason::Trickle),
    (Verdict::Transmit, Reason::Cookie),
];

/// Reads how many SYNs for listeners were counted. Clones share the descriptor.
#[derive(Clone)]
pub struct SynReader(Arc<PerCpuArray<MapData, Counter>>);

impl fmt::Debug for SynReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SynReader").finish_non_exhaustive()
    }
}

impl SynReader {
    pub(super) fn open(directory: &Path) -> Result<Self, EdgeError> {
        let counters = maps::open_as(directory, MAP_COUNTERS)?;
        Ok(Self(Arc::new(counters)))
    }

    /// SYNs so far, over all CPUs: fourteen cells and nothing else are read. A SYN that is being
    /// judged meanwhile may be counted with the next reading; none is counted twice.
    ///
    /// # Errors
    /// A map operation's.
    pub fn read(&self) -> Result<u64, EdgeError> {
        let mut syns = 0_u64;
        for (verdict, reason) in CELLS {
            for family in [Family::Ipv4, Family::Ipv6] {
                let index = counter_index(verdict, reason, family);
                let per_cpu = self.0.get(&index, 0).map_err(map_error(MAP_COUNTERS))?;
                for counter in per_cpu.iter() {
                    syns = syns.wrapping_add(counter.packets);
                }
            }
        }
        Ok(syns)
    }
}
