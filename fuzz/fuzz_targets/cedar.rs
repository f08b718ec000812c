//! Any bytes as the texts of a policy store.
#![no_main]

#[path = "../checks/cedar.rs"]
mod check;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| check::check(bytes));
