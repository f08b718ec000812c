//! Sockets, TLS, HTTP.
