//! Other people's clients and servers.
