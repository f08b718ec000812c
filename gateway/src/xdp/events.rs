//! Watching a sample of what is dropped.
//!
//! The program makes events only while somebody watches. A watch is a word in the maps with an end
//! a few seconds ahead that its reader keeps moving; a reader that dies leaves nothing to clean up.
//! The ring has one reader at a time, which a lock on the pin directory ensures, and it wakes
//! nobody: whoever watches asks it every [`POLL`].

use std::fmt;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::time::Duration;

use aya::maps::{MapData, PerCpuArray, PerCpuValues, RingBuf};
use gateway_common::counter::Incident;
use gateway_common::event::{EVENT_BYTES, SAMPLING_MAX, Sampler};
use gateway_common::name::{MAP_CONTROL, MAP_EVENTS, MAP_INCIDENTS, MAP_SAMPLER};
use gateway_common::reason::{Family, Reason, Verdict};

use super::error::{EdgeError, system};
use super::lease::{self, Lease};
use super::maps;
use super::pins;
use super::switch::map_error;
use crate::model::InstanceName;
use crate::store::control::ControlWords;

pub use super::lease::LEASE;

/// Time between two looks at the ring. At the default budget of 100 events per second and CPU it
/// holds the events of 512 CPUs for as long.
pub const POLL: Duration = Duration::from_millis(100);

/// How densely drops are sampled: one in a power of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling(u8);

/// Why a number is no [`Sampling`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is no power of two from 1 to {}", 1_u32 << (SAMPLING_MAX - 1))]
pub struct SamplingError {
    /// As asked for.
    pub found: u32,
}

impl Sampling {
    /// One drop in `count`.
    ///
    /// # Errors
    /// [`SamplingError`].
    pub fn one_in(count: u32) -> Result<Self, SamplingError> {
        let error = SamplingError { found: count };
        if !count.is_power_of_two() {
            return Err(error);
        }
        let number = u8::try_from(count.trailing_zeros() + 1).map_err(|_wide| error)?;
        if number > SAMPLING_MAX {
            return Err(error);
        }
        Ok(Self(number))
    }
}

/// One sampled drop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// `CLOCK_MONOTONIC` (ns) of its CPU's last tick.
    pub time_ns: u64,
    /// What became of it: dropped, or only noted by a monitored rule.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// Its address family.
    pub family: Family,
    /// Index of the interface it came in on, in the program's network namespace.
    pub interface: u32,
    /// Number of the listener it was for, counted from one.
    pub listener: Option<u32>,
    /// Number of the list that decided.
    pub list: Option<u32>,
    /// For how many drops of its CPU it stands, itself included.
    pub stands_for: u32,
    /// Whether it is the first drop of its source in this watch, as far as the program remembers.
    pub is_new_offender: bool,
    /// Bytes of the whole frame.
    pub frame_bytes: u32,
    /// The start of the frame.
    pub bytes: Vec<u8>,
}

/// Events that were due and not made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Missed {
    /// The second's budget was spent.
    pub skipped: u64,
    /// The ring was full.
    pub lost: u64,
}

/// A watch on an instance; ends when dropped.
#[derive(Debug)]
pub struct Watch {
    maps: Maps,
    lease: Lease,
    sampling: Sampling,
    before: Missed,
    directory: PathBuf,
}

/// Why a watch is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// The gateway has taken its program and its maps away.
    #[error("the instance has taken its kernel edge away")]
    EdgeGone,
    /// This reader has not looked for longer than [`LEASE`], and another one watches now.
    #[error("this reader was held up for too long, and somebody else watches now")]
    TakenOver,
}

struct Maps {
    ring: RingBuf<MapData>,
    incidents: PerCpuArray<MapData, u64>,
}

impl fmt::Debug for Maps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Maps").finish_non_exhaustive()
    }
}

impl Watch {
    /// Starts to watch. What an earlier reader left in the ring is forgotten.
    ///
    /// # Errors
    /// [`EdgeError::Watched`], [`EdgeError::NotPinned`], [`EdgeError::OtherLayout`], and `Pin` or
    /// `Map` where this user may not read the pins.
    pub fn start(instance: &InstanceName, sampling: Sampling) -> Result<Self, EdgeError> {
        let directory = pins::existing(instance)?;
        let control = maps::open_data(&directory, MAP_CONTROL)?;
        let control =
            ControlWords::map(control.fd().as_fd()).map_err(system("mmap of the control words"))?;
        let mut maps = Maps {
            ring: maps::open_as(&directory, MAP_EVENTS)?,
            incidents: maps::open_as(&directory, MAP_INCIDENTS)?,
        };
        let mut sampler = maps::open_as(&directory, MAP_SAMPLER)?;
        let watched = || EdgeError::Watched {
            instance: instance.to_string(),
        };
        let mut lease = Lease::take(control).ok_or_else(watched)?;
        while maps.ring.next().is_some() {}
        forget_offenders(&mut sampler)?;
        let before = maps.missed()?;
        lease.renew(sampling.0).map_err(|lease::Lost| watched())?;
        Ok(Self {
            maps,
            lease,
            sampling,
            before,
            directory,
        })
    }

    /// Keeps the watch alive for another [`LEASE`]; to be called with every look at the ring.
    ///
    /// # Errors
    /// [`Ended`]; nothing is watched any more.
    pub fn renew(&mut self) -> Result<(), Ended> {
        // A gateway that takes its program with it takes the pins too.
        if self.directory.join(MAP_EVENTS).symlink_metadata().is_err() {
            return Err(Ended::EdgeGone);
        }
        self.lease
            .renew(self.sampling.0)
            .map_err(|lease::Lost| Ended::TakenOver)
    }

    /// The next event, if one is there.
    pub fn next_event(&mut self) -> Option<Dropped> {
        loop {
            let item = self.maps.ring.next()?;
            // A record that does not read like an event of this layout is none.
            if let Some(dropped) = decode(&item) {
                return Some(dropped);
            }
        }
    }

    /// Events that were due since the watch began and that nobody will see.
    ///
    /// # Errors
    /// A map operation's.
    pub fn missed(&self) -> Result<Missed, EdgeError> {
        let now = self.maps.missed()?;
        Ok(Missed {
            skipped: now.skipped.wrapping_sub(self.before.skipped),
            lost: now.lost.wrapping_sub(self.before.lost),
        })
    }
}

impl Maps {
    /// Events that nobody will see, since the maps were made.
    fn missed(&self) -> Result<Missed, EdgeError> {
        let sum = |incident: Incident| {
            let values = self.incidents.get(&(incident as u32), 0);
            let values = values.map_err(map_error(MAP_INCIDENTS))?;
            Ok::<u64, EdgeError>(values.iter().fold(0, |sum, one| sum.wrapping_add(*one)))
        };
        Ok(Missed {
            skipped: sum(Incident::EventSkipped)?,
            lost: sum(Incident::EventLost)?,
        })
    }
}

/// Every source is new to a new reader.
fn forget_offenders(sampler: &mut PerCpuArray<MapData, Sampler>) -> Result<(), EdgeError> {
    let cpus = aya::util::nr_cpus().map_err(|(_, error)| system("counting the CPUs")(error))?;
    let values = PerCpuValues::try_from(vec![Sampler::EMPTY; cpus])
        .map_err(system("one sampler for each CPU"))?;
    sampler.set(0, values, 0).map_err(map_error(MAP_SAMPLER))
}

/// Reads a record of the ring, which is a [`gateway_common::event::Event`].
fn decode(record: &[u8]) -> Option<Dropped> {
    let (time_ns, rest) = record.split_first_chunk()?;
    let mut rest = rest;
    let mut field = || {
        let (value, behind) = rest.split_first_chunk()?;
        rest = behind;
        Some(u32::from_ne_bytes(*value))
    };
    let frame_bytes = field()?;
    let captured_bytes = field()?;
    let interface = field()?;
    let listener = field()?;
    let list = field()?;
    let stands_for = field()?;
    let [verdict, reason, family, is_new_offender] = field()?.to_ne_bytes();
    let _reserved = field()?;
    let bytes: &[u8; EVENT_BYTES] = rest.first_chunk()?;
    let reason = *Reason::ALL.get(usize::from(reason))?;
    Some(Dropped {
        time_ns: u64::from_ne_bytes(*time_ns),
        verdict: *Verdict::ALL.get(usize::from(verdict))?,
        reason,
        family: *Family::ALL.get(usize::from(family))?,
        interface,
        listener: (listener != 0).then_some(listener),
        list: (reason == Reason::Denied).then_some(list),
        stands_for,
        is_new_offender: is_new_offender != 0,
        frame_bytes,
        bytes: bytes.get(..captured_bytes as usize)?.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use gateway_common::event::Event;

    use super::*;

    /// A record with these bytes at these places, as the program lays it out.
    fn record(parts: &[(usize, &[u8])]) -> Vec<u8> {
        let mut record = vec![0; size_of::<Event>()];
        for (offset, bytes) in parts {
            record[*offset..*offset + bytes.len()].copy_from_slice(bytes);
        }
        record
    }

    #[test]
    fn a_record_reads_as_the_program_lays_it_out() {
        let number = |value: u32| value.to_ne_bytes();
        let full = record(&[
            (offset_of!(Event, time_ns), &7_u64.to_ne_bytes()),
            (offset_of!(Event, frame_bytes), &number(1_514)),
            (offset_of!(Event, captured_bytes), &number(3)),
            (offset_of!(Event, interface), &number(4)),
            (offset_of!(Event, listener), &number(2)),
            (offset_of!(Event, list), &number(5)),
            (offset_of!(Event, stands_for), &number(64)),
            (offset_of!(Event, verdict), &[Verdict::WouldDrop as u8]),
            (offset_of!(Event, reason), &[Reason::Denied as u8]),
            (offset_of!(Event, family), &[Family::Ipv6 as u8]),
            (offset_of!(Event, is_new_offender), &[1]),
            (offset_of!(Event, bytes), &[9, 8, 7, 6]),
        ]);
        let expected = Dropped {
            time_ns: 7,
            verdict: Verdict::WouldDrop,
            reason: Reason::Denied,
            family: Family::Ipv6,
            interface: 4,
            listener: Some(2),
            list: Some(5),
            stands_for: 64,
            is_new_offender: true,
            frame_bytes: 1_514,
            bytes: vec![9, 8, 7],
        };
        assert_eq!(decode(&full), Some(expected));
        for length in 0..full.len() {
            assert_eq!(decode(&full[..length]), None);
        }
    }

    #[test]
    fn numbers_that_this_version_does_not_know_are_no_event() {
        for offset in [
            offset_of!(Event, verdict),
            offset_of!(Event, reason),
            offset_of!(Event, family),
        ] {
            assert_eq!(decode(&record(&[(offset, &[200])])), None);
        }
        let too_long = record(&[(offset_of!(Event, captured_bytes), &200_u32.to_ne_bytes())]);
        assert_eq!(decode(&too_long), None);
        assert!(decode(&record(&[])).is_some());
    }

    #[test]
    fn only_powers_of_two_are_samplings() {
        for (count, expected) in [(1, 1), (2, 2), (64, 7), (1 << 24, 25)] {
            assert_eq!(Sampling::one_in(count), Ok(Sampling(expected)));
        }
        for count in [0, 3, 1 << 25, u32::MAX] {
            assert!(Sampling::one_in(count).is_err(), "{count}");
        }
    }
}
