//! Which route answers a path and method.
