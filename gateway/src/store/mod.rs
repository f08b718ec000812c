//! What lives longer than a request or a snapshot.

mod backoff;
pub mod directory;
mod private_file;
mod state_file;
#[cfg(test)]
mod faulty_disk;
pub mod api_key;
pub mod deployment;
pub mod bucket;
pub mod charge;
pub mod connection;
pub mod control;
pub mod coverage;
pub mod decision;
pub mod fleet;
pub mod kept;
pub mod list;
pub mod key_ring;
pub mod lease;
pub mod offence;
pub mod penalty;
pub mod usage;
pub mod vouch;

pub use backoff::Backoff;
