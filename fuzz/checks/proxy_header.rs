//! Any bytes as the beginning of a connection: however they arrive, they are a header of one length, the
//! beginning of one, or none.

use gateway::listener::proxy_protocol::{HEADER_BYTES_MAX, Progress, read};

/// Panics where the same bytes come to something else in other pieces.
pub(super) fn check(bytes: &[u8]) {
    let outcome = read(bytes);
    let beginnings = (0..=bytes.len()).filter_map(|end| bytes.get(..end));
    let known = beginnings.map(|bytes| (bytes.len(), read(bytes)));
    let first = known
        .into_iter()
        .find(|(_, outcome)| *outcome != Ok(Progress::Incomplete));
    match first {
        Some((end, Ok(whole))) => {
            let is_the_end = matches!(whole, Progress::Whole { length, .. } if length == end);
            assert!(is_the_end, "{whole:?} at {end}");
            assert!(end <= HEADER_BYTES_MAX);
            assert_eq!(outcome, Ok(whole));
        }
        Some((_, Err(error))) => {
            assert!(!error.to_string().is_empty());
            assert!(outcome.is_err());
        }
        None => assert!(bytes.len() < HEADER_BYTES_MAX),
    }
}
