//! What the suites share.

pub mod object;
pub mod capability;

pub mod wait;
pub mod lines;
pub mod setup;
pub mod gateway;
pub mod metrics;
pub mod upstream;
pub mod client;
pub mod raw;
pub mod h2;
pub mod authority;
pub mod issuer;
