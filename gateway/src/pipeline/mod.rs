//! One file per API type that calls the steps in their documented order.

pub mod rest;
pub mod http;
mod admitted;
mod arriving;
mod follow;
mod decided;
mod discipline;
mod entered;
mod identify;
mod locate;
mod unmatched;
mod prepare;
mod conformed;
mod compressed;
pub mod reply;
mod refused;
mod worker;

pub(crate) use admitted::{keyed, sender, used};
pub(crate) use arriving::Arriving;
pub(crate) use entered::Entered;
pub use worker::Worker;
