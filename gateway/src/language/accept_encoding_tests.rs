use proptest::prelude::*;

use super::*;
use Coding::{Deflate, Gzip};

#[track_caller]
fn check(header: &str, expected: Option<Coding>) {
    assert_eq!(negotiate(Some(header)), expected, "{header}");
}

#[test]
fn a_coding_must_be_wanted() {
    assert_eq!(negotiate(None), None);
    check("", None);
    check(" , ,", None);
    check("br, zstd", None);
    check("identity", None);
    check("gzip", Some(Gzip));
    check("X-GZIP", Some(Gzip));
    check("Deflate", Some(Deflate));
    check("br, gzip;q=0.1", Some(Gzip));
}

#[test]
fn the_highest_weight_wins_and_ties_go_in_order() {
    check("deflate,gzip", Some(Deflate));
    check("gzip, deflate, br", Some(Gzip));
    check("deflate;q=0.5,gzip;q=1.0", Some(Gzip));
    check("gzip;q=0.001, deflate;q=0.002", Some(Deflate));
    check("gzip;q=1.0,identity;q=0.5,*;q=0", Some(Gzip));
    check("gzip;q=0.5, identity", None);
    check("identity, gzip", None);
    check("gzip, identity", Some(Gzip));
    check("identity;q=0, gzip;q=0.1", Some(Gzip));
}

#[test]
fn zero_excludes() {
    check("gzip;q=0", None);
    check("gzip;q=0.000, deflate;q=0.1", Some(Deflate));
    check("*;q=0", None);
}

#[test]
fn a_star_is_what_is_not_named() {
    check("*", Some(Gzip));
    check("gzip;q=0, *", Some(Deflate));
    check("gzip;q=0, deflate;q=0, *", None);
    check("gzip;q=0.5, *;q=0.9", Some(Deflate));
    check("identity;q=0.5, *;q=0.9", Some(Gzip));
    check("gzip;q=0.9, *;q=0.5", Some(Gzip));
}

#[test]
fn what_cannot_be_read_is_skipped() {
    for broken in [
        "gzip;q=2",
        "gzip;q=1.5",
        "gzip;q=-1",
        "gzip;q=0.1234",
        "gzip;q=",
        "gzip;q",
        "gzip;x=1",
        "gzip;q=1;x=1",
        "gzip;q=.5",
        "gzip;q=1.001",
        "gz ip",
        "gzip q=1",
        "gzip;q=0.5a",
    ] {
        check(broken, None);
        check(&format!("{broken}, deflate;q=0.1"), Some(Deflate));
    }
    check("gzip; Q = 0.5", Some(Gzip));
    check("gzip;q=1.", Some(Gzip));
}

#[test]
fn of_a_name_listed_twice_the_first_counts() {
    check("gzip;q=0, gzip", None);
    check("deflate;q=0.5, gzip;q=0.4, gzip", Some(Deflate));
}

/// Lists every coding with the weight it has, then looks for the best.
fn naive(elements: &[(&str, u16)]) -> Option<Coding> {
    let position = |name: &str| elements.iter().position(|(known, _)| *known == name);
    let star = position("*");
    let mut candidates = Vec::new();
    for (rank, (name, coding)) in [
        ("gzip", Some(Gzip)),
        ("deflate", Some(Deflate)),
        ("identity", None),
    ]
    .into_iter()
    .enumerate()
    {
        let from_star = star.filter(|_| coding.is_some());
        if let Some(at) = position(name).or(from_star) {
            candidates.push((elements[at].1, std::cmp::Reverse((at, rank)), coding));
        }
    }
    candidates.retain(|(weight, ..)| *weight > 0);
    candidates.sort_by_key(|(weight, order, _)| (*weight, *order));
    candidates.pop().and_then(|(.., coding)| coding)
}

proptest! {
    #[test]
    fn the_choice_is_that_of_a_naive_negotiator(
        elements in prop::collection::vec(
            (prop::sample::select(vec!["gzip", "deflate", "identity", "*", "br"]), 0_u16..=10),
            0..6,
        ),
    ) {
        let header: Vec<String> = elements
            .iter()
            .map(|(name, tenths)| format!("{name};q={}.{}", tenths / 10, tenths % 10))
            .collect();
        prop_assert_eq!(negotiate(Some(&header.join(", "))), naive(&elements));
    }

    #[test]
    fn no_header_makes_it_panic(header in "[gzipq=;,.*01ü ]{0,30}") {
        let _coding: Option<Coding> = negotiate(Some(&header));
    }
}
