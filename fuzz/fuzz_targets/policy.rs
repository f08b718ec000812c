//! Any bytes as a resource policy.
#![no_main]

#[path = "../checks/policy.rs"]
mod check;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| check::check(bytes));
