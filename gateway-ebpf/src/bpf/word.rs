//! A cell of a map, changed by the BPF atomics.

use core::arch::asm;
use core::cell::UnsafeCell;

use gateway_common::word::Word;

/// A 64-bit cell in map memory, shared with other CPUs and with user space.
#[repr(transparent)]
pub(super) struct MapWord(UnsafeCell<u64>);

// The instructions are written out because the compiler offers no atomic read-modify-write on
// 64-bit integers for this target, and drops the fetch of a relaxed add whose result is used.
impl Word for MapWord {
    #[inline(always)]
    fn load(&self) -> u64 {
        // SAFETY: the cell lies in a map value and is aligned; a volatile 64-bit load is one
        // instruction.
        unsafe { self.0.get().read_volatile() }
    }

    #[inline(always)]
    fn compare_exchange(&self, current: u64, new: u64) -> Result<u64, u64> {
        let found: u64;
        // SAFETY: the cell lies in a map value and is aligned; the instruction is a full barrier.
        unsafe {
            asm!(
                "r0 = cmpxchg_64({cell} + 0, r0, {new})",
                cell = in(reg) self.0.get(),
                new = in(reg) new,
                inout("r0") current => found,
                options(nostack),
            );
        }
        if found == current {
            Ok(found)
        } else {
            Err(found)
        }
    }

    #[inline(always)]
    fn add(&self, amount: u64) {
        // The register counts as spent: that the operand is read again is the mark of a lost fetch,
        // which the build refuses.
        // SAFETY: the cell lies in a map value and is aligned.
        unsafe {
            asm!(
                "lock *(u64 *)({cell} + 0) += {amount}",
                cell = in(reg) self.0.get(),
                amount = inout(reg) amount => _,
                options(nostack),
            );
        }
    }
}
