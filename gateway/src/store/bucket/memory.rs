//! Memory that somebody else changes too: the kernel, or another process.
//!
//! A [`Table`] is a shared mapping of a BPF array or of a part of a file, seen as a power of two
//! of cells. A cell consists of atomics only, so a reference to it is sound whatever the other
//! side writes and whatever bytes are found there.
#![expect(
    unsafe_code,
    reason = "mapping memory has no safe form; this module hands out references to atomics only"
)]

use std::ffi::c_void;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use gateway_common::bucket::Line;
use gateway_common::slot::Slot;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// What a table may consist of.
///
/// # Safety
/// The type consists of [`AtomicU64`] without padding, so that any bytes are a value of it and
/// every access through a shared reference is atomic.
pub(super) unsafe trait Cell: Sync {}

// SAFETY: one atomic.
unsafe impl Cell for AtomicU64 {}
// SAFETY: `repr(C)`, eight atomics in 64 bytes.
unsafe impl Cell for Slot<AtomicU64> {}
// SAFETY: `repr(C)`, four times two atomics in 64 bytes.
unsafe impl Cell for Line<AtomicU64> {}
// SAFETY: an array of atomics has no padding.
unsafe impl Cell for [AtomicU64; 2] {}

/// What the holder of a mapping may do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

/// A shared mapping; unmapped when dropped.
struct Mapping {
    start: NonNull<c_void>,
    bytes: usize,
}

// SAFETY: the mapping belongs to the address space, not to a thread; unmapping from any is fine.
unsafe impl Send for Mapping {}
// SAFETY: a shared reference to a mapping gives nothing but its address.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(fd: BorrowedFd<'_>, offset: u64, bytes: usize, access: Access) -> io::Result<Self> {
        let protection = match access {
            Access::Read => ProtFlags::READ,
            Access::Write => ProtFlags::READ | ProtFlags::WRITE,
        };
        let hint = std::ptr::null_mut();
        // SAFETY: without a fixed address the kernel picks unused space, so nothing is replaced.
        let start = unsafe { mmap(hint, bytes, protection, MapFlags::SHARED, fd, offset) }?;
        let start = NonNull::new(start).ok_or_else(|| io::Error::other("mmap returned null"))?;
        Ok(Self { start, bytes })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: `start` and `bytes` are those of `mmap`, and every table that lent references
        // owns this mapping and is gone.
        let unmapped = unsafe { munmap(self.start.as_ptr(), self.bytes) };
        debug_assert!(
            unmapped.is_ok(),
            "munmap refuses only arguments that mmap did not return"
        );
    }
}

/// `1 << bits` cells of shared memory.
pub(super) struct Table<T> {
    mapping: Mapping,
    mask: u32,
    cells: PhantomData<T>,
}

impl<T: Cell> Table<T> {
    /// Maps `1 << bits` cells of `fd` from `offset` on, for reading and writing.
    ///
    /// # Errors
    /// `mmap`'s. A BPF array that is smaller than asked refuses; of a file the caller has to know
    /// that it is long enough, and that nobody truncates it.
    pub(super) fn map(fd: BorrowedFd<'_>, offset: u64, bits: u32) -> io::Result<Self> {
        let bytes = size_of::<T>() << bits;
        Ok(Self {
            mapping: Mapping::new(fd, offset, bytes, Access::Write)?,
            mask: (1 << bits) - 1,
            cells: PhantomData,
        })
    }

    /// How many cells there are.
    pub(super) const fn count(&self) -> u32 {
        self.mask.saturating_add(1)
    }

    /// The cell of an index; bits beyond the table's size are ignored.
    #[inline]
    pub(super) fn at(&self, index: u32) -> &T {
        let index = (index & self.mask) as usize;
        let cells = self.mapping.start.cast::<T>();
        // SAFETY: the mask keeps the index below the number of cells mapped.
        let cell = unsafe { cells.add(index) };
        // SAFETY: page-aligned and `index` whole cells further, alive as long as `self`, and a
        // `Cell` allows any content and concurrent change.
        unsafe { cell.as_ref() }
    }
}

impl<T> fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("cells", &(u64::from(self.mask) + 1))
            .field("bytes", &self.mapping.bytes)
            .finish()
    }
}

/// A table that can only be read: its memory is mapped without the permission to write, so it
/// gives copies and no references.
pub(super) struct ReadTable<T> {
    mapping: Mapping,
    cells: PhantomData<T>,
}

impl<T: Cell> ReadTable<T> {
    /// Maps `1 << bits` cells of `fd` for reading.
    ///
    /// # Errors
    /// As [`Table::map`].
    pub(super) fn map(fd: BorrowedFd<'_>, bits: u32) -> io::Result<Self> {
        let bytes = size_of::<T>() << bits;
        Ok(Self {
            mapping: Mapping::new(fd, 0, bytes, Access::Read)?,
            cells: PhantomData,
        })
    }

    /// Every word of every cell, in order.
    pub(super) fn words(&self) -> impl Iterator<Item = u64> {
        let words = self.mapping.start.cast::<AtomicU64>();
        (0..self.mapping.bytes / size_of::<AtomicU64>()).map(move |index| {
            // SAFETY: the index is below the number of words mapped.
            let word = unsafe { words.add(index) };
            // SAFETY: aligned, alive as long as `self`, and cells are atomics without padding.
            let word = unsafe { word.as_ref() };
            word.load(std::sync::atomic::Ordering::Relaxed)
        })
    }
}

impl<T> fmt::Debug for ReadTable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadTable")
            .field("bytes", &self.mapping.bytes)
            .finish()
    }
}
