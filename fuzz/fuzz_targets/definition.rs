//! Any bytes as an OpenAPI definition.
#![no_main]

#[path = "../checks/definition.rs"]
mod check;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| check::check(bytes));
