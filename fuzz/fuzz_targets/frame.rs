//! Any frame: the judgement on the host against etherparse.
#![no_main]

use gateway_oracle::compare;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|frame: &[u8]| {
    if let Err(disagreement) = compare(frame) {
        panic!("{disagreement}");
    }
});
