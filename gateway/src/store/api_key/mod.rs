//! API keys: who calls, as far as usage plans want to know.
//!
//! Keys are made, changed and deleted while the gateway runs, so they stand in an embedded database
//! in the state directory and not in the configuration. One process at a time is its only owner: the
//! gateway or, while none runs, the command line. An [`ApiKeyStore`] follows orders, each whole or not
//! at all: what it acknowledges is on the disk by then, and in the memory that [`ApiKeys`] share.
//!
//! Of the value of a key only an HMAC is kept, under a key that is made of a secret beside the
//! database; where the configuration says so, also the value itself, encrypted. Values are in no
//! message, log or `Debug`.
//!
//! A database that is damaged, or that belongs to another secret, is refused by name. Nothing is ever
//! made anew in its place.

mod value;
mod key;
mod rules;
mod vault;
mod error;
mod record;
mod memory;
mod order;
mod refusal;
mod csv;
mod import;
mod draft;
mod database;
mod disk;
mod store;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod import_tests;
#[cfg(test)]
pub(crate) mod disk_tests;

pub use csv::CsvError;
pub use error::ApiKeyError;
pub use import::{CSV_BYTES_MAX, ImportWarnings, WARNINGS_MAX};
pub use key::{ApiKey, KeySet, KeyThrottle, Membership, ValueMac};
pub use memory::ApiKeys;
pub use order::{KeyOrder, NewKey, NewThrottle, Unsaid};
pub use refusal::KeyRefusal;
pub use rules::{KeyRules, KnownPlans};
pub use store::{ApiKeyStore, FollowError, Followed};
pub use value::{
    DRAWN_CHARACTERS, IMPORTED_CHARACTERS_MIN, KeyValue, NoRandomness, VALUE_CHARACTERS_MAX,
    VALUE_CHARACTERS_MIN, ValueError,
};

/// Usage plans that a key may belong to.
pub const PLANS_MAX: usize = 10;
/// Longest name, customer and description, in bytes each.
pub const TEXT_BYTES_MAX: usize = 1_024;
