//! What the fuzzer found worth keeping, through the program in the kernel.

use gateway_oracle::corpus;

use crate::differential::{agree, site};

/// What the kernel's test run takes: an Ethernet header at least, and one page.
const LENGTHS: std::ops::RangeInclusive<usize> = 14..=3_000;

#[test]
fn kernel_host_and_etherparse_read_every_frame_of_the_corpus_alike() {
    let Some(mut object) = site() else {
        return;
    };
    let mut replayed = 0;
    for (name, frame) in corpus::frames().unwrap() {
        let agreement = gateway_oracle::compare(&frame)
            .unwrap_or_else(|disagreement| panic!("{name}: {disagreement}"));
        if LENGTHS.contains(&frame.len()) {
            agree(&mut object, &frame, &agreement.judgement);
            replayed += 1;
        }
    }
    println!("{replayed} frames replayed");
    assert!(replayed > 100, "the corpus is gone");
}
