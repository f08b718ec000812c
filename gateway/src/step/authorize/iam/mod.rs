//! Callers that sign their requests.
//!
//! An [`IamAuthorizer`] reads what a request claims of its signature, finds the access key on file and
//! verifies, in the order in which the service tells what is wrong (4.7 of docs/semantics.md).
//! Everything that the head tells is judged before a byte of the body is asked for: what remains then
//! is an [`Unproven`] signer, whose proof is the body. Whatever cannot be verified is refused.

mod authorizer;
mod refusal;
mod ring;

pub use authorizer::{IamAuthorizer, Unproven};
pub use ring::DAYS_MAX;
