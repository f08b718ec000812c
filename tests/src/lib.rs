//! What the suites share.

pub mod object;
pub mod packet;
pub mod mapping;
pub mod capability;
pub mod namespace;
pub mod edge;
