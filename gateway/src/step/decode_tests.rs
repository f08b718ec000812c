use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use http::HeaderValue;

use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn decoded(coding: Coding, coded: &[u8], max: u64, budget: u64) -> Result<Vec<u8>, String> {
    let budget = BodyBudget::new(budget);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let found = runtime.block_on(decode(coding, coded, max, &budget));
    let found = found.map(|whole| whole.bytes().to_vec());
    assert_eq!(budget.used(), 0);
    found.map_err(|error| error.to_string())
}

#[test]
fn what_was_coded_comes_back() {
    let long = b"0123456789".repeat(PIECE_BYTES);
    for text in [&b""[..], b"x", &long] {
        let most = u64::try_from(text.len()).unwrap();
        for (coding, coded) in [(Coding::Gzip, gzip(text)), (Coding::Deflate, zlib(text))] {
            let found = decoded(coding, &coded, most, most);
            assert_eq!(found.as_deref(), Ok(text), "{coding:?}");
        }
    }
    assert_eq!(decoded(Coding::Gzip, b"", 0, 0), Ok(Vec::new()));
}

#[test]
fn what_grows_too_large_ends_in_time() {
    let bomb = vec![0; 1 << 20];
    for (coding, coded) in [(Coding::Gzip, gzip(&bomb)), (Coding::Deflate, zlib(&bomb))] {
        let too_large = "the decoded body is larger than the route allows";
        let found = decoded(coding, &coded, (1 << 20) - 1, 2 << 20);
        assert_eq!(found, Err(too_large.to_owned()));
        let found = decoded(coding, &coded, 1 << 20, (1 << 20) - 1);
        assert_eq!(
            found,
            Err("all memory for buffered bodies is in use".to_owned())
        );
    }
}

#[test]
fn what_is_not_in_its_coding_is_broken() {
    let mut raw = DeflateEncoder::new(Vec::new(), Compression::best());
    raw.write_all(b"hello").unwrap();
    let raw = raw.finish().unwrap();
    let (gzipped, zlibbed) = (gzip(b"hello"), zlib(b"hello"));
    let mut flipped = gzipped.clone();
    // The checksum.
    let at = flipped.len() - 5;
    flipped[at] ^= 1;
    for (coding, coded) in [
        (Coding::Gzip, b"hello".to_vec()),
        (Coding::Gzip, zlibbed.clone()),
        (Coding::Gzip, gzipped[..gzipped.len() - 1].to_vec()),
        (Coding::Gzip, [gzipped.clone(), b"x".to_vec()].concat()),
        (Coding::Gzip, [gzipped.clone(), gzipped.clone()].concat()),
        (Coding::Gzip, flipped),
        (Coding::Deflate, gzipped.clone()),
        (Coding::Deflate, raw),
        (Coding::Deflate, zlibbed[..zlibbed.len() - 1].to_vec()),
        (Coding::Deflate, [zlibbed, b"x".to_vec()].concat()),
    ] {
        let found = decoded(coding, &coded, 100, 100).unwrap_err();
        let expected = format!("the body is not {}: ", coding.name());
        assert!(found.starts_with(&expected), "{found} {coded:?}");
    }
}

#[track_caller]
fn check_coding(fields: &[&'static str], expected: Option<Option<Coding>>) {
    let mut headers = HeaderMap::new();
    for field in fields {
        headers.append(CONTENT_ENCODING, HeaderValue::from_static(field));
    }
    assert_eq!(coding(&headers).ok(), expected, "{fields:?}");
}

#[test]
fn one_coding_is_read() {
    check_coding(&[], Some(None));
    check_coding(&[""], Some(None));
    check_coding(&["identity"], Some(None));
    check_coding(&["gzip"], Some(Some(Coding::Gzip)));
    check_coding(&[" X-Gzip "], Some(Some(Coding::Gzip)));
    check_coding(&["Deflate"], Some(Some(Coding::Deflate)));
    check_coding(&["br"], None);
    check_coding(&["gzip, gzip"], None);
    check_coding(&["gzip", "identity"], None);
    check_coding(&["identity", "gzip"], None);
}
