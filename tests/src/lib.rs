//! What the suites share.

pub mod object;
pub mod capability;
pub mod namespace;
pub mod edge;
