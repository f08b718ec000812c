//! What the suites share.

pub mod object;
pub mod capability;
