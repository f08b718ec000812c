//! Single packets, as people look at them: decoded headers, packets made from a description, and
//! captures that other tools read and write.
//!
//! Nothing here judges. What the kernel edge makes of a packet is said by the kernel edge alone, so
//! that a second opinion can never differ from it.

mod headers;
mod made;
pub mod capture;

pub use headers::{Fragment, Headers, TCP_FLAGS};
pub use made::{Description, MadeError, Protocol};
