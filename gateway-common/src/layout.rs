//! The version of everything in this crate that another process or another run may still hold.

/// Part of the pin path and of the header of the mapped file. Raise it whenever the meaning or the
/// position of any byte in any map changes.
pub const LAYOUT_VERSION: u32 = 3;
