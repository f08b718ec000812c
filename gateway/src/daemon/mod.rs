//! Start, reload, shutdown, admin socket.

pub mod lock;
pub mod privilege;
pub mod protocol;
