//! Any bytes as the beginning of a connection that a balancer passes on.
#![no_main]

#[path = "../checks/proxy_header.rs"]
mod check;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| check::check(bytes));
