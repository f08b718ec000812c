//! Callers with JSON Web Tokens.
//!
//! A [`JwtAuthorizer`] takes the value of the identity source and gives the
//! [`Identity`](crate::exchange::Identity) that the issuer vouches for, or a [`Refusal`]. What it
//! remembers of a token it recalls at once; any other it judges: `token` splits what the client sent, `key_set` finds the key it names, the signature
//! is verified, `claims` judges what was signed, and the decision is remembered until it could be
//! another; a refusal for seconds, unless it might be another at once. Whatever cannot be decided is refused.

mod refusal;
mod authorizer;
mod token;
mod absent;
mod key;
mod key_set;
mod fetch;
mod remote;
mod remembered;
mod claims;
pub mod pool;
#[cfg(test)]
mod tests;

pub use authorizer::{Asked, JwtAuthorizer, Recalled, Unjudged};
pub use fetch::FetchError;
pub use key::KeyDocumentError;
pub use key_set::{
    FETCH_INTERVAL_MIN, KeySet, KeySetError, KeySetStatus, RETRY_INTERVAL, WAITERS_MAX,
};
pub use refusal::Refusal;
pub use remote::DiscoveryError;
pub(super) use token::token_of;

/// Largest accepted token. Header limits of listeners are of this order; nothing honest comes near.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;
