//! Limits that hold across gateways.
//!
//! What all gateways of a fleet may admit together is kept in Redis, and nobody waits for it: each gateway
//! holds an [`Allowance`] of every such limit that it needs, some requests that were taken there in advance,
//! and a [`Lender`] takes more before they are gone. A request that finds none is admitted on credit, one at a
//! time, while they are fetched; the credit is charged there with the next question. So beyond a limit there
//! is at most what gateways held when a window began and one credit of each.
//!
//! Times are Redis's, in its scripts (`bucket.lua`, `quota.lua`): gateways only measure how long ago it was
//! that they were told something. What a gateway says that it has taken is what counts: where Redis knows less,
//! because it has lost writes, it takes them again and says how many that were; where it knows more, because
//! an answer never came, it has them back. While Redis does not answer, limits are those of this gateway
//! alone, its share of each; what that admits is charged there as soon as it answers.

mod allowance;
mod book;
mod claim;
mod connector;
mod counters;
mod lender;
mod link;
mod question;
mod roll;
mod terms;
#[cfg(test)]
mod tests;
mod untold;
mod voice;

pub use allowance::{Allowance, Verdict};
pub use claim::Claim;
pub use counters::{FleetCounters, FleetFigures};
pub use lender::Lender;
pub use roll::{Fleet, SetRefused};
pub use terms::{BucketTerms, Terms};

/// Most callers that are told apart by limits across gateways; those beyond have their share of them.
pub const FLEET_CALLERS_MAX: usize = 65_536;
/// Most allowances of which more is asked for that nobody has begun to ask for.
pub const ORDERS_MAX: usize = 16_384;
/// Most questions to Redis at once.
pub const QUESTIONS_MAX: usize = 1_024;
