//! Who is calling?
//!
//! [`authorize`] asks the authorizer of a route: one module for each way in which callers prove who
//! they are. What it learns is a [`Caller`](crate::exchange::Caller), with the caller's own policies where
//! there are some; whether those and the API's let it call is not asked here.

mod authorizer;
mod guard;
mod plan;
mod source;
pub mod function;
pub mod iam;
pub mod jwt;

pub use authorizer::{Authorizer, Judge, Watched};
pub use guard::GuardPlan;
pub use plan::{AuthorizePlan, Claimed, authorize};
