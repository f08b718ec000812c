//! How many buckets there are for what the configuration names, and for callers.

use gateway_common::bucket::WAYS;
use gateway_common::capacity::{CALLER_LINE_BITS, SLOT_COUNT};

/// The tables whose size the configuration says. Each holds a power of two, because its buckets are found by
/// the upper bits of a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketTables {
    throttle_bits: u32,
    caller_line_bits: u32,
}

/// A number of buckets that no table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoTable {
    /// There are fewer, or more, than there may be.
    #[error("`{count}` is out of range: {min} to {max}")]
    OutOfRange {
        /// What was asked for.
        count: u64,
        /// The fewest that there may be.
        min: u64,
        /// The most that there may be.
        max: u64,
    },
    /// It is not a power of two.
    #[error("`{count}` is not a power of two: write {below} or {above}")]
    Uneven {
        /// What was asked for.
        count: u64,
        /// The next that there may be.
        below: u64,
        /// The next that there may be.
        above: u64,
    },
}

/// Powers of two that throttles may be: 64 KiB to 64 MiB.
const THROTTLE_BITS: (u32, u32) = (10, 20);
/// Powers of two that lines of callers may be: 16 KiB to 256 MiB.
const CALLER_LINE_BITS_RANGE: (u32, u32) = (8, 22);
/// Callers of a line, as a power of two.
const WAY_BITS: u32 = WAYS.trailing_zeros();

const _: () = assert!(1 << WAY_BITS == WAYS);
const _: () = assert!(SLOT_COUNT.is_power_of_two());

impl Default for BucketTables {
    fn default() -> Self {
        Self {
            throttle_bits: SLOT_COUNT.trailing_zeros(),
            caller_line_bits: CALLER_LINE_BITS,
        }
    }
}

impl BucketTables {
    /// Tables of so many throttles, 1,024 to 1,048,576, and callers, 1,024 to 16,777,216.
    ///
    /// # Errors
    /// See [`NoTable`]; of throttles first.
    pub fn new(throttles: u64, callers: u64) -> Result<Self, NoTable> {
        let default = Self::default();
        default.with_throttles(throttles)?.with_callers(callers)
    }

    /// The same with so many throttles.
    ///
    /// # Errors
    /// See [`NoTable`].
    pub fn with_throttles(self, count: u64) -> Result<Self, NoTable> {
        let (min, max) = THROTTLE_BITS;
        Ok(Self {
            throttle_bits: bits(count, min, max)?,
            ..self
        })
    }

    /// The same with so many callers.
    ///
    /// # Errors
    /// See [`NoTable`].
    pub fn with_callers(self, count: u64) -> Result<Self, NoTable> {
        let (min, max) = CALLER_LINE_BITS_RANGE;
        let bits = bits(count, min + WAY_BITS, max + WAY_BITS)?;
        Ok(Self {
            caller_line_bits: bits - WAY_BITS,
            ..self
        })
    }

    /// Buckets that the configuration can name, of throttles and of API keys; default 65,536.
    #[must_use]
    pub const fn throttles(self) -> u32 {
        1 << self.throttle_bits
    }

    /// Buckets of callers, four of which share a line; default 262,144.
    #[must_use]
    pub const fn callers(self) -> u32 {
        1 << (self.caller_line_bits + WAY_BITS)
    }

    /// [`Self::throttles`] as a power of two.
    #[must_use]
    pub const fn throttle_bits(self) -> u32 {
        self.throttle_bits
    }

    /// The lines of callers, as a power of two.
    #[must_use]
    pub const fn caller_line_bits(self) -> u32 {
        self.caller_line_bits
    }
}

fn bits(count: u64, min_bits: u32, max_bits: u32) -> Result<u32, NoTable> {
    let (min, max) = (1 << min_bits, 1 << max_bits);
    if !(min..=max).contains(&count) {
        return Err(NoTable::OutOfRange { count, min, max });
    }
    let above = count.next_power_of_two();
    if above != count {
        let below = above >> 1;
        return Err(NoTable::Uneven {
            count,
            below,
            above,
        });
    }
    Ok(count.trailing_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_hold_powers_of_two_within_their_bounds() {
        let default = BucketTables::default();
        assert_eq!((default.throttles(), default.callers()), (65_536, 262_144));
        assert_eq!(BucketTables::new(65_536, 262_144), Ok(default));
        for (throttles, callers) in [(1_024, 1_024), (1_048_576, 16_777_216)] {
            let tables = BucketTables::new(throttles, callers).unwrap();
            assert_eq!(u64::from(tables.throttles()), throttles);
            assert_eq!(u64::from(tables.callers()), callers);
        }
        for (throttles, callers, said) in [
            (1_023, 1_024, "`1023` is out of range: 1024 to 1048576"),
            (
                2_097_152,
                1_024,
                "`2097152` is out of range: 1024 to 1048576",
            ),
            (
                1_025,
                1_024,
                "`1025` is not a power of two: write 1024 or 2048",
            ),
            (1_024, 512, "`512` is out of range: 1024 to 16777216"),
            (
                1_024,
                u64::MAX,
                "`18446744073709551615` is out of range: 1024 to 16777216",
            ),
            (
                1_024,
                16_777_215,
                "`16777215` is not a power of two: write 8388608 or 16777216",
            ),
        ] {
            let refused = BucketTables::new(throttles, callers).unwrap_err();
            assert_eq!(refused.to_string(), said);
        }
    }
}
