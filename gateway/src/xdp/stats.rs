//! Reading what the program counted, with or without a daemon.

use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::Arc;

use gateway_common::counter::{Counter, Incident, counter_index};
use gateway_common::name::{MAP_CONTROL, MAP_COUNTERS, MAP_INCIDENTS};
use gateway_common::reason::{Family, Reason, Verdict};
use gateway_common::slot::PlainSlot;

use super::error::{EdgeError, system};
use super::interfaces::carried;
use super::maps::{self, StatisticsMaps};
use super::switch::map_error;
use super::{Attachment, Mode};
use super::{occupant, pins};
use crate::model::InstanceName;
use crate::store::bucket::{FileReading, read_slots};

/// Verdicts in the order of the counters.
const VERDICTS: [Verdict; 4] = [
    Verdict::Pass,
    Verdict::Drop,
    Verdict::Transmit,
    Verdict::WouldDrop,
];

/// Families in the order of the counters.
const FAMILIES: [Family; 3] = [Family::Other, Family::Ipv4, Family::Ipv6];

/// What was counted up to one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Every cell that is not zero, in the order of the counters.
    pub verdicts: Vec<VerdictCount>,
    /// Every incident with its count.
    pub incidents: Vec<(Incident, u64)>,
    /// Slots in use.
    pub slots: Vec<PlainSlot>,
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

/// Reads the statistics of an attached edge, as often as asked. Clones share the descriptors.
#[derive(Clone, Debug)]
pub struct StatisticsReader(Arc<StatisticsMaps>);

impl StatisticsReader {
    pub(super) fn open(directory: &Path) -> Result<Self, EdgeError> {
        StatisticsMaps::open(directory).map(|maps| Self(Arc::new(maps)))
    }

    /// Everything counted so far. About half a millisecond.
    ///
    /// # Errors
    /// A map operation's.
    pub fn read(&self) -> Result<Snapshot, EdgeError> {
        let counter = |index: u32| {
            let per_cpu = self
                .0
                .counters
                .get(&index, 0)
                .map_err(map_error(MAP_COUNTERS))?;
            Ok::<_, EdgeError>(per_cpu.iter().fold(Counter::default(), |sum, one| Counter {
                packets: sum.packets.wrapping_add(one.packets),
                bytes: sum.bytes.wrapping_add(one.bytes),
            }))
        };
        let mut incidents = Vec::with_capacity(Incident::ALL.len());
        for &incident in Incident::ALL {
            let index = incident as u32;
            let per_cpu = self
                .0
                .incidents
                .get(&index, 0)
                .map_err(map_error(MAP_INCIDENTS))?;
            incidents.push((incident, per_cpu.iter().sum()));
        }
        Ok(Snapshot {
            verdicts: verdicts(counter)?,
            incidents,
            slots: read_slots(self.0.slots.fd().as_fd()).map_err(system("mmap of the slots"))?,
        })
    }
}

/// Every cell that is not zero.
fn verdicts<E>(counter: impl Fn(u32) -> Result<Counter, E>) -> Result<Vec<VerdictCount>, E> {
    let mut counts = Vec::new();
    for verdict in VERDICTS {
        for &reason in Reason::ALL {
            for family in FAMILIES {
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
            incidents: incidents.collect(),
            slots: reading.slots,
        }
    }
}

/// The pinned edge of an instance, read from outside.
#[derive(Debug)]
pub struct Pinned {
    /// Its statistics.
    pub statistics: StatisticsReader,
    /// Interfaces of this network namespace that carry its program.
    pub attachments: Vec<Attachment>,
}

/// Opens what an instance has pinned; `None` where it has not pinned anything.
///
/// # Errors
/// `Pin` or `Map` where this user may not read it, or where it is not of this layout version.
pub fn open_pinned(instance: &InstanceName) -> Result<Option<Pinned>, EdgeError> {
    let directory = pins::directory(instance);
    match std::fs::metadata(&directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(pins::pin_error("stat", &directory, error)),
        Ok(_) => {}
    }
    Ok(Some(Pinned {
        statistics: StatisticsReader::open(&directory)?,
        attachments: attachments(&directory)?,
    }))
}

/// The interfaces of this network namespace whose program uses the pinned maps: also those of a
/// link that is not pinned, because it is to go with its gateway. Programs can be looked into by
/// root only; others see the pinned links.
fn attachments(directory: &Path) -> Result<Vec<Attachment>, EdgeError> {
    let control = maps::id(directory, MAP_CONTROL)?;
    let linked = pins::linked(directory)?;
    let names =
        nix::net::if_::if_nameindex().map_err(|error| system("if_nameindex")(error.into()))?;
    let mut attachments = Vec::new();
    for entry in &names {
        let Some(found) = carried(entry.index())? else {
            continue;
        };
        if linked.contains(&entry.index()) || occupant::uses_map(found.program_id, control) {
            attachments.push(Attachment {
                interface: entry.name().to_string_lossy().into_owned(),
                mode: found.mode,
                adopted: true,
            });
        }
    }
    Ok(attachments)
}

/// The name of a verdict in statistics and metrics.
#[must_use]
pub const fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Drop => "drop",
        Verdict::Transmit => "transmit",
        Verdict::WouldDrop => "would_drop",
    }
}

/// The name of a family in statistics and metrics.
#[must_use]
pub const fn family_name(family: Family) -> &'static str {
    match family {
        Family::Other => "other",
        Family::Ipv4 => "ipv4",
        Family::Ipv6 => "ipv6",
    }
}

impl Mode {
    /// The name in output and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Generic => "generic",
        }
    }
}
