//! What keys have used: counted in memory by those who admit requests, and written twice a second.
//!
//! A [`QuotaCell`] is what one key has used under one plan: in the period of the plan's quota, and today.
//! [`Usage`] has all of them, and one embedded database in the state directory, of which one process at a time
//! is the only owner. A commit has everything that has changed since the last one, so a gateway that is killed
//! loses what it counted since the commit before the one that it was in. Nobody waits for the disk, and nobody
//! is refused because it fails: what cannot be written stays in memory until it can.

mod tally;
mod cell;
mod record;
mod error;
mod database;
mod disk;
mod store;
#[cfg(test)]
mod step_tests;
#[cfg(test)]
mod store_tests;

pub use cell::{QuotaCell, Standing, Taken};
pub use error::UsageError;
pub use record::{DayUse, PlanKey};
pub use store::{PAGE_ROWS_MAX, Page, Usage, Wanted};
pub use tally::{Exhausted, NoPeriod, QuotaTerms};

/// Most requests that a quota may allow in a period, and most that may be left to a key: what a word
/// counts is twice that and more.
pub const QUOTA_MAX: u64 = 500_000_000_000;
/// Days that are kept, of those on which anything was counted.
pub const DAYS_KEPT: usize = 400;
