//! The lists in the kernel's tables.
//!
//! Two generations, each with a lock of its own: while a list is staged in the spare one, changes
//! by hand reach the active one. Filters are shared words; whoever holds the lock of a generation
//! is the only writer of its half.

mod family;
mod filter;
mod generation;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use aya::maps::{MapData, PerCpuArray};
use gateway_common::counter::Counter;
use gateway_common::name::MAP_LIST_COUNTERS;

use super::error::EdgeError;
use super::lock;
use super::maps::ListTables;
use super::pins::Pins;
use super::switch::{Switch, map_error, wait_for_packets};
use crate::model::Prefix;
use crate::store::list::{Generation as Which, ListSink, Picture, SinkError};
use filter::{Filter4, Filter6};
use generation::Generation;

/// Keeps the kernel's tables at what the lists say.
pub(super) struct KernelLists {
    switch: Arc<Mutex<Switch>>,
    filter4: Filter4,
    filter6: Filter6,
    generations: [Mutex<Generation>; 2],
    counters: Mutex<PerCpuArray<MapData, Counter>>,
    /// The lock of the pins, where no daemon holds it.
    _pins: Option<Pins>,
}

impl fmt::Debug for KernelLists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KernelLists").finish_non_exhaustive()
    }
}

impl KernelLists {
    /// `is_fresh` says that the tables were never written.
    pub(super) fn new(
        switch: Arc<Mutex<Switch>>,
        tables: ListTables,
        is_fresh: bool,
        pins: Option<Pins>,
    ) -> Self {
        let seed = lock(&switch).seed();
        let [first, second] = tables.generations;
        Self {
            switch,
            filter4: Filter4(tables.filter4),
            filter6: Filter6 {
                words: tables.filter6,
                seed,
            },
            generations: [
                Mutex::new(Generation::new(0, first, is_fresh)),
                Mutex::new(Generation::new(1, second, is_fresh)),
            ],
            counters: Mutex::new(tables.counters),
            _pins: pins,
        }
    }

    fn generation(&self, which: Which) -> MutexGuard<'_, Generation> {
        let spare = lock(&self.switch).spare_list_generation();
        let number = match which {
            Which::Staged => spare,
            Which::Active => spare ^ 1,
        };
        let [first, second] = &self.generations;
        lock(if number == 0 { first } else { second })
    }

    /// Makes a generation the one that judges, with the flags that its picture needs.
    fn publish(&self, number: u32, picture: &Picture) -> Result<(), EdgeError> {
        let (is_empty, has_short) = (picture.is_empty(), picture.has_short_ipv6());
        lock(&self.switch).publish_lists(number, is_empty, has_short)
    }

    fn stage_all(&self, picture: &Picture) -> Result<(), EdgeError> {
        let mut spare = self.generation(Which::Staged);
        // Packets that saw it active may still be reading it.
        wait_for_packets()?;
        spare.clear(&self.filter4, &self.filter6)?;
        spare.fill(picture, &self.filter4, &self.filter6)
    }

    fn change_within(
        &self,
        which: Which,
        old: &Picture,
        new: &Picture,
        prefixes: &[Prefix],
    ) -> Result<(), EdgeError> {
        let mut generation = self.generation(which);
        let is_active = which == Which::Active;
        // A prefix for which the filter says nothing must be asked for before it is there, and
        // until after it is gone.
        if is_active && new.has_short_ipv6() && !old.has_short_ipv6() {
            self.publish_widened(generation.number, new)?;
        }
        generation.change(old, new, prefixes, &self.filter4, &self.filter6)?;
        if is_active {
            self.publish(generation.number, new)?;
        }
        Ok(())
    }

    fn publish_widened(&self, number: u32, picture: &Picture) -> Result<(), EdgeError> {
        lock(&self.switch).publish_lists(number, picture.is_empty(), true)
    }

    fn activate_staged(&self, picture: &Picture, kept: &[Prefix]) -> Result<(), EdgeError> {
        let number = {
            let mut active = self.generation(Which::Active);
            let mut staged = self.generation(Which::Staged);
            for prefix in kept {
                if let Some(hits) = active.hits_if_there(*prefix)? {
                    staged.set_hits(*prefix, hits)?;
                }
            }
            staged.number
        };
        self.publish(number, picture)
    }

    fn retire_spare(&self) -> Result<(), EdgeError> {
        let mut spare = self.generation(Which::Staged);
        wait_for_packets()?;
        spare.clear(&self.filter4, &self.filter6)
    }

    fn counted(&self, number: u16) -> Result<u64, EdgeError> {
        let per_cpu = lock(&self.counters)
            .get(&number.into(), 0)
            .map_err(map_error(MAP_LIST_COUNTERS))?;
        Ok(per_cpu.iter().map(|counter| counter.packets).sum())
    }
}

impl ListSink for KernelLists {
    fn stage(&self, picture: &Picture) -> Result<(), SinkError> {
        Ok(self.stage_all(picture)?)
    }

    fn change(
        &self,
        generation: Which,
        old: &Picture,
        new: &Picture,
        prefixes: &[Prefix],
    ) -> Result<(), SinkError> {
        Ok(self.change_within(generation, old, new, prefixes)?)
    }

    fn activate(&self, picture: &Picture, kept: &[Prefix]) -> Result<(), SinkError> {
        Ok(self.activate_staged(picture, kept)?)
    }

    fn retire(&self) -> Result<(), SinkError> {
        Ok(self.retire_spare()?)
    }

    fn hits(&self, prefix: Prefix) -> Result<Option<u64>, SinkError> {
        Ok(self.generation(Which::Active).hits(prefix)?)
    }

    fn list_hits(&self, number: u16) -> Result<u64, SinkError> {
        Ok(self.counted(number)?)
    }
}
