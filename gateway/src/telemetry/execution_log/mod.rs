//! What became of a request, step by step, for stages of REST APIs that ask for it.
//!
//! One JSON object per line and step, with the words that the service has for it where it has some.
//! Nothing is worded for a request that nobody follows, nor while the log goes nowhere. A message has
//! at most [`MESSAGE_BYTES_MAX`] bytes; the end of a longer one is cut off and says so. Headers and
//! bodies are told only where data is asked for, and credentials never are: see [`Masks`].
//!
//! Source: Amazon API Gateway Developer Guide, "Set up CloudWatch logging for REST APIs in API Gateway",
//! and 15.4 of docs/semantics.md.

mod address;
mod credentials;
mod execution;
mod masks;
mod message;
mod step;

pub use execution::{Detail, Execution, ExecutionPlan, Follower};
pub use masks::{MASK, Masks};
pub use message::{MESSAGE_BYTES_MAX, Message};
pub(super) use step::Event;
pub use step::Step;

/// Bytes of a body that are kept to be told; more would not fit into a message.
pub const BODY_BYTES_MAX: usize = MESSAGE_BYTES_MAX;
