//! From an HTTP request to the pipeline of its API.
