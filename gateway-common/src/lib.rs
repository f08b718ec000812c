//! What the XDP program and the daemon must agree on, bit for bit.
//!
//! Two enforcers share one memory: the kernel judges packets, the daemon judges requests, and both
//! change the same words. Everything here is therefore `no_std`, free of dependencies, and written
//! once for both sides: the arithmetic of a limit, the layout of every map, the numbers of every
//! reason. Nothing here allocates, panics or knows how a word is stored.
#![cfg_attr(not(test), no_std)]
#![expect(
    clippy::cast_possible_truncation,
    reason = "hashes are folded and indexes are below their table's size; the BPF target has no 128-bit checks"
)]

pub mod word;
pub mod limit;
pub mod bucket;
pub mod slot;
pub mod address;
pub mod endpoint;
pub mod list;
pub mod flow;
pub mod settings;
pub mod reason;
pub mod counter;
pub mod event;
pub mod trace;
pub mod capacity;
pub mod name;
pub mod layout;
#[cfg(feature = "user")]
mod user;
