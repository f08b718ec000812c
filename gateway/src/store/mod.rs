//! What lives longer than a request or a snapshot.

pub mod bucket;
pub mod coverage;
pub mod deny;
