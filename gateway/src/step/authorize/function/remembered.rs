//! What is remembered of what functions returned.

use crate::exchange::FunctionCaller;
use crate::store::decision::Remembered;

/// Bytes that a byte of a policy comes to at most: its texts are kept beside what was read of them, in
/// lists that may be twice as long as what they hold.
const READ_BYTES: usize = 8;

impl Remembered for FunctionCaller {
    fn bytes(&self) -> usize {
        size_of::<Self>() + READ_BYTES * self.bytes
    }

    fn principal(&self) -> Option<&str> {
        self.principal.as_deref()
    }
}
