//! Reading what the program counted, with or without a daemon.
//!
//! Counters are read by system call, one per cell and about a microsecond each; so whoever needs
//! only a part reads only that part. Nothing is judged from these figures.

mod debt;
mod pinned;

use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

use aya::maps::{MapData, PerCpuArray, PerCpuValues};
use aya::util::nr_cpus;
use gateway_common::capacity::{LIST_MAX, RULES_COUNT};
use gateway_common::counter::{Counter, Incident, counter_index, listener_counter_index};
use gateway_common::name::{
    MAP_CONTROL, MAP_COUNTERS, MAP_INCIDENTS, MAP_LIST_COUNTERS, MAP_LISTENER_COUNTERS,
};
use gateway_common::reason::{Family, Reason, Verdict};
use gateway_common::slot::PlainSlot;

pub use debt::{ClassLimit, Debts, DebtsReader, kind_name};
pub use pinned::{Pinned, open_pinned};

use super::error::{EdgeError, system};
use super::lock;
use super::maps::StatisticsMaps;
use super::switch::map_error;
use crate::model::BucketTables;
use crate::store::bucket::{FileReading, read_slots};

/// What was counted up to one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Every cell that is not zero, in the order of the counters.
    pub verdicts: Vec<VerdictCount>,
    /// Every cell of a listener that is not zero, in the order of the counters. Empty where no
    /// kernel judges.
    pub listeners: Vec<ListenerCount>,
    /// Every list that decided, in the order of their numbers. Empty where no kernel judges.
    pub lists: Vec<ListCount>,
    /// Every incident with its count.
    pub incidents: Vec<(Incident, u64)>,
    /// Slots in use.
    pub slots: Vec<PlainSlot>,
    /// How many buckets there are.
    pub sizes: Option<BucketTables>,
    /// How the edge stands; `None` where no kernel judges.
    pub posture: Option<Posture>,
}

/// One cell of the statistics, summed over the CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerdictCount {
    /// What became of the packets.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// Their family.
    pub family: Family,
    /// Packets and bytes; where no kernel judges, connections and no bytes.
    pub counter: Counter,
}

/// What became of the packets for one listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerCount {
    /// Number of the listener in the configuration's order, counted from one.
    pub listener: u32,
    /// What became of the packets.
    pub verdict: Verdict,
    /// Packets and bytes.
    pub counter: Counter,
}

/// The packets that one list decided about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListCount {
    /// Its number, see [`gateway_common::list`].
    pub list: u32,
    /// Packets and bytes.
    pub counter: Counter,
}

/// The words that change from moment to moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Posture {
    /// Sources that are not vouched for share the budgets of newcomers.
    pub is_under_attack: bool,
    /// Flows that are penalised.
    pub flow_rows: u64,
}

/// Reads the statistics of an attached edge, as often as asked. Clones share the descriptors.
#[derive(Clone, Debug)]
pub struct StatisticsReader(Arc<StatisticsMaps>);

impl StatisticsReader {
    pub(super) fn open(directory: &Path) -> Result<Self, EdgeError> {
        StatisticsMaps::open(directory).map(|maps| Self(Arc::new(maps)))
    }

    /// Everything counted so far. About a millisecond.
    ///
    /// # Errors
    /// A map operation's.
    pub fn read(&self) -> Result<Snapshot, EdgeError> {
        Ok(Snapshot {
            verdicts: self.verdicts()?,
            listeners: self.listeners()?,
            lists: self.lists()?,
            incidents: self.incidents()?,
            slots: self.slots()?,
            sizes: Some(self.0.sizes),
            posture: Some(self.posture()?),
        })
    }

    fn slots(&self) -> Result<Vec<PlainSlot>, EdgeError> {
        let (fd, sizes) = (self.0.slots.fd().as_fd(), self.0.sizes);
        read_slots(fd, sizes.throttle_bits()).map_err(system("mmap of the slots"))
    }

    /// The verdicts alone: see [`Snapshot::verdicts`].
    ///
    /// # Errors
    /// A map operation's.
    pub fn verdicts(&self) -> Result<Vec<VerdictCount>, EdgeError> {
        verdicts(|index| summed(&self.0.counters, MAP_COUNTERS, index))
    }

    /// The listeners alone: see [`Snapshot::listeners`].
    ///
    /// # Errors
    /// A map operation's.
    pub fn listeners(&self) -> Result<Vec<ListenerCount>, EdgeError> {
        let mut counts = Vec::new();
        // The first set of rules is the host's, which is no listener.
        for listener in numbers(RULES_COUNT).skip(1) {
            for verdict in Verdict::ALL {
                let index = listener_counter_index(listener, verdict);
                let counter = summed(&lock(&self.0.listeners), MAP_LISTENER_COUNTERS, index)?;
                if counter != Counter::default() {
                    counts.push(ListenerCount {
                        listener,
                        verdict,
                        counter,
                    });
                }
            }
        }
        Ok(counts)
    }

    /// The lists alone: see [`Snapshot::lists`].
    ///
    /// # Errors
    /// A map operation's.
    pub fn lists(&self) -> Result<Vec<ListCount>, EdgeError> {
        let mut counts = Vec::new();
        for list in numbers(LIST_MAX) {
            let counter = summed(&lock(&self.0.lists), MAP_LIST_COUNTERS, list)?;
            if counter != Counter::default() {
                counts.push(ListCount { list, counter });
            }
        }
        Ok(counts)
    }

    /// The incidents alone: see [`Snapshot::incidents`].
    ///
    /// # Errors
    /// A map operation's.
    pub fn incidents(&self) -> Result<Vec<(Incident, u64)>, EdgeError> {
        let mut incidents = Vec::with_capacity(Incident::ALL.len());
        for &incident in Incident::ALL {
            let index = incident as u32;
            let per_cpu = self.0.incidents.get(&index, 0);
            let per_cpu = per_cpu.map_err(map_error(MAP_INCIDENTS))?;
            incidents.push((incident, per_cpu.iter().sum()));
        }
        Ok(incidents)
    }

    /// How the edge stands.
    ///
    /// # Errors
    /// A map operation's.
    pub fn posture(&self) -> Result<Posture, EdgeError> {
        let control = self.0.control.get(&0, 0);
        let control = control.map_err(map_error(MAP_CONTROL))?;
        Ok(Posture {
            is_under_attack: control.attack != 0,
            flow_rows: control.penalties,
        })
    }

    /// Starts the counters of a listener at zero, because its number stands for another one now.
    /// A packet that is counted at the same moment may survive.
    ///
    /// # Errors
    /// A map operation's.
    pub fn forget_listener(&self, listener: u32) -> Result<(), EdgeError> {
        for verdict in Verdict::ALL {
            let index = listener_counter_index(listener, verdict);
            clear(&self.0.listeners, MAP_LISTENER_COUNTERS, index)?;
        }
        Ok(())
    }

    /// As [`Self::forget_listener`], of a list.
    ///
    /// # Errors
    /// A map operation's.
    pub fn forget_list(&self, list: u32) -> Result<(), EdgeError> {
        clear(&self.0.lists, MAP_LIST_COUNTERS, list)
    }
}

/// One cell, summed over the CPUs.
fn summed(
    map: &PerCpuArray<MapData, Counter>,
    name: &'static str,
    index: u32,
) -> Result<Counter, EdgeError> {
    let per_cpu = map.get(&index, 0).map_err(map_error(name))?;
    Ok(per_cpu.iter().fold(Counter::default(), |sum, one| Counter {
        packets: sum.packets.wrapping_add(one.packets),
        bytes: sum.bytes.wrapping_add(one.bytes),
    }))
}

fn clear(
    map: &Mutex<PerCpuArray<MapData, Counter>>,
    name: &'static str,
    index: u32,
) -> Result<(), EdgeError> {
    let cpus = nr_cpus().map_err(|(call, error)| system(call)(error))?;
    let zeros = PerCpuValues::try_from(vec![Counter::default(); cpus])
        .map_err(system("counting the CPUs"))?;
    lock(map).set(index, zeros, 0).map_err(map_error(name))
}

/// The numbers below `count`.
fn numbers(count: usize) -> std::ops::Range<u32> {
    0..u32::try_from(count).unwrap_or(u32::MAX)
}

/// Every cell that is not zero.
fn verdicts<E>(counter: impl Fn(u32) -> Result<Counter, E>) -> Result<Vec<VerdictCount>, E> {
    let mut counts = Vec::new();
    for verdict in Verdict::ALL {
        for &reason in Reason::ALL {
            for family in Family::ALL {
                let counter = counter(counter_index(verdict, reason, family))?;
                if counter != Counter::default() {
                    counts.push(VerdictCount {
                        verdict,
                        reason,
                        family,
                        counter,
                    });
                }
            }
        }
    }
    Ok(counts)
}

impl From<FileReading> for Snapshot {
    fn from(reading: FileReading) -> Self {
        let counter = |index: u32| {
            let cell = reading.counters.get(index as usize);
            Ok::<_, std::convert::Infallible>(cell.copied().unwrap_or_default())
        };
        let incidents = Incident::ALL.iter().map(|&incident| {
            let count = reading.incidents.get(incident as usize);
            (incident, count.copied().unwrap_or(0))
        });
        let Ok(verdicts) = verdicts(counter);
        Self {
            verdicts,
            listeners: Vec::new(),
            lists: Vec::new(),
            incidents: incidents.collect(),
            slots: reading.slots,
            sizes: Some(reading.sizes),
            posture: None,
        }
    }
}
