//! What is peculiar to AWS: how its clients sign requests, and how its services are called.
//!
//! A call is a request that [`sign()`] gives a signature, and an answer that is either what was asked
//! for or a [`Fault`]. What is sent and what comes back is made and read without any connection:
//! [`invoke`] speaks of functions.

pub mod sigv4;
pub mod credentials;
mod sign;
mod fault;
pub mod invoke;

pub use fault::{Fault, FaultKind};
pub use sign::{Service, SignError, sign};
