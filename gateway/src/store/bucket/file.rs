//! Buckets without a kernel edge: a file in the runtime directory, mapped.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use gateway_common::bucket::PlainLine;
use gateway_common::capacity::{AGGREGATE_BITS, SOURCE_LINE_BITS};
use gateway_common::counter::{COUNTER_COUNT, Counter, INCIDENT_CAPACITY};
use gateway_common::layout::LAYOUT_VERSION;
use gateway_common::slot::PlainSlot;
use rustix::fs::{FallocateFlags, Mode, OFlags};

use super::memory::Table;
use super::resize::Resized;
use super::slots::Owners;
use super::{Buckets, Tables, Tallies};
use crate::clock;
use crate::model::BucketTables;

/// Name of the file in the runtime directory.
pub const FILE_NAME: &str = "buckets";

const MAGIC: [u8; 8] = *b"gwtables";

/// Magic, layout version, boot, seed, throttles, callers.
pub(super) const HEADER_BYTES: usize = 8 + 8 + 16 + 8 + 8 + 8;

/// Counters and incidents as powers of two.
pub(super) const COUNTER_BITS: u32 = COUNTER_COUNT.next_power_of_two().trailing_zeros();
pub(super) const INCIDENT_BITS: u32 = INCIDENT_CAPACITY.next_power_of_two().trailing_zeros();

/// Parts start at multiples of the largest page size of any architecture.
const ALIGNMENT: u64 = 1 << 16;

/// Where the parts of the file start: those whose size is always the same first.
pub(super) mod at {
    use super::{
        AGGREGATE_BITS, ALIGNMENT, BucketTables, COUNTER_BITS, Counter, INCIDENT_BITS, PlainLine,
        PlainSlot, SOURCE_LINE_BITS,
    };

    const fn after(start: u64, cell: usize, bits: u32) -> u64 {
        (start + ((cell as u64) << bits)).next_multiple_of(ALIGNMENT)
    }

    pub(in super::super) const SOURCES: u64 = ALIGNMENT;
    pub(in super::super) const AGGREGATES: u64 =
        after(SOURCES, size_of::<PlainLine>(), SOURCE_LINE_BITS);
    pub(in super::super) const COUNTERS: u64 = after(AGGREGATES, size_of::<u64>(), AGGREGATE_BITS);
    pub(in super::super) const INCIDENTS: u64 = after(COUNTERS, size_of::<Counter>(), COUNTER_BITS);
    pub(in super::super) const SLOTS: u64 = after(INCIDENTS, size_of::<u64>(), INCIDENT_BITS);

    pub(in super::super) const fn callers(sizes: BucketTables) -> u64 {
        after(SLOTS, size_of::<PlainSlot>(), sizes.throttle_bits())
    }

    pub(in super::super) const fn end(sizes: BucketTables) -> u64 {
        let bits = sizes.caller_line_bits();
        after(callers(sizes), size_of::<PlainLine>(), bits)
    }
}

/// One boot of one machine: what `CLOCK_MONOTONIC` counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootId(pub [u8; 16]);

impl BootId {
    /// The running one.
    ///
    /// # Errors
    /// Where `/proc` cannot be read.
    pub fn current() -> io::Result<Self> {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
        u128::from_str_radix(&digits, 16)
            .map(|number| Self(number.to_be_bytes()))
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

/// What became of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// There was none.
    Created,
    /// Its buckets are those of the run before.
    Kept,
    /// They are, in tables of another size.
    Resized(Resized),
    /// It started fresh.
    Replaced(Stale),
}

/// Why a file could not be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stale {
    /// It was written before the last boot.
    Boot,
    /// Another version of the gateway wrote it.
    Layout {
        /// Its layout version.
        found: u32,
    },
    /// It is no bucket file, or not a whole one.
    Damaged,
}

/// Why the buckets cannot be mapped from a file.
#[derive(Debug, thiserror::Error)]
pub enum BucketFileError {
    /// Something in the way that a gateway of this user would not have made.
    #[error("`{}` is {found}: remove it, or name another runtime directory", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// A system call failed.
    #[error("{call} `{}`", path.display())]
    Io {
        /// Its name.
        call: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Buckets {
    /// Maps the file at `path`, which is created with mode 0600 where there is none, and replaced
    /// by an empty one where it cannot be kept. What is owed in tables of another size is owed in those
    /// of `sizes`. The caller holds the instance's lock.
    ///
    /// # Errors
    /// See [`BucketFileError`]; a link, and what another user owns or may write, are refused.
    pub fn open_file(
        path: &Path,
        boot: BootId,
        sizes: BucketTables,
    ) -> Result<(Self, Opened), BucketFileError> {
        let opened = match open_existing(path)? {
            None => Opened::Created,
            Some(mut file) => match read_header(&mut file, boot) {
                Ok(header) if header.sizes == sizes => {
                    let buckets = map(&file, &header).map_err(io_error("mmap", path))?;
                    return Ok((buckets, Opened::Kept));
                }
                Ok(header) => return resize(path, &mut file, &header, sizes),
                Err(stale) => Opened::Replaced(stale),
            },
        };
        let header = Header {
            layout: LAYOUT_VERSION,
            boot,
            seed: random_seed().map_err(io_error("draw a seed for", path))?,
            sizes,
        };
        let file = draft(path, &header)?;
        settle(path)?;
        let buckets = map(&file, &header).map_err(io_error("mmap", path))?;
        Ok((buckets, opened))
    }
}

/// A file with tables of another size in the place of this one. Until it is whole the old one stays.
fn resize(
    path: &Path,
    file: &mut File,
    header: &Header,
    sizes: BucketTables,
) -> Result<(Buckets, Opened), BucketFileError> {
    let next = Header { sizes, ..*header };
    let mut draft = draft(path, &next)?;
    copy_fixed(file, &mut draft).map_err(io_error("copy", path))?;
    let old = map(file, header).map_err(io_error("mmap", path))?;
    let buckets = map(&draft, &next).map_err(io_error("mmap", path))?;
    let Tables { slots, callers, .. } = &*old.0;
    let now_ns = clock::monotonic_ns();
    let resized = buckets.take_tables(Some(slots), Some(callers), header.sizes, now_ns);
    settle(path)?;
    Ok((buckets, Opened::Resized(resized)))
}

/// Copies the tables whose size is always the same.
fn copy_fixed(from: &mut File, into: &mut File) -> io::Result<()> {
    for file in [&mut *from, &mut *into] {
        file.seek(SeekFrom::Start(at::SOURCES))?;
    }
    let bytes = at::SLOTS - at::SOURCES;
    let copied = io::copy(&mut from.take(bytes), into)?;
    if copied == bytes {
        Ok(())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

fn io_error(call: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BucketFileError {
    let path = path.to_owned();
    move |source| BucketFileError::Io { call, path, source }
}

fn map(file: &File, header: &Header) -> io::Result<Buckets> {
    let (fd, sizes) = (file.as_fd(), header.sizes);
    let slots = Table::map(fd, at::SLOTS, sizes.throttle_bits())?;
    Ok(Buckets(Arc::new(Tables {
        sources: Table::map(fd, at::SOURCES, SOURCE_LINE_BITS)?,
        aggregates: Table::map(fd, at::AGGREGATES, AGGREGATE_BITS)?,
        callers: Table::map(fd, at::callers(sizes), sizes.caller_line_bits())?,
        tallies: Some(Tallies {
            counters: Table::map(fd, at::COUNTERS, COUNTER_BITS)?,
            incidents: Table::map(fd, at::INCIDENTS, INCIDENT_BITS)?,
        }),
        owners: Mutex::new(Owners::read(&slots)),
        slots,
        sizes,
        seed: header.seed,
        shed: AtomicU64::new(0),
        caller_yields_ns: AtomicU64::new(0),
    })))
}

/// The file, if there is one and it is ours alone.
fn open_existing(path: &Path) -> Result<Option<File>, BucketFileError> {
    let foreign = |found| {
        let path = path.to_owned();
        Err(BucketFileError::Foreign { path, found })
    };
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(rustix::io::Errno::LOOP) => return foreign("a symbolic link"),
        Err(errno) => return Err(io_error("open", path)(errno.into())),
    };
    let metadata = file.metadata().map_err(io_error("fstat", path))?;
    if !metadata.is_file() {
        return foreign("not a regular file");
    }
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return foreign("owned by another user");
    }
    if metadata.mode() & 0o077 != 0 {
        return foreign("open to other users");
    }
    Ok(Some(file))
}

/// What the file says of itself, if it can be kept.
fn read_header(file: &mut File, boot: BootId) -> Result<Header, Stale> {
    let mut header = [0; HEADER_BYTES];
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    // A file that cannot be read is as good as a damaged one: it is replaced, and said to be.
    file.read_exact(&mut header)
        .map_err(|_unreadable| Stale::Damaged)?;
    let header = Header::parse(&header).ok_or(Stale::Damaged)?;
    if header.layout != LAYOUT_VERSION {
        return Err(Stale::Layout {
            found: header.layout,
        });
    }
    if length != at::end(header.sizes) {
        return Err(Stale::Damaged);
    }
    if header.boot != boot {
        return Err(Stale::Boot);
    }
    Ok(header)
}

/// The first bytes of the file.
pub(super) struct Header {
    pub(super) layout: u32,
    pub(super) boot: BootId,
    pub(super) seed: u64,
    pub(super) sizes: BucketTables,
}

impl Header {
    /// `None` without the magic, or with sizes that no tables have.
    pub(super) fn parse(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk::<8>()?;
        let (layout, rest) = rest.split_first_chunk::<8>()?;
        let (boot, rest) = rest.split_first_chunk::<16>()?;
        let (seed, rest) = rest.split_first_chunk::<8>()?;
        let (throttles, rest) = rest.split_first_chunk::<8>()?;
        let callers = rest.first_chunk::<8>()?;
        let (throttles, callers) = (u64::from_le_bytes(*throttles), u64::from_le_bytes(*callers));
        let sizes = BucketTables::new(throttles, callers).ok()?;
        (*magic == MAGIC).then_some(Self {
            layout: u32::try_from(u64::from_le_bytes(*layout)).unwrap_or(u32::MAX),
            boot: BootId(*boot),
            seed: u64::from_le_bytes(*seed),
            sizes,
        })
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&u64::from(self.layout).to_le_bytes());
        bytes.extend_from_slice(&self.boot.0);
        bytes.extend_from_slice(&self.seed.to_le_bytes());
        for count in [self.sizes.throttles(), self.sizes.callers()] {
            bytes.extend_from_slice(&u64::from(count).to_le_bytes());
        }
        bytes
    }
}

/// Where a file is made that is to take the place of the one at `path`.
fn draft_path(path: &Path) -> PathBuf {
    path.with_extension("new")
}

/// Gives the draft the name of the old file, which stays whole for whoever still maps it.
fn settle(path: &Path) -> Result<(), BucketFileError> {
    std::fs::rename(draft_path(path), path).map_err(io_error("rename", path))
}

/// A fresh file with this header, beside the one at `path`.
fn draft(path: &Path, header: &Header) -> Result<File, BucketFileError> {
    let draft = draft_path(path);
    match std::fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(io_error("unlink", &draft)(error));
        }
        Ok(()) | Err(_) => {}
    }
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    let fd = rustix::fs::open(&draft, flags, mode)
        .map_err(|errno| io_error("open", &draft)(errno.into()))?;
    // Every page is allocated now: a full file system is an error here and not a signal later.
    rustix::fs::fallocate(&fd, FallocateFlags::empty(), 0, at::end(header.sizes))
        .map_err(|errno| io_error("fallocate", &draft)(errno.into()))?;
    let mut file = File::from(fd);
    file.write_all(&header.bytes())
        .map_err(io_error("write", &draft))?;
    Ok(file)
}

/// A key that the outside cannot guess. Never zero, which stands for "not drawn yet".
pub(crate) fn random_seed() -> io::Result<u64> {
    let mut bytes = [0; size_of::<u64>()];
    aws_lc_rs::rand::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(u64::from_ne_bytes(bytes).max(1))
}
