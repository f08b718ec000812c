//! What the fuzzer found worth keeping, through the program in the kernel.

use gateway_oracle::corpus;
use gateway_oracle::site::Site;

use crate::differential::{agree, site};

/// What the kernel's test run takes: an Ethernet header at least, and one page.
const LENGTHS: std::ops::RangeInclusive<usize> = 14..=3_000;

#[test]
fn kernel_host_and_etherparse_read_every_frame_of_the_corpus_alike() {
    for at in Site::ALL {
        let Some(mut readers) = site(at) else {
            return;
        };
        let mut replayed = 0;
        for (name, frame) in corpus::frames().unwrap() {
            if LENGTHS.contains(&frame.len()) {
                println!("{name}");
                agree(&mut readers, &frame);
                replayed += 1;
            }
        }
        assert!(replayed > 100, "the corpus is gone");
    }
}
