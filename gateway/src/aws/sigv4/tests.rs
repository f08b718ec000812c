use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const HOST: &str = "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com";
const AT: &str = "20260102T030405Z";
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn scope() -> Scope {
    Scope {
        date: "20260102".to_owned(),
        region: "us-east-1".to_owned(),
        service: "execute-api".to_owned(),
    }
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pairs = pairs.iter().map(|(name, value)| {
        let name: HeaderName = name.parse().unwrap();
        (name, HeaderValue::from_str(value).unwrap())
    });
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(name, value);
    }
    headers
}

fn base64_hash(text: &str) -> String {
    use base64::Engine as _;
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    base64::engine::general_purpose::STANDARD.encode(hash)
}

fn names(written: &str) -> Vec<HeaderName> {
    written
        .split(';')
        .map(|name| name.parse().unwrap())
        .collect()
}

/// The hash of the canonical form, and the signature.
fn signed(request: &SignedRequest<'_>, payload: &[u8]) -> (String, String) {
    let canonical = Canonical::of(request, &payload_hash(payload)).unwrap();
    let key = SigningKey::derive(&Secret::new(SECRET.to_owned()), &scope());
    let at = SignedAt::parse(AT).unwrap();
    let to_sign = scope().string_to_sign(&at, &canonical);
    (canonical.hash(), key.sign(&to_sign))
}

#[test]
fn signs_a_query() {
    let headers = headers(&[("host", HOST), ("x-amz-date", AT)]);
    let request = SignedRequest {
        method: "GET",
        path: "/prod/pets",
        query: "type=dog&page=1",
        unsigned_parameter: None,
        headers: &headers,
        authority: "",
        signed: &names("host;x-amz-date"),
    };
    let (hash, signature) = signed(&request, b"");
    assert_eq!(
        hash,
        "49f8044e74289026a6da69b20fee65bbabf7d0e9c5f1d8a9c53e65a51cf458ec"
    );
    assert_eq!(
        signature,
        "26da92e0f918de354f71541feed57bf0b4bad59bebcfeee41b370b0fbc359ca0"
    );
}

#[test]
fn signs_a_path_that_is_escaped_already() {
    let headers = headers(&[("x-amz-date", AT)]);
    let request = SignedRequest {
        method: "POST",
        path: "/prod/%40connections/R0oXAdfD0kwCH6w%3D",
        query: "",
        unsigned_parameter: None,
        headers: &headers,
        // As HTTP/2 sends it.
        authority: HOST,
        signed: &names("host;x-amz-date"),
    };
    let (hash, signature) = signed(&request, b"hello");
    assert_eq!(
        hash,
        "4b0aea998ffabe044e8db9132c8592dc41f9cb2f41c32ec79f1fec071df0237d"
    );
    assert_eq!(
        signature,
        "98dc87a71f709ba82e92993b83bf71727298565a6e4147592a74c23fc0a24646"
    );
}

#[test]
fn signs_in_the_query() {
    let headers = headers(&[("host", HOST)]);
    let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256\
        &X-Amz-Credential=AKIDEXAMPLE%2F20260102%2Fus-east-1%2Fexecute-api%2Faws4_request\
        &X-Amz-Date=20260102T030405Z&X-Amz-Expires=300&X-Amz-SignedHeaders=host\
        &X-Amz-Signature=89e8acc1436f4beaadee8cc687306bc8240be98e2f51a006e0370f1af28b04fb";
    let request = SignedRequest {
        method: "GET",
        path: "/prod/pets",
        query,
        unsigned_parameter: Some("X-Amz-Signature"),
        headers: &headers,
        authority: "",
        signed: &names("host"),
    };
    let (hash, signature) = signed(&request, b"");
    assert_eq!(
        hash,
        "524977b1076f4a6483e0477a770cfab2d0bb0dd3f28be571e8fa3a09bdb613ca"
    );
    assert_eq!(
        signature,
        "89e8acc1436f4beaadee8cc687306bc8240be98e2f51a006e0370f1af28b04fb"
    );

    let claim = Claim::of(&headers, query).unwrap();
    assert_eq!(claim.form, Form::Query { expires: 300 });
    assert_eq!(claim.access_key_id, "AKIDEXAMPLE");
    assert_eq!(claim.scope, scope());
    let canonical = Canonical::of(&request, EMPTY).unwrap();
    let key = SigningKey::derive(&Secret::new(SECRET.to_owned()), &claim.scope);
    let to_sign = claim.scope.string_to_sign(&claim.signed_at, &canonical);
    assert!(key.verifies(&to_sign, &claim.signature));
    assert!(!key.verifies(&format!("{to_sign} "), &claim.signature));
}

#[test]
fn signs_a_body_and_a_session() {
    let headers = headers(&[
        ("host", HOST),
        ("content-type", "application/json"),
        ("x-amz-date", AT),
        ("x-amz-security-token", "FwoGZXIvYXdzEXAMPLETOKEN=="),
    ]);
    let request = SignedRequest {
        method: "POST",
        path: "/prod/pets",
        query: "q=a%20b&e=",
        unsigned_parameter: None,
        headers: &headers,
        authority: "",
        signed: &names("content-type;host;x-amz-date;x-amz-security-token"),
    };
    let (hash, signature) = signed(&request, br#"{"a":1}"#);
    assert_eq!(
        hash,
        "05913009163e2d6bc156279d7768d4c47e134dc8d7af4ba1b3f1961f54c870ef"
    );
    assert_eq!(
        signature,
        "3dc254d5f773aeabeffbac29b41d140d17eabfac129249569c28a63e1625bd1b"
    );
}

fn form(path: &str, query: &str, sent: &[(&str, &str)]) -> String {
    let headers = headers(sent);
    let mut signed: Vec<HeaderName> = headers.keys().cloned().collect();
    signed.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    let request = SignedRequest {
        method: "GET",
        path,
        query,
        unsigned_parameter: None,
        headers: &headers,
        authority: "",
        signed: &signed,
    };
    let form = Canonical::of(&request, "-").unwrap();
    String::from_utf8(form.as_bytes().to_vec()).unwrap()
}

#[test]
fn a_path_is_resolved_and_escaped_once_more() {
    for (sent, expected) in [
        ("", "/"),
        ("/", "/"),
        ("//a///b//", "/a/b/"),
        ("/a/./b/../c", "/a/c"),
        ("/../..", "/"),
        ("/a/..", "/"),
        ("/a%2Fb", "/a%252Fb"),
        ("/a:b@c", "/a%3Ab%40c"),
        ("/-._~", "/-._~"),
    ] {
        let form = form(sent, "", &[("host", "h")]);
        assert_eq!(form.lines().nth(1), Some(expected), "{sent}");
    }
}

#[test]
fn a_query_is_sorted_and_escaped_in_one_way() {
    for (sent, expected) in [
        ("b=2&a=1&b=1", "a=1&b=1&b=2"),
        ("a", "a="),
        ("a=b=c", "a=b%3Dc"),
        ("a+b=c%20d", "a%20b=c%20d"),
        ("a=%2b", "a=%2B"),
        ("a=%zz", "a=%25zz"),
        ("a=%ff", "a=%FF"),
        ("A=1&a=1", "A=1&a=1"),
        ("&&a=1&", "a=1"),
    ] {
        let form = form("/", sent, &[("host", "h")]);
        assert_eq!(form.lines().nth(2), Some(expected), "{sent}");
    }
}

#[test]
fn a_query_that_is_escaped_otherwise_has_a_form_of_its_own() {
    let headers = headers(&[("host", "h")]);
    for (sent, expected) in [
        ("a=1&b=%20", None),
        ("b=2&a=1", None),
        ("a", None),
        ("", None),
        ("b=c+d&a=1", Some("a=1&b=c+d")),
        ("a=b=c", Some("a=b=c")),
        ("a=%2b", Some("a=%2b")),
        ("a=x:y/z@", Some("a=x:y/z@")),
        ("a=%41", Some("a=%41")),
        ("a=1&&b=2", None),
        ("a=+&X-Amz-Signature=0", Some("a=+")),
    ] {
        let request = SignedRequest {
            method: "GET",
            path: "/",
            query: sent,
            unsigned_parameter: Some("X-Amz-Signature"),
            headers: &headers,
            authority: "",
            signed: &names("host"),
        };
        let form = CanonicalHead::as_sent(&request).unwrap();
        let form = form.map(|form| String::from_utf8(form.with("-").as_bytes().to_vec()).unwrap());
        let query = form.as_ref().and_then(|form| form.lines().nth(2));
        assert_eq!(query, expected, "{sent}");
    }
}

proptest! {
    /// Whoever has signed one query as it stands has signed no other that means something else.
    #[test]
    fn no_other_query_has_the_form_of_one_that_is_escaped_otherwise(
        one in "[ab=&+%:]{0,8}|[ab]=%2[0Bb]", other in "[ab=&+%:]{0,8}|[ab]=%2[0Bb]"
    ) {
        let form = |query: &str, as_sent: bool| {
            let headers = headers(&[("host", "h")]);
            let request = SignedRequest {
                method: "GET",
                path: "/",
                query,
                unsigned_parameter: None,
                headers: &headers,
                authority: "",
                signed: &names("host"),
            };
            let head = if as_sent {
                CanonicalHead::as_sent(&request).unwrap()
            } else {
                Some(CanonicalHead::of(&request).unwrap())
            };
            head.map(|head| head.with("-").as_bytes().to_vec())
        };
        if let Some(signed) = form(&one, true) {
            // The form that is escaped is never this one, whatever is sent.
            let escaped = form(&other, false);
            prop_assert_ne!(Some(&signed), escaped.as_ref());
            if form(&other, true).as_ref() == Some(&signed) {
                prop_assert_eq!(form(&one, false), escaped);
            }
        }
    }
}

#[test]
fn headers_are_joined_and_trimmed() {
    let sent = [
        ("host", "h"),
        ("x-b", "  a \t b  "),
        ("x-b", "c"),
        ("x-a", ""),
    ];
    let form = form("/", "", &sent);
    assert_eq!(form, "GET\n/\n\nhost:h\nx-a:\nx-b:a b,c\n\nhost;x-a;x-b\n-");
}

#[test]
fn a_signed_header_has_to_be_there() {
    let request = SignedRequest {
        method: "GET",
        path: "/",
        query: "",
        unsigned_parameter: None,
        headers: &HeaderMap::new(),
        authority: HOST,
        signed: &names("host;x-missing"),
    };
    let error = Canonical::of(&request, EMPTY).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the signed header `x-missing` is not there"
    );
}

const CREDENTIAL: &str = "AKIDEXAMPLE/20260102/us-east-1/execute-api/aws4_request";
const SIGNATURE: &str = "26da92e0f918de354f71541feed57bf0b4bad59bebcfeee41b370b0fbc359ca0";

fn authorization(credential: &str, signed: &str, signature: &str) -> String {
    format!("{ALGORITHM} Credential={credential}, SignedHeaders={signed}, Signature={signature}")
}

fn sent_with(header: &str, more: &[(&str, &str)]) -> HeaderMap {
    let first = [("host", HOST), ("authorization", header)];
    headers(&[first.as_slice(), more].concat())
}

#[test]
fn reads_a_header_in_any_order_and_without_spaces() {
    let header = format!(
        "{ALGORITHM} Signature={SIGNATURE},SignedHeaders=host;x-amz-date,Credential={CREDENTIAL}"
    );
    let headers = sent_with(&header, &[("x-amz-date", AT)]);
    let claim = Claim::of(&headers, "a=1").unwrap();
    assert_eq!(claim.form, Form::Header);
    assert_eq!(claim.access_key_id, "AKIDEXAMPLE");
    assert_eq!(claim.signed_headers, names("host;x-amz-date"));
    assert_eq!(claim.payload, Payload::Body);
    assert!(!format!("{claim:?}").contains("AKID"));
}

#[test]
fn a_date_of_http_stands_for_that_of_the_signature() {
    let header = authorization(CREDENTIAL, "date;host", SIGNATURE);
    let headers = sent_with(&header, &[("date", "Fri, 02 Jan 2026 03:04:05 GMT")]);
    let claim = Claim::of(&headers, "").unwrap();
    assert_eq!(claim.signed_at, SignedAt::parse(AT).unwrap());
}

/// What a header, and further headers, are refused with.
fn refused(header: &str, more: &[(&str, &str)]) -> String {
    let headers = sent_with(header, more);
    Claim::of(&headers, "").unwrap_err().to_string()
}

#[test]
fn a_header_that_is_no_claim_is_told_apart() {
    let good = authorization(CREDENTIAL, "host;x-amz-date", SIGNATURE);
    for (header, expected) in [
        (
            "Bearer abc".into(),
            "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with \
             SHA-256 and encoded with Base64): '",
        ),
        (
            good.replace(ALGORITHM, "AWS4-ECDSA-P256-SHA256"),
            "Unsupported AWS 'algorithm': 'AWS4-ECDSA-P256-SHA256'",
        ),
        (good.replace("Sig", "X=1, Sig"), "what is unknown"),
        (
            good.replace("Sign", "Credential=x, Sign"),
            "something twice",
        ),
        (good.replace("/us-east-1", ""), "Credential is not usable"),
        (
            good.replace("aws4_", "aws5_"),
            "has to end with aws4_request",
        ),
        (good.replace("host;x-amz-date", "x-amz-date;host"), "sorted"),
        (good.replace("host;x", "host;host;x"), "each once"),
        (good.replace("host;", "Host;"), "lower case"),
        (good.replace("host;", ""), "'host' must be a 'SignedHeader'"),
        (
            good.replace(SIGNATURE, &SIGNATURE.to_uppercase()),
            "Signature is not usable",
        ),
    ] {
        let error = refused(&header, &[("x-amz-date", AT)]);
        assert!(error.contains(expected), "{header}: {error}");
    }
    let header = format!("{ALGORITHM} Credential={CREDENTIAL}");
    assert_eq!(
        refused(&header, &[]),
        format!(
            "Authorization header requires 'Signature' parameter. Authorization header requires \
             'SignedHeaders' parameter. Authorization header requires existence of either a \
             'X-Amz-Date' or a 'Date' header. (Hashed with SHA-256 and encoded with Base64) \
             Authorization={}",
            base64_hash(&header)
        )
    );
}

#[test]
fn headers_beside_a_claim_are_held_against_it() {
    let good = authorization(CREDENTIAL, "host;x-amz-date", SIGNATURE);
    for (more, expected) in [
        (
            [("x-amz-date", AT), ("x-amz-meta", "1")],
            "'x-amz-meta' must be a 'SignedHeader'",
        ),
        (
            [("x-amz-date", AT), ("x-amz-date", AT)],
            "it is there twice",
        ),
        (
            [("x-amz-date", "20261302T030405Z"), ("x", "")],
            "X-Amz-Date is not usable",
        ),
        (
            [("x-amz-date", "20260103T030405Z"), ("x", "")],
            "'20260102' != '20260103', from '20260103T030405Z'",
        ),
    ] {
        let error = refused(&good, &more);
        assert!(error.contains(expected), "{more:?}: {error}");
    }
}

#[test]
fn a_request_is_signed_once() {
    let good = authorization(CREDENTIAL, "host;x-amz-date", SIGNATURE);
    let once = sent_with(&good, &[("x-amz-date", AT)]);
    assert_eq!(
        Claim::of(&once, "X-Amz-Signature=1"),
        Err(ClaimError::Several)
    );
    let twice = sent_with(&good, &[("authorization", &good), ("x-amz-date", AT)]);
    assert_eq!(Claim::of(&twice, ""), Err(ClaimError::Several));
    let unsigned = headers(&[("host", HOST)]);
    assert_eq!(Claim::of(&unsigned, "a=1"), Err(ClaimError::Missing));
}

#[test]
fn what_is_said_of_the_payload_is_one_of_three() {
    let header = authorization(
        CREDENTIAL,
        "host;x-amz-content-sha256;x-amz-date",
        SIGNATURE,
    );
    let said = |value| {
        let headers = sent_with(
            &header,
            &[("x-amz-date", AT), ("x-amz-content-sha256", value)],
        );
        Claim::of(&headers, "").map(|claim| claim.payload)
    };
    assert_eq!(said(EMPTY), Ok(Payload::Hash(EMPTY.to_owned())));
    assert_eq!(said("UNSIGNED-PAYLOAD"), Ok(Payload::Unsigned));
    for refused in [
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "abc",
        "",
    ] {
        assert!(
            matches!(said(refused), Err(ClaimError::Malformed { .. })),
            "{refused}"
        );
    }
}

#[test]
fn a_query_has_to_have_every_part_once() {
    let parts = [
        ("X-Amz-Algorithm", ALGORITHM),
        (
            "X-Amz-Credential",
            "AKIDEXAMPLE%2F20260102%2Fus-east-1%2Fexecute-api%2Faws4_request",
        ),
        ("X-Amz-Date", AT),
        ("X-Amz-Expires", "604800"),
        ("X-Amz-SignedHeaders", "host"),
        ("X-Amz-Signature", SIGNATURE),
    ];
    let headers = headers(&[("host", HOST)]);
    let query = |parts: &[(&str, &str)]| {
        let parts = parts.iter().map(|(name, value)| format!("{name}={value}"));
        parts.collect::<Vec<_>>().join("&")
    };
    assert!(Claim::of(&headers, &query(&parts)).is_ok());
    for (index, part) in parts.iter().enumerate() {
        let mut fewer = parts.to_vec();
        fewer.remove(index);
        assert_eq!(
            Claim::of(&headers, &query(&fewer)),
            Err(ClaimError::QueryLacks(part.0))
        );
        let twice = query(&[parts.as_slice(), &[*part]].concat());
        assert!(matches!(
            Claim::of(&headers, &twice),
            Err(ClaimError::Malformed { .. })
        ));
    }
    for expires in ["0", "604801", "-1", "+5x", ""] {
        let mut parts = parts;
        parts[3].1 = expires;
        let query = query(&parts);
        let claim = Claim::of(&headers, &query);
        assert!(
            matches!(claim, Err(ClaimError::Malformed { .. })),
            "{expires}"
        );
    }
}

#[test]
fn signatures_are_good_for_their_time_and_no_second_more() {
    let at = |text| SignedAt::parse(text).unwrap();
    let now = at("20260102T031500Z");
    for (signed, expires, expected) in [
        ("20260102T031000Z", None, None),
        ("20260102T032000Z", None, None),
        (
            "20260102T030959Z",
            None,
            Some(
                "Signature expired: 20260102T030959Z is now earlier than 20260102T031000Z (20260102T031500Z - 5 min.)",
            ),
        ),
        (
            "20260102T032001Z",
            None,
            Some(
                "Signature not yet current: 20260102T032001Z is still later than 20260102T032000Z (20260102T031500Z + 5 min.)",
            ),
        ),
        ("20260102T030459Z", Some(601), None),
        (
            "20260102T030458Z",
            Some(601),
            Some(
                "Signature expired: 20260102T030458Z is now earlier than 20260102T030459Z (20260102T031500Z - 601 s)",
            ),
        ),
    ] {
        let judged = at(signed)
            .judge(now, expires)
            .err()
            .map(|error| error.to_string());
        assert_eq!(judged.as_deref(), expected, "{signed} {expires:?}");
    }
}

proptest! {
    /// Whatever a caller sends is read without a panic, and a claim that is read is of its day.
    #[test]
    fn hostile_claims_are_judged(header in "[ -~]{0,200}", query in "[ -~]{0,200}") {
        let mut headers = headers(&[("host", HOST), ("x-amz-date", AT)]);
        headers.insert(AUTHORIZATION, HeaderValue::from_str(&header).unwrap());
        if let Ok(claim) = Claim::of(&headers, &query) {
            prop_assert_eq!(claim.scope.date, claim.signed_at.date());
        }
    }
}
