//! What is peculiar to AWS: how its clients sign requests, and how its services are called.
//!
//! A call is a request that [`sign()`] gives a signature, and an answer that is either what was asked
//! for or a [`Fault`]. What is sent and what comes back is made and read without any connection
//! ([`invoke`] speaks of functions, [`dynamodb`] of items, [`verified_permissions`] of decisions); a [`Client`] knows the way to a service and has credentials.

pub mod sigv4;
pub mod credentials;
mod sign;
mod fault;
mod client;
pub mod invoke;
mod json;
pub mod dynamodb;
pub mod verified_permissions;

pub use client::{CallError, Calling, Client};
pub use fault::{Fault, FaultKind};
pub use json::AskError;
pub use sign::{Service, SignError, sign};
