//! What is peculiar to AWS: how its clients sign requests, and how its services are called.

pub mod sigv4;
