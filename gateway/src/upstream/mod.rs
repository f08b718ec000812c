//! Connections to backends.

pub mod tls;
