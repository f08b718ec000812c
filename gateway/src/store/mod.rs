//! What lives longer than a request or a snapshot.

pub mod bucket;
pub mod connection;
pub mod control;
pub mod coverage;
pub mod decision;
pub mod deny;
pub mod lease;
pub mod penalty;
pub mod vouch;
