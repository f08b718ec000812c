//! One function per API type that calls the steps in their documented order.

pub mod http;
pub mod reply;
mod worker;

pub use worker::Worker;
