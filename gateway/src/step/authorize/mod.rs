//! Who is calling?
//!
//! [`authorize`] asks the authorizer of a route: one module for each way in which callers prove who
//! they are. What it learns is a [`Caller`](crate::exchange::Caller), with what the caller's own policy
//! says where there is one; a resource policy may still refuse it.

mod authorizer;
mod plan;
pub mod jwt;

pub use authorizer::{Authorizer, Judge};
pub use plan::{AuthorizePlan, Authorized, authorize};
