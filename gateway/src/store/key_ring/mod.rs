//! API keys as requests are matched against them: each with the usage plans that it belongs to, and with
//! the buckets and quotas that its requests are charged to.
//!
//! A ring is made of the keys in memory and the plans of the configuration, and replaced whole when
//! either changes. What did not change is carried over, so that one key among a hundred thousand costs
//! little. Buckets belong to a key under a plan, not to a ring: the next ring finds them with everything
//! that they owe.

mod held;
mod place;
mod ring;
#[cfg(test)]
pub(crate) mod tests;

pub use held::{Counted, HeldKey, InUse};
pub use place::slot_tags;
pub use ring::{KeyRing, KeyRings, NoRing, Unmatched};
