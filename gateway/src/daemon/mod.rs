//! Start, reload, shutdown, admin socket.
