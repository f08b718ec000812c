//! A bucket table in our own memory, as the daemon has it.
#![expect(
    unsafe_code,
    reason = "a shared mapping is a raw pointer until it is wrapped here"
)]

use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use anyhow::Context as _;
use gateway_common::bucket::Line;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// Lines of a mapped array.
#[derive(Debug)]
pub struct Lines {
    start: NonNull<Line<AtomicU64>>,
    count: usize,
}

// SAFETY: the memory holds atomics only and stays mapped while this value lives.
unsafe impl Send for Lines {}
// SAFETY: as above.
unsafe impl Sync for Lines {}

impl Lines {
    /// Maps `count` lines of a map.
    ///
    /// # Errors
    /// When the map cannot be mapped.
    pub fn map(map: impl AsFd, count: usize) -> anyhow::Result<Self> {
        let bytes = count * size_of::<Line<AtomicU64>>();
        let flags = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing.
        let start = unsafe { mmap(std::ptr::null_mut(), bytes, flags, MapFlags::SHARED, map, 0) }
            .context("cannot map the table")?;
        let start = NonNull::new(start.cast()).context("mapped at zero")?;
        Ok(Self { start, count })
    }

    /// One line.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&Line<AtomicU64>> {
        if index >= self.count {
            return None;
        }
        // SAFETY: the index is below the count of lines that are mapped.
        let line = unsafe { self.start.add(index) };
        // SAFETY: mapped, aligned to a page and made of atomics, which any bits make valid.
        Some(unsafe { line.as_ref() })
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let bytes = self.count * size_of::<Line<AtomicU64>>();
        // SAFETY: mapped by `map` with this length, and no reference outlives `self`.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), bytes) };
        debug_assert!(unmapped.is_ok(), "{unmapped:?}");
    }
}
