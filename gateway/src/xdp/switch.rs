//! Telling the program what to do, all at once.
//!
//! Settings and endpoints are double-buffered. A change writes the spare copies whole and then
//! moves one word; a packet sees the old state or the new one. Before a spare copy is written
//! again, every packet that could still be reading it has left: `membarrier(2)` with
//! `MEMBARRIER_CMD_GLOBAL` waits for a grace period of RCU, inside which each XDP run lies.

use std::collections::BTreeSet;
use std::time::Duration;

use std::sync::atomic::Ordering;

use gateway_common::address::{Class, KIND_CONNECTIONS, KIND_PACKETS};
use gateway_common::capacity::ENDPOINT_LINE_BITS;
use gateway_common::endpoint::EndpointLine;
use gateway_common::name::{MAP_ENDPOINTS, MAP_RULES, MAP_SETTINGS};
use gateway_common::settings::{
    self, FLAG_LIST_IPV6_SHORT, FLAG_LISTENERS, FLAG_LISTS, FLAG_UNPARSED_PASS, RULE_KINDS,
    Settings, SourceLimit,
};
use rustix::thread::{MembarrierCommand, membarrier};

use super::endpoints::EndpointTable;
use super::error::{EdgeError, system};
use super::maps::SwitchMaps;
use crate::model::{Edge, SourceRate, UnparsedToUs};
use crate::store::bucket::{random_seed, source_limit};

/// Index of `Control::active` among its words.
const ACTIVE: u32 = 0;
/// Ticks that a burst must be worth for the coarse clock to serve.
const COARSE_TICKS_MIN: u128 = 4;
/// Where the kernel cannot wait for us (`nohz_full`), how long a packet may take at most.
const PACKET_TIME_MAX: Duration = Duration::from_millis(20);

/// The settings in force and the maps to change them.
#[derive(Debug)]
pub(super) struct Switch {
    maps: SwitchMaps,
    active: u32,
    settings: Settings,
    rules: Rules,
    table: EndpointTable,
    /// The endpoint lines that are not empty, by generation; `None` where an earlier run wrote.
    lines: [Option<BTreeSet<u32>>; 2],
}

/// What a configuration asks of the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rules {
    limits: [SourceLimit; RULE_KINDS],
    unparsed_pass: bool,
}

impl Rules {
    pub(super) fn of(edge: &Edge, tick_ns: u64, seed: u64) -> Self {
        let mut limits = [SourceLimit::default(); RULE_KINDS];
        let kinds = [
            (KIND_CONNECTIONS, edge.connections.as_ref()),
            (KIND_PACKETS, edge.packets.as_ref()),
        ];
        for (kind, rate) in kinds {
            if let Some(limit) = limits.get_mut(kind as usize) {
                *limit = SourceLimit {
                    precise: u64::from(rate.is_some_and(|rate| is_precise(rate, tick_ns))),
                    ..source_limit(rate, Class::new(kind, 0, seed))
                };
            }
        }
        Self {
            limits,
            unparsed_pass: edge.unparsed_to_us == UnparsedToUs::Pass,
        }
    }
}

/// Whether a burst is worth less than four ticks, so that a clock read once per tick would not do.
fn is_precise(rate: &SourceRate, tick_ns: u64) -> bool {
    const MICRO_NANOS: u128 = 1_000_000 * 1_000_000_000;
    let four_ticks =
        COARSE_TICKS_MIN * u128::from(rate.rate_micro_per_second) * u128::from(tick_ns);
    u128::from(rate.burst) * MICRO_NANOS < four_ticks
}

impl Switch {
    /// Reads what is in force. Maps that were never written draw their seed now; whether they
    /// were is the second value.
    pub(super) fn open(maps: SwitchMaps) -> Result<(Self, bool), EdgeError> {
        let active = u32::from(maps.control.at(ACTIVE).load(Ordering::Acquire) & 1 == 1);
        let settings = maps
            .settings
            .get(&active, 0)
            .map_err(map_error(MAP_SETTINGS))?;
        // What is in force stays in force when somebody opens the maps to change something else.
        let in_force = maps
            .rules
            .get(&settings::rules_index(active, 0), 0)
            .map_err(map_error(MAP_RULES))?;
        let rules = Rules {
            limits: in_force.limits,
            unparsed_pass: settings.flags & FLAG_UNPARSED_PASS != 0,
        };
        let is_fresh = settings.seed == 0;
        let empty = is_fresh.then(BTreeSet::new);
        let mut switch = Self {
            maps,
            active,
            settings,
            rules,
            table: EndpointTable::default(),
            lines: [empty.clone(), empty],
        };
        if is_fresh {
            // The seed is kept before anything is placed under it.
            let seed = random_seed().map_err(system("drawing a seed"))?;
            switch.commit(Settings { seed, ..settings }, rules)?;
        }
        Ok((switch, is_fresh))
    }

    pub(super) const fn seed(&self) -> u64 {
        self.settings.seed
    }

    /// The generation of the deny list that is not in force.
    pub(super) const fn spare_list_generation(&self) -> u32 {
        (self.settings.list_generation & 1) ^ 1
    }

    /// Puts rules and endpoints in force.
    pub(super) fn publish(&mut self, rules: &Rules, table: EndpointTable) -> Result<(), EdgeError> {
        let mut next = self.settings;
        next.flags &= !(FLAG_UNPARSED_PASS | FLAG_LISTENERS);
        if rules.unparsed_pass {
            next.flags |= FLAG_UNPARSED_PASS;
        }
        if !table.is_empty() {
            next.flags |= FLAG_LISTENERS;
        }
        if !table.is_same(&self.table) {
            let spare = (self.settings.endpoint_generation & 1) ^ 1;
            self.write_endpoints(spare, &table)?;
            next.endpoint_generation = spare;
            next.endpoint_seed = table.seed;
        }
        self.commit(next, *rules)?;
        self.table = table;
        Ok(())
    }

    /// Puts other endpoints in force under the same rules.
    pub(super) fn publish_endpoints(&mut self, table: EndpointTable) -> Result<(), EdgeError> {
        if table.is_same(&self.table) {
            return Ok(());
        }
        let rules = self.rules;
        self.publish(&rules, table)
    }

    /// Puts a generation of the deny list in force.
    pub(super) fn publish_deny(
        &mut self,
        generation: u32,
        is_empty: bool,
        has_short_ipv6: bool,
    ) -> Result<(), EdgeError> {
        let mut next = self.settings;
        next.list_generation = generation;
        next.flags &= !(FLAG_LISTS | FLAG_LIST_IPV6_SHORT);
        if !is_empty {
            next.flags |= FLAG_LISTS;
        }
        if has_short_ipv6 {
            next.flags |= FLAG_LIST_IPV6_SHORT;
        }
        self.commit(next, self.rules)
    }

    fn write_endpoints(&mut self, generation: u32, table: &EndpointTable) -> Result<(), EdgeError> {
        wait_for_packets()?;
        let held = match self.lines.get_mut(generation as usize & 1) {
            Some(held) => held.take(),
            None => None,
        };
        let stale = held.unwrap_or_else(|| (0..1 << ENDPOINT_LINE_BITS).collect());
        let base = generation << ENDPOINT_LINE_BITS;
        let mut write = |index: u32, line: EndpointLine| {
            self.maps
                .endpoints
                .set(base | index, line, 0)
                .map_err(map_error(MAP_ENDPOINTS))
        };
        for &index in stale
            .iter()
            .filter(|index| !table.lines.contains_key(index))
        {
            write(index, EndpointLine::default())?;
        }
        for (&index, &line) in &table.lines {
            write(index, line)?;
        }
        if let Some(held) = self.lines.get_mut(generation as usize & 1) {
            *held = Some(table.lines.keys().copied().collect());
        }
        Ok(())
    }

    /// Writes the spare settings and moves the word.
    fn commit(&mut self, next: Settings, rules: Rules) -> Result<(), EdgeError> {
        if next == self.settings && rules == self.rules {
            return Ok(());
        }
        let spare = self.active ^ 1;
        wait_for_packets()?;
        self.maps
            .settings
            .set(spare, next, 0)
            .map_err(map_error(MAP_SETTINGS))?;
        let same = settings::Rules {
            limits: rules.limits,
            monitor: 0,
        };
        for index in settings::rules_index(spare, 0)..settings::rules_index(spare + 1, 0) {
            self.maps
                .rules
                .set(index, same, 0)
                .map_err(map_error(MAP_RULES))?;
        }
        let active = self.maps.control.at(ACTIVE);
        active.store(u64::from(spare), Ordering::Release);
        self.active = spare;
        self.settings = next;
        self.rules = rules;
        Ok(())
    }
}

/// Returns once every packet that was being judged at the call has left the program.
pub(super) fn wait_for_packets() -> Result<(), EdgeError> {
    match membarrier(MembarrierCommand::Global) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            std::thread::sleep(PACKET_TIME_MAX);
            Ok(())
        }
        Err(error) => Err(super::error::errno("membarrier")(error)),
    }
}

pub(super) fn map_error(name: &'static str) -> impl Fn(aya::maps::MapError) -> EdgeError {
    move |source| EdgeError::Map { name, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway_common::limit::{Limit, Rate};

    #[test]
    fn a_burst_of_less_than_four_ticks_asks_for_the_precise_clock() {
        let rate = |per_second: u64, burst: u64| SourceRate {
            source: Limit::new(Rate::per_second(per_second), burst, 1).unwrap(),
            aggregate: Limit::OFF,
            rate_micro_per_second: per_second * 1_000_000,
            burst,
        };
        let tick = 4_000_000;
        // Four ticks of 4 ms at 1,000 per second are 16 units.
        assert!(is_precise(&rate(1_000, 15), tick));
        assert!(!is_precise(&rate(1_000, 16), tick));
        assert!(!is_precise(&rate(100, 1_000), tick));
        assert!(is_precise(&rate(1_000_000, 1_000), tick));
    }
}
