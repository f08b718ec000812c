//! May the caller do what it wants to? Asks the policy set of the route.
//!
//! Whatever keeps the set from an answer is a no: a value that the request should have, a policy that
//! fails, an engine that does not answer. Nothing is remembered of what the gateway decides itself, so
//! that a reload is in force with the first request behind it; it forgets what servers said, too.

pub mod lookup;
mod enrich;
mod found;
mod http;
mod plan;
mod question;
mod remote;
mod server;
mod tenant;
mod together;
mod verified;

pub use self::http::{ANSWER_BYTES_MAX, HttpDecider};
pub use enrich::EnrichPlan;
pub use found::FoundPlan;
pub use plan::{DecidePlan, Engine, StorePlan, decide};
pub use remote::{RemoteDecision, RemoteEngine};
pub use tenant::{FOUND_STORE_BYTES_MAX, FoundStores, ReadStore};
pub use verified::{VERIFIED_ANSWER_BYTES_MAX, VerifiedDecider, VerifiedStorePlan};
