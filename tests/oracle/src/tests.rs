use gateway_common::reason::{Family, Reason, Verdict};

use super::{Oracle, corpus};
use crate::site::Site;

/// A SYN to the listener, tagged twice.
const TAGGED: [u8; 62] = [
    2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xa8, 0, 1, 0x81, 0, 0, 2, 8, 0, // Ethernet
    0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, 6, 0, 0, 192, 168, 1, 5, 10, 0, 0, 1, // IPv4
    0x9c, 0x40, 1, 0xbb, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0, // TCP
];

#[track_caller]
fn check(oracles: &[Oracle], frame: &[u8]) {
    for oracle in oracles {
        if let Err(disagreement) = oracle.compare(frame) {
            panic!("{disagreement}");
        }
    }
}

#[test]
fn a_syn_behind_two_tags_is_a_new_connection_to_both() {
    let judgement = Oracle::new(Site(None)).compare(&TAGGED).unwrap();
    assert_eq!(
        (judgement.verdict, judgement.reason, judgement.family),
        (Verdict::Pass, Reason::NewConnection, Family::Ipv4)
    );
}

#[test]
fn every_byte_of_it_may_take_every_value() {
    let oracles = Oracle::all();
    let mut frame = TAGGED;
    for index in 0..frame.len() {
        for value in 0..=u8::MAX {
            frame[index] = value;
            check(&oracles, &frame);
        }
        frame[index] = TAGGED[index];
    }
}

#[test]
fn it_may_be_cut_anywhere() {
    let oracles = Oracle::all();
    for length in 0..=TAGGED.len() {
        check(&oracles, &TAGGED[..length]);
    }
}

#[test]
fn both_read_every_frame_of_the_corpus_alike() {
    let frames = corpus::frames().unwrap();
    assert!(frames.len() > 100, "the corpus is gone");
    let bytes: usize = frames.iter().map(|(_, frame)| frame.len()).sum();
    assert!(
        frames.len() < 300 && bytes < 200 * 1024,
        "{} frames of {bytes} bytes: minimise the corpus, see CONTRIBUTING.md",
        frames.len()
    );
    let oracles = Oracle::all();
    for (name, frame) in frames {
        println!("{name}");
        check(&oracles, &frame);
    }
}
