//! What the program `route-lookups` does, for whoever reads its counts.

/// Lookups of one run.
pub const LOOKUPS: usize = 1_000;

/// Which routes they are for: every one this many further on, from the first again behind the last.
/// A prime, so that they are spread over all of them.
pub const STEP: usize = 7_919;
