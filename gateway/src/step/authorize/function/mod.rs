//! Functions that authorize callers, as Lambda authorizers do.
//!
//! A function is told of a request and answers who calls and, by a policy or simply, whether it may. What
//! it answered is remembered whole for as long as its authorizer says; a policy is asked about every
//! method anew. Whatever goes wrong refuses the request: there is no failing open.

mod authorizer;
mod call;
mod event;
mod rejection;
mod remembered;
mod result;

pub use authorizer::FunctionAuthorizer;
pub use call::{RESULT_BYTES_MAX, Way};
