//! Any frame, at every site: the judgement on the host against etherparse.
#![no_main]

use std::sync::LazyLock;

use gateway_oracle::Oracle;
use libfuzzer_sys::fuzz_target;

static ORACLES: LazyLock<Vec<Oracle>> = LazyLock::new(Oracle::all);

fuzz_target!(|frame: &[u8]| {
    for oracle in ORACLES.iter() {
        if let Err(disagreement) = oracle.compare(frame) {
            panic!("{disagreement}");
        }
    }
});
