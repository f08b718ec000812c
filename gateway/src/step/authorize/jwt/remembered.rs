//! What is remembered of tokens.

use super::Refusal;
use crate::exchange::Identity;
use crate::store::decision::Remembered;

/// What an allocator adds to the two texts of an identity, each rounded up.
const ALLOCATIONS_BYTES: usize = 2 * 32;

impl Remembered for Identity {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.claims().bytes() + ALLOCATIONS_BYTES
    }

    fn principal(&self) -> Option<&str> {
        self.subject()
    }
}

impl Remembered for Refusal {
    fn bytes(&self) -> usize {
        size_of::<Self>()
    }

    /// Nobody: what a refused token says of itself is not believed.
    fn principal(&self) -> Option<&str> {
        None
    }
}
