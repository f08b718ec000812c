//! One 64-bit cell that several enforcers change at once.
//!
//! The arithmetic in this crate is written against [`Word`], because the two sides reach the same
//! memory with different instructions: the daemon through [`core::sync::atomic::AtomicU64`] in a
//! mapping, the XDP program through BPF atomics, for which `AtomicU64` has no read-modify-write
//! methods on the BPF target.

/// A 64-bit cell with the three operations a limit needs.
pub trait Word {
    /// Reads the cell. Ordering with other cells is not promised.
    fn load(&self) -> u64;

    /// Replaces `current` by `new` and returns `Ok(current)`, or leaves the cell alone and returns
    /// `Err(found)`. Never fails spuriously.
    ///
    /// # Errors
    /// The value found, where it is not `current`.
    fn compare_exchange(&self, current: u64, new: u64) -> Result<u64, u64>;

    /// Adds `amount`, wrapping. The result is deliberately not returned: on the BPF target an
    /// atomic add whose result is used can be compiled into one that has none.
    fn add(&self, amount: u64);
}

#[cfg(all(not(loom), not(target_arch = "bpf")))]
impl Word for core::sync::atomic::AtomicU64 {
    fn load(&self) -> u64 {
        self.load(core::sync::atomic::Ordering::Acquire)
    }

    fn compare_exchange(&self, current: u64, new: u64) -> Result<u64, u64> {
        use core::sync::atomic::Ordering;
        self.compare_exchange(current, new, Ordering::AcqRel, Ordering::Acquire)
    }

    fn add(&self, amount: u64) {
        self.fetch_add(amount, core::sync::atomic::Ordering::AcqRel);
    }
}

#[cfg(loom)]
impl Word for loom::sync::atomic::AtomicU64 {
    fn load(&self) -> u64 {
        self.load(loom::sync::atomic::Ordering::Acquire)
    }

    fn compare_exchange(&self, current: u64, new: u64) -> Result<u64, u64> {
        use loom::sync::atomic::Ordering;
        self.compare_exchange(current, new, Ordering::AcqRel, Ordering::Acquire)
    }

    fn add(&self, amount: u64) {
        self.fetch_add(amount, loom::sync::atomic::Ordering::AcqRel);
    }
}
