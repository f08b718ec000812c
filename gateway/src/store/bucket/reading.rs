//! Reading the buckets from outside, while a gateway runs or while none does.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::atomic::AtomicU64;

use gateway_common::bucket::{Line, PlainLine, WAYS};
use gateway_common::capacity::SOURCE_LINE_BITS;
use gateway_common::counter::{COUNTER_COUNT, Counter, INCIDENT_CAPACITY};
use gateway_common::layout::LAYOUT_VERSION;
use gateway_common::slot::{PlainSlot, Slot};

use super::file::{HEADER_BYTES, Header, at};
use super::memory::ReadTable;
use crate::model::BucketTables;

/// Words of a slot.
const SLOT_WORDS: usize = size_of::<PlainSlot>() / size_of::<u64>();

/// Words of a line.
const LINE_WORDS: usize = size_of::<PlainLine>() / size_of::<u64>();

const _: () = assert!(LINE_WORDS == 2 * WAYS);

/// A bucket that owes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwingBucket {
    /// Whose it is, see [`gateway_common::address::Address::tag`].
    pub tag: u64,
    /// When it will have paid, in nanoseconds of `CLOCK_MONOTONIC`.
    pub tat: u64,
}

/// A table of bucket lines of the kernel edge, mapped for reading.
#[derive(Debug)]
pub struct LineReader(ReadTable<Line<AtomicU64>>);

impl LineReader {
    /// Maps the first `1 << bits` lines, of four buckets each, of an array such as
    /// [`gateway_common::name::MAP_SOURCES`]. The descriptor may be closed afterwards; it must not
    /// be a read-only one, which the kernel does not map at all.
    ///
    /// # Errors
    /// `mmap`'s: an array that is too small, or was created without `BPF_F_MMAPABLE`.
    pub fn map(fd: BorrowedFd<'_>, bits: u32) -> io::Result<Self> {
        ReadTable::map(fd, bits).map(Self)
    }

    /// Adds every bucket that owes something at `now_ns` to `buckets`: a scrape of the whole
    /// table, without a system call and without holding anybody up. Nothing is locked, so a bucket
    /// that changes hands meanwhile may show its new owner with the old one's debt, which is at
    /// most one unit.
    pub fn owing(&self, now_ns: u64, buckets: &mut Vec<OwingBucket>) {
        owing(self.0.words(), now_ns, buckets);
    }
}

/// The tables of the mapped file that clients fill.
#[derive(Debug, Default)]
pub struct FileLines {
    /// Sources that owe something.
    pub sources: Vec<OwingBucket>,
    /// Callers that owe something.
    pub callers: Vec<OwingBucket>,
}

/// The buckets of the file at `path` that owe something at `now_ns`, read without mapping it.
///
/// # Errors
/// As [`read_file`].
pub fn read_file_lines(path: &Path, now_ns: u64) -> io::Result<FileLines> {
    let (mut file, header) = open(path)?;
    let mut lines = FileLines::default();
    let (callers, caller_bits) = (at::callers(header.sizes), header.sizes.caller_line_bits());
    let tables = [
        (at::SOURCES, SOURCE_LINE_BITS, &mut lines.sources),
        (callers, caller_bits, &mut lines.callers),
    ];
    for (offset, bits, buckets) in tables {
        let words = read_words(&mut file, offset, LINE_WORDS << bits)?;
        owing(words.into_iter(), now_ns, buckets);
    }
    Ok(lines)
}

fn owing(mut words: impl Iterator<Item = u64>, now_ns: u64, buckets: &mut Vec<OwingBucket>) {
    while let (Some(tag), Some(tat)) = (words.next(), words.next()) {
        if tat > now_ns && tag != 0 {
            buckets.push(OwingBucket { tag, tat });
        }
    }
}

/// What a mapped file said at one moment.
#[derive(Debug)]
pub struct FileReading {
    /// Verdicts by [`gateway_common::counter::counter_index`].
    pub counters: Vec<Counter>,
    /// Incidents by [`gateway_common::counter::Incident`].
    pub incidents: Vec<u64>,
    /// The slots in use.
    pub slots: Vec<PlainSlot>,
    /// How many buckets there are.
    pub sizes: BucketTables,
    /// The boot in which it was written.
    pub boot: super::BootId,
}

/// Reads the file at `path` without mapping it.
///
/// # Errors
/// As reading does; `InvalidData` for a file of another layout.
pub fn read_file(path: &Path) -> io::Result<FileReading> {
    let (mut file, header) = open(path)?;
    let counters = read_words(&mut file, at::COUNTERS, COUNTER_COUNT * 2)?;
    let (pairs, _rest) = counters.as_chunks::<2>();
    let slots = read_words(
        &mut file,
        at::SLOTS,
        SLOT_WORDS << header.sizes.throttle_bits(),
    )?;
    Ok(FileReading {
        counters: pairs
            .iter()
            .map(|&[packets, bytes]| Counter { packets, bytes })
            .collect(),
        incidents: read_words(&mut file, at::INCIDENTS, INCIDENT_CAPACITY)?,
        slots: used_slots(slots.into_iter()),
        sizes: header.sizes,
        boot: header.boot,
    })
}

fn open(path: &Path) -> io::Result<(File, Header)> {
    let mut file = File::open(path)?;
    let mut header = [0; HEADER_BYTES];
    file.read_exact(&mut header)?;
    let header = Header::parse(&header).filter(|header| header.layout == LAYOUT_VERSION);
    let header = header.ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("not a bucket file of layout {LAYOUT_VERSION}"),
        )
    })?;
    Ok((file, header))
}

/// The slots in use of the kernel edge's slot array, of `1 << bits`.
///
/// # Errors
/// `mmap`'s.
pub fn read_slots(fd: BorrowedFd<'_>, bits: u32) -> io::Result<Vec<PlainSlot>> {
    let table = ReadTable::<Slot<AtomicU64>>::map(fd, bits)?;
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
