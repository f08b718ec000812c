use std::io::Read;

use flate2::read::{GzDecoder, ZlibDecoder};
use http::HeaderName;

use super::*;

#[track_caller]
fn check(
    fields: &[(&'static str, &'static str)],
    length: Option<u64>,
    expected: Option<Coding>,
    vary: Option<&str>,
) {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::from_static(name);
        headers.append(name, HeaderValue::from_static(value));
    }
    let plan = CompressPlan { bytes_min: 100 };
    let accepted = accepted(&headers);
    headers.remove(ACCEPT_ENCODING);
    let found = coding(plan, accepted.as_deref(), &mut headers, length);
    assert_eq!(found, expected, "{fields:?}");
    let told: Vec<&str> = headers
        .get_all(VARY)
        .iter()
        .map(|v| v.to_str().unwrap())
        .collect();
    assert_eq!(told.join(" | "), vary.unwrap_or_default(), "{fields:?}");
}

#[test]
fn the_client_and_the_size_decide() {
    let gzip = ("accept-encoding", "gzip");
    let vary = Some("Accept-Encoding");
    check(&[gzip], Some(100), Some(Coding::Gzip), vary);
    check(&[gzip], Some(99), None, None);
    check(&[gzip], None, None, None);
    check(&[], Some(100), None, vary);
    check(&[("accept-encoding", "br")], Some(100), None, vary);
    let weighed = [
        ("accept-encoding", "gzip;q=0.5"),
        ("accept-encoding", "deflate"),
    ];
    check(&weighed, Some(100), Some(Coding::Deflate), vary);
    check(&[gzip, ("content-encoding", "br")], Some(100), None, None);
    check(
        &[gzip, ("content-range", "bytes 0-99/200")],
        Some(100),
        None,
        None,
    );
    let cache = ("cache-control", "private, No-Transform");
    check(&[gzip, cache], Some(100), None, None);
    let vary = ("vary", "Origin, accept-encoding");
    check(&[gzip, vary], Some(100), Some(Coding::Gzip), Some(vary.1));
    check(
        &[gzip, ("vary", "*")],
        Some(100),
        Some(Coding::Gzip),
        Some("*"),
    );
    check(
        &[gzip, ("vary", "Origin")],
        Some(100),
        Some(Coding::Gzip),
        Some("Origin | Accept-Encoding"),
    );
}

#[test]
fn an_empty_body_stays_empty() {
    let mut headers = HeaderMap::new();
    let plan = CompressPlan { bytes_min: 0 };
    assert_eq!(coding(plan, Some("gzip"), &mut headers, Some(0)), None);
    assert_eq!(
        coding(plan, Some("gzip"), &mut headers, Some(1)),
        Some(Coding::Gzip)
    );
}

#[test]
fn tags_of_other_bytes_are_weak() {
    for (tag, expected) in [("\"a\"", "W/\"a\""), ("W/\"a\"", "W/\"a\"")] {
        let mut headers = HeaderMap::new();
        headers.insert(ETAG, HeaderValue::from_static(tag));
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("5"));
        announce(Coding::Deflate, &mut headers);
        assert_eq!(headers.get(ETAG).unwrap(), expected);
        assert_eq!(headers.get(CONTENT_ENCODING).unwrap(), "deflate");
        assert!(!headers.contains_key(CONTENT_LENGTH));
    }
}

#[test]
fn pieces_make_one_body_and_give_their_memory_back() {
    let text = b"some text that repeats itself ".repeat(10_000);
    let budget = BodyBudget::new(ENCODER_BYTES as u64);
    for coding in [Coding::Gzip, Coding::Deflate] {
        let mut encoder = Encoder::new(coding, &budget).unwrap();
        assert!(Encoder::new(coding, &budget).is_none());
        let mut coded = Vec::new();
        for piece in text.chunks(1000) {
            coded.extend_from_slice(&encoder.write(piece).unwrap());
        }
        coded.extend_from_slice(&encoder.finish().unwrap());
        assert_eq!(budget.used(), 0);
        assert!(coded.len() < text.len() / 10);
        let mut found = Vec::new();
        match coding {
            Coding::Gzip => GzDecoder::new(&coded[..]).read_to_end(&mut found),
            Coding::Deflate => ZlibDecoder::new(&coded[..]).read_to_end(&mut found),
        }
        .unwrap();
        assert_eq!(found, text);
    }
}
