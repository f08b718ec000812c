//! Looks routes up among a number of them, for a counter of instructions to watch.
//!
//! `route-lookups http|rest COUNT`. All routes are of one depth and their paths of one length, so
//! that nothing but their number differs from run to run. Panics where a lookup finds another route.
#![expect(
    clippy::unwrap_used,
    reason = "a failed check is what this reports, and wrong arguments are the caller's"
)]

use std::hint::black_box;

use gateway::model::{Method, RouteMethod, Segment};
use gateway::router::{RequestPath, Router, Slashes};
use gateway_tests::counted_lookups::{LOOKUPS, STEP};

/// `/route-00007/items/{id}/parts`.
fn route(number: usize) -> [Segment; 4] {
    [
        Segment::Static(format!("route-{number:05}")),
        Segment::Static("items".to_owned()),
        Segment::Parameter("id".to_owned()),
        Segment::Static("parts".to_owned()),
    ]
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let is_rest = arguments.next().unwrap() == "rest";
    let count: usize = arguments.next().unwrap().parse().unwrap();
    let mut router = Router::default();
    for number in 0..count {
        let path = route(number);
        router.insert(&RouteMethod::Only(Method::Get), Some(&path), number);
    }
    let asked: Vec<usize> = (0..LOOKUPS).map(|index| index * STEP % count).collect();
    let texts: Vec<String> = asked
        .iter()
        .map(|number| format!("/route-{number:05}/items/7/parts"))
        .collect();
    let paths = texts
        .iter()
        .map(|text| RequestPath::parse(text, Slashes::Exact).unwrap());
    let paths: Vec<RequestPath<'_>> = paths.collect();
    let found = if is_rest {
        counted_rest_lookups(black_box(&router), black_box(&paths))
    } else {
        counted_http_lookups(black_box(&router), black_box(&paths))
    };
    assert_eq!(found, asked.iter().sum::<usize>());
}

/// The sum of what was found: every route stands for its number. Without closures, whose names would
/// begin like this one's and stop the counting.
#[inline(never)]
fn counted_http_lookups(router: &Router<usize>, paths: &[RequestPath<'_>]) -> usize {
    let mut sum = 0;
    for path in paths {
        if let Some(found) = router.find(&http::Method::GET, path) {
            sum += *found.value;
        }
    }
    sum
}

/// As [`counted_http_lookups`], in the way of REST APIs.
#[inline(never)]
fn counted_rest_lookups(router: &Router<usize>, paths: &[RequestPath<'_>]) -> usize {
    let mut sum = 0;
    for path in paths {
        if let Some(found) = router.find_method(&http::Method::GET, path) {
            sum += *found.value;
        }
    }
    sum
}
