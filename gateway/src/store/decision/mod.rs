//! Remembered decisions of authorizers, and of whatever else decides who may do what.
//!
//! What was found out about a credential need not be found out again until it could be otherwise. All
//! that is remembered stands in one [`Decisions`] of the gateway, bounded in bytes; each authorizer has
//! a [`DecisionCache`] of its own over it. The rules:
//!
//! - An entry is out of reach when its credential expires and after the authorizer's time to live,
//!   whichever comes first, by the clock of whoever reads.
//! - An entry is found by a digest of everything that it rests on ([`DecisionKey`]). No credential stays
//!   in memory.
//! - Each cache has a fence: a changed authorizer has another cache and so another fence, and a key set
//!   that lost a key another generation. Older entries are then out of reach at once, and age out.
//! - Forgetting ([`Decisions::forget`]) also reaches what is just being decided: whoever decides says
//!   since when ([`Era`]), and what began before nobody remembers.
//! - What is refused is remembered apart ([`Decisions::refusals`]), for seconds and in an eighth of the
//!   room: worthless credentials, which anybody can make, push out no good ones.
//! - Many who ask the same at once are one question: see [`DecisionCache::decided`].
//!
//! A cache that has no room, or no entry, is a miss. Nothing here lets anybody in.

mod cache;
mod counts;
mod flight;
mod key;
mod shelf;
mod decisions;
#[cfg(test)]
mod tests;

pub use cache::{DecisionCache, Lifetime, Looked};
pub use counts::DecisionCounts;
pub use decisions::{Decisions, Era, Whose};
pub use flight::{Flights, Fresh, Undecided, WAITERS_MAX};
pub use key::{DecisionKey, Digest};

/// What all decisions of a gateway may occupy where nothing is configured.
pub const DECISION_BYTES_DEFAULT: u64 = 64 << 20;

/// The share of that which is added for what is refused.
pub const REFUSALS_SHARE: u64 = 8;

/// Longest time that something refused is remembered.
pub const REFUSAL_TTL_MAX: std::time::Duration = std::time::Duration::from_secs(10);

/// What can be remembered.
pub trait Remembered: Send + Sync + 'static {
    /// Bytes that it occupies, what it points to included; rather too many than too few.
    fn bytes(&self) -> usize;

    /// Whom it is about, as `gateway cache flush --principal` names them: of a token its subject.
    fn principal(&self) -> Option<&str>;
}
