//! Reading the buckets from outside, while a gateway runs or while none does.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::atomic::AtomicU64;

use gateway_common::counter::{COUNTER_COUNT, Counter, INCIDENT_CAPACITY};
use gateway_common::layout::LAYOUT_VERSION;
use gateway_common::slot::{PlainSlot, Slot};

use super::file::{HEADER_BYTES, Header, at};
use super::memory::ReadTable;
use super::slots::SLOT_BITS;

/// Words of a slot.
const SLOT_WORDS: usize = size_of::<PlainSlot>() / size_of::<u64>();

/// What a mapped file said at one moment.
#[derive(Debug)]
pub struct FileReading {
    /// Verdicts by [`gateway_common::counter::counter_index`].
    pub counters: Vec<Counter>,
    /// Incidents by [`gateway_common::counter::Incident`].
    pub incidents: Vec<u64>,
    /// The slots in use.
    pub slots: Vec<PlainSlot>,
    /// The boot in which it was written.
    pub boot: super::BootId,
}

/// Reads the file at `path` without mapping it.
///
/// # Errors
/// As reading does; `InvalidData` for a file of another layout.
pub fn read_file(path: &Path) -> io::Result<FileReading> {
    let mut file = File::open(path)?;
    let mut header = [0; HEADER_BYTES];
    file.read_exact(&mut header)?;
    let header = Header::parse(&header)
        .filter(|header| header.layout == LAYOUT_VERSION)
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("not a bucket file of layout {LAYOUT_VERSION}"),
            )
        })?;
    let counters = read_words(&mut file, at::COUNTERS, COUNTER_COUNT * 2)?;
    let (pairs, _rest) = counters.as_chunks::<2>();
    let slots = read_words(&mut file, at::SLOTS, SLOT_WORDS << SLOT_BITS)?;
    Ok(FileReading {
        counters: pairs
            .iter()
            .map(|&[packets, bytes]| Counter { packets, bytes })
            .collect(),
        incidents: read_words(&mut file, at::INCIDENTS, INCIDENT_CAPACITY)?,
        slots: used_slots(slots.into_iter()),
        boot: header.boot,
    })
}

/// The slots in use of the kernel edge's slot array.
///
/// # Errors
/// `mmap`'s.
pub fn read_slots(fd: BorrowedFd<'_>) -> io::Result<Vec<PlainSlot>> {
    let table = ReadTable::<Slot<AtomicU64>>::map(fd, SLOT_BITS)?;
    Ok(used_slots(table.words()))
}

fn read_words(file: &mut File, offset: u64, count: usize) -> io::Result<Vec<u64>> {
    let mut bytes = vec![0; count * size_of::<u64>()];
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(&mut bytes)?;
    let (words, _rest) = bytes.as_chunks::<8>();
    Ok(words.iter().map(|&word| u64::from_ne_bytes(word)).collect())
}

fn used_slots(mut words: impl Iterator<Item = u64>) -> Vec<PlainSlot> {
    let mut slots = Vec::new();
    while let Some(tag) = words.next() {
        let mut next = || words.next().unwrap_or(0);
        let slot = Slot {
            tag,
            tat: next(),
            multiplier: next(),
            tolerance_ns: next(),
            shift: next(),
            admitted: next(),
            rejected: next(),
            shed: next(),
        };
        if slot.tag != 0 {
            slots.push(slot);
        }
    }
    slots
}
