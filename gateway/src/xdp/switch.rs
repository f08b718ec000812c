//! Telling the program what to do, all at once.
//!
//! Settings, rules and endpoints are double-buffered. A change writes the spare copies whole and then
//! moves one word; a packet sees the old state or the new one. Before a spare copy is written
//! again, every packet that could still be reading it has left: `membarrier(2)` with
//! `MEMBARRIER_CMD_GLOBAL` waits for a grace period of RCU, inside which each XDP run lies.

use std::collections::BTreeSet;
use std::time::Duration;

use gateway_common::bucket::Alone;
use gateway_common::capacity::{ENDPOINT_LINE_BITS, RULES_COUNT};
use gateway_common::endpoint::EndpointLine;
use gateway_common::name::{MAP_ENDPOINTS, MAP_NEWCOMERS, MAP_RULES, MAP_SETTINGS};
use gateway_common::settings::{
    FLAG_LIST_IPV6_SHORT, FLAG_LISTENERS, FLAG_LISTS, FLAG_OTHER_TRAFFIC, NEWCOMERS_COUNT,
    Rules as ListenerRules, Settings, rules_index,
};
use rustix::thread::{MembarrierCommand, membarrier};

use super::endpoints::EndpointTable;
use super::error::{EdgeError, system};
use super::maps::SwitchMaps;
use super::rules::Rules;
use crate::store::bucket::random_seed;
use crate::store::control::ControlWords;

/// Where the kernel cannot wait for us (`nohz_full`), how long a packet may take at most.
const PACKET_TIME_MAX: Duration = Duration::from_millis(20);

/// The settings in force and the maps to change them.
#[derive(Debug)]
pub(super) struct Switch {
    maps: SwitchMaps,
    active: u32,
    settings: Settings,
    /// The rules in force, by listener number.
    rules: Vec<ListenerRules>,
    table: EndpointTable,
    /// The endpoint lines that are not empty, by generation; `None` where an earlier run wrote.
    lines: [Option<BTreeSet<u32>>; 2],
}

impl Switch {
    /// Reads what is in force. Maps that were never written draw their seed now; whether they
    /// were is the second value.
    pub(super) fn open(maps: SwitchMaps) -> Result<(Self, bool), EdgeError> {
        let active = maps.control.active();
        let settings = maps
            .settings
            .get(&active, 0)
            .map_err(map_error(MAP_SETTINGS))?;
        let rules = (0..LISTENERS)
            .map(|listener| maps.rules.get(&rules_index(active, listener), 0))
            .collect::<Result<_, _>>()
            .map_err(map_error(MAP_RULES))?;
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
            let rules = switch.rules.clone();
            switch.commit(Settings { seed, ..settings }, &rules)?;
        }
        Ok((switch, is_fresh))
    }

    /// The words that steer the program from moment to moment.
    pub(super) fn control(&self) -> ControlWords {
        self.maps.control.clone()
    }

    pub(super) const fn seed(&self) -> u64 {
        self.settings.seed
    }

    /// The generation of the lists that is not in force.
    pub(super) const fn spare_list_generation(&self) -> u32 {
        (self.settings.list_generation & 1) ^ 1
    }

    /// Puts rules and endpoints in force.
    pub(super) fn publish(&mut self, rules: &Rules, table: EndpointTable) -> Result<(), EdgeError> {
        let next = rules.applied_to(self.settings);
        self.publish_with(next, &rules.by_listener, table)
    }

    /// Puts other endpoints in force under the same rules.
    pub(super) fn publish_endpoints(&mut self, table: EndpointTable) -> Result<(), EdgeError> {
        if table.is_same(&self.table) {
            return Ok(());
        }
        let rules = self.rules.clone();
        self.publish_with(self.settings, &rules, table)
    }

    fn publish_with(
        &mut self,
        mut next: Settings,
        rules: &[ListenerRules],
        table: EndpointTable,
    ) -> Result<(), EdgeError> {
        next.flags &= !(FLAG_LISTENERS | FLAG_OTHER_TRAFFIC);
        if !table.is_empty() {
            next.flags |= FLAG_LISTENERS;
        }
        if table.treats_other_traffic {
            next.flags |= FLAG_OTHER_TRAFFIC;
        }
        if !table.is_same(&self.table) {
            let spare = (self.settings.endpoint_generation & 1) ^ 1;
            self.write_endpoints(spare, &table)?;
            next.endpoint_generation = spare;
            next.endpoint_seed = table.seed;
        }
        self.commit(next, rules)?;
        self.table = table;
        Ok(())
    }

    /// Puts a generation of the lists in force.
    pub(super) fn publish_lists(
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
        let rules = self.rules.clone();
        self.commit(next, &rules)
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

    /// Writes the spare settings and rules and moves the word.
    fn commit(&mut self, next: Settings, rules: &[ListenerRules]) -> Result<(), EdgeError> {
        if next == self.settings && rules == self.rules {
            return Ok(());
        }
        let spare = self.active ^ 1;
        wait_for_packets()?;
        self.maps
            .settings
            .set(spare, next, 0)
            .map_err(map_error(MAP_SETTINGS))?;
        for (listener, rules) in (0..LISTENERS).zip(rules) {
            self.maps
                .rules
                .set(rules_index(spare, listener), rules, 0)
                .map_err(map_error(MAP_RULES))?;
        }
        self.maps.control.activate(spare);
        self.active = spare;
        let budgets = self.settings.newcomers;
        self.settings = next;
        self.rules = rules.to_vec();
        if next.newcomers == budgets {
            return Ok(());
        }
        // What was charged under another budget says nothing under this one.
        (0..NEWCOMERS).try_for_each(|which| {
            self.maps
                .newcomers
                .set(which, Alone::default(), 0)
                .map_err(map_error(MAP_NEWCOMERS))
        })
    }
}

/// Rules in one generation of their map.
#[expect(clippy::cast_possible_truncation, reason = "65")]
const LISTENERS: u32 = RULES_COUNT as u32;
/// Words that newcomers share.
#[expect(clippy::cast_possible_truncation, reason = "two")]
const NEWCOMERS: u32 = NEWCOMERS_COUNT as u32;

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
