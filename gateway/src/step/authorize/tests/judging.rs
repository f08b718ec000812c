//! Which tokens are accepted, and why the others are not.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use serde_json::{Value, json};

use super::super::{Identity, JwtAuthorizer, Refusal, TOKEN_BYTES_MAX};
use super::issuer::{
    AUDIENCE, ISSUER, NOW, OTHER_RSA, RSA, Signer, authorizer, authorizer_of, claims, claims_with,
    encode,
};
use crate::model::Algorithm;

/// Judges without ever waiting: the keys of a file are there.
#[track_caller]
fn judge(
    authorizer: &JwtAuthorizer,
    credential: Option<&str>,
    now: u64,
) -> Result<Arc<Identity>, Refusal> {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(authorizer.authorize(credential, now))
}

#[track_caller]
fn check(name: &str, authorizer: &JwtAuthorizer, token: &str, expected: Result<(), Refusal>) {
    assert_eq!(
        judge(authorizer, Some(token), NOW).map(drop),
        expected,
        "{name}"
    );
    // The same again: a refusal stays one, and a remembered decision is the same decision.
    assert_eq!(
        judge(authorizer, Some(token), NOW).map(drop),
        expected,
        "{name}, repeated"
    );
}

#[test]
fn accepts_each_algorithm_with_its_key() {
    let signers = [
        &*RSA,
        &Signer::p256("p256"),
        &Signer::p384("p384"),
        &Signer::ed25519("ed"),
    ];
    let authorizer = authorizer(&signers);
    for (signer, algorithm) in [
        (0, "RS256"),
        (0, "PS256"),
        (1, "ES256"),
        (2, "ES384"),
        (3, "EdDSA"),
    ] {
        check(
            algorithm,
            &authorizer,
            &signers[signer].token(algorithm, &claims()),
            Ok(()),
        );
    }
    let all = authorizer_of(&signers, |model| {
        model.algorithms = vec![Algorithm::RS384, Algorithm::RS512, Algorithm::PS384];
        model.algorithms.push(Algorithm::PS512);
    });
    for algorithm in ["RS384", "RS512", "PS384", "PS512"] {
        check(algorithm, &all, &RSA.token(algorithm, &claims()), Ok(()));
    }
}

#[test]
fn takes_the_token_bare_or_after_bearer_in_any_case() {
    let authorizer = authorizer(&[&RSA]);
    let token = RSA.token("RS256", &claims());
    for prefix in ["", "Bearer ", "bearer ", "BEARER   ", " bEaReR "] {
        check(prefix, &authorizer, &format!("{prefix}{token}"), Ok(()));
    }
    assert_eq!(
        judge(&authorizer, None, NOW).map(drop),
        Err(Refusal::Missing)
    );
    for empty in ["", " ", "Bearer", "Bearer  ", "bearer"] {
        check("empty", &authorizer, empty, Err(Refusal::Missing));
    }
    check(
        "basic",
        &authorizer,
        "Basic dXNlcjpwYXNz",
        Err(Refusal::Malformed),
    );
}

#[test]
fn refuses_what_the_header_must_not_say() {
    let ec = Signer::p256("p256");
    let authorizer = authorizer(&[&RSA, &ec]);
    let header = |header: Value| RSA.signed(&header, &claims());
    let none = format!(
        "{}.{}.",
        encode(br#"{"alg":"none","kid":"rsa-1"}"#),
        encode(claims().to_string().as_bytes())
    );
    check(
        "alg none",
        &authorizer,
        &none,
        Err(Refusal::AlgorithmNotAllowed),
    );
    for name in [
        "none", "None", "HS256", "HS512", "ES512", "", "rs256", "RSA-OAEP",
    ] {
        let token = header(json!({"alg": name, "kid": "rsa-1"}));
        check(name, &authorizer, &token, Err(Refusal::AlgorithmNotAllowed));
    }
    // Named by RFC 7518 and signed correctly, but not in this authorizer's list.
    let unlisted = RSA.token("RS512", &claims());
    check(
        "not listed",
        &authorizer,
        &unlisted,
        Err(Refusal::AlgorithmNotAllowed),
    );
    // The public key as an HMAC secret.
    let message = format!(
        "{}.{}",
        encode(br#"{"alg":"HS256","kid":"rsa-1"}"#),
        encode(b"{\"sub\":\"x\"}")
    );
    let secret = hmac::Key::new(hmac::HMAC_SHA256, RSA.public_pem().as_bytes());
    let tag = hmac::sign(&secret, message.as_bytes());
    let confused = format!("{message}.{}", encode(tag.as_ref()));
    check(
        "RS/HS",
        &authorizer,
        &confused,
        Err(Refusal::AlgorithmNotAllowed),
    );
    // The same tag under an RS256 header is just a wrong signature.
    let message = format!(
        "{}.{}",
        encode(br#"{"alg":"RS256","kid":"rsa-1"}"#),
        encode(claims().to_string().as_bytes())
    );
    let tag = hmac::sign(&secret, message.as_bytes());
    let confused = format!("{message}.{}", encode(tag.as_ref()));
    check(
        "HMAC as RSA",
        &authorizer,
        &confused,
        Err(Refusal::BadSignature),
    );

    let crossed = ec.token("RS256", &claims());
    check(
        "EC key, RS256",
        &authorizer,
        &crossed,
        Err(Refusal::AlgorithmNotAllowed),
    );
    let crossed = RSA.token("ES256", &claims());
    check(
        "RSA key, ES256",
        &authorizer,
        &crossed,
        Err(Refusal::AlgorithmNotAllowed),
    );

    for (name, value) in [
        ("list", json!(["exp"])),
        ("empty", json!([])),
        ("null", Value::Null),
    ] {
        let token = header(json!({"alg": "RS256", "kid": "rsa-1", "crit": value}));
        check(name, &authorizer, &token, Err(Refusal::CriticalHeader));
    }
    let unencoded = json!({"alg": "RS256", "kid": "rsa-1", "crit": ["b64"], "b64": false});
    check(
        "b64",
        &authorizer,
        &header(unencoded),
        Err(Refusal::CriticalHeader),
    );

    check(
        "no kid",
        &authorizer,
        &header(json!({"alg": "RS256"})),
        Err(Refusal::UnknownKey),
    );
    let number = header(json!({"alg": "RS256", "kid": 7}));
    check(
        "kid is a number",
        &authorizer,
        &number,
        Err(Refusal::Malformed),
    );
    let missing = header(json!({"kid": "rsa-1"}));
    check("no alg", &authorizer, &missing, Err(Refusal::Malformed));
    // Keys that the token brings along are not looked at.
    let brought = json!({"alg": "RS256", "kid": "rsa-2", "jwk": OTHER_RSA.jwk(),
        "jku": "https://evil.example/jwks"});
    let token = OTHER_RSA.signed(&brought, &claims());
    check("its own key", &authorizer, &token, Err(Refusal::UnknownKey));
}

#[test]
fn refuses_what_is_not_signed_by_the_named_key() {
    let authorizer = authorizer(&[&RSA]);
    let forged = OTHER_RSA.signed(&json!({"alg": "RS256", "kid": "rsa-1"}), &claims());
    check(
        "wrong key",
        &authorizer,
        &forged,
        Err(Refusal::BadSignature),
    );
    let unknown = OTHER_RSA.token("RS256", &claims());
    check(
        "unknown key",
        &authorizer,
        &unknown,
        Err(Refusal::UnknownKey),
    );

    let good = RSA.token("RS256", &claims());
    let (message, signature) = good.rsplit_once('.').expect("a token has dots");
    check(
        "no signature",
        &authorizer,
        &format!("{message}."),
        Err(Refusal::BadSignature),
    );
    let cut = &signature[..signature.len() - 2];
    check(
        "cut",
        &authorizer,
        &format!("{message}.{cut}"),
        Err(Refusal::BadSignature),
    );
    let not_base64 = format!("{message}.!{}", &signature[1..]);
    check(
        "not base64",
        &authorizer,
        &not_base64,
        Err(Refusal::Malformed),
    );
    let (header, _) = message.split_once('.').expect("two parts");
    let other = encode(claims_with("sub", json!("admin")).to_string().as_bytes());
    let swapped = format!("{header}.{other}.{signature}");
    check(
        "claims swapped",
        &authorizer,
        &swapped,
        Err(Refusal::BadSignature),
    );
    // PS256 and RS256 share the key, not the signature.
    let ps_header = encode(br#"{"alg":"PS256","kid":"rsa-1"}"#);
    let (_, payload) = message.split_once('.').expect("two parts");
    let swapped = format!("{ps_header}.{payload}.{signature}");
    check(
        "PS header",
        &authorizer,
        &swapped,
        Err(Refusal::BadSignature),
    );
}

#[test]
fn refuses_what_is_not_a_compact_jwt() {
    let authorizer = authorizer(&[&RSA]);
    let good = RSA.token("RS256", &claims());
    let header = r#"{"alg":"RS256","kid":"rsa-1"}"#;
    for (name, token) in [
        ("text", "hello".to_owned()),
        ("dots", "..".to_owned()),
        (
            "two parts",
            good.rsplit_once('.').expect("dots").0.to_owned(),
        ),
        ("four parts", format!("{good}.x")),
        ("spaces", format!("{good} x")),
        ("padded", good.replacen('.', "=.", 1)),
        (
            "header is an array",
            format!("{}.{}.x", encode(b"[]"), encode(b"{}")),
        ),
        (
            "header is cut",
            format!("{}.{}.x", encode(br#"{"alg":"#), encode(b"{}")),
        ),
        ("claims are not JSON", RSA.signed_text(header, "hello")),
        ("claims are an array", RSA.signed_text(header, "[]")),
        (
            "text after the claims",
            RSA.signed_text(header, &format!("{} {{}}", claims())),
        ),
        (
            "not UTF-8",
            format!("{}.{}.x", encode(b"{\"alg\":\"\xff\"}"), encode(b"{}")),
        ),
        (
            "deep",
            RSA.signed_text(header, &format!("{{\"a\":{}", "[".repeat(5_000))),
        ),
    ] {
        check(name, &authorizer, &token, Err(Refusal::Malformed));
    }
    let twice = r#"{"alg":"RS256","kid":"rsa-1","kid":"rsa-1"}"#;
    let token = RSA.signed_text(twice, &claims().to_string());
    check("kid twice", &authorizer, &token, Err(Refusal::Malformed));
    let twice = claims().to_string().replacen('{', r#"{"sub":"admin","#, 1);
    check(
        "sub twice",
        &authorizer,
        &RSA.signed_text(header, &twice),
        Err(Refusal::Malformed),
    );
}

#[test]
fn bounds_the_token_on_both_sides() {
    let authorizer = authorizer(&[&RSA]);
    let sized = |bytes: usize| RSA.token("RS256", &claims_with("pad", json!("x".repeat(bytes))));
    let overhead = sized(0).len();
    // Base64 makes 4 of 3; the largest padding that still fits.
    let mut fits = (TOKEN_BYTES_MAX - overhead) * 3 / 4;
    while sized(fits + 1).len() <= TOKEN_BYTES_MAX {
        fits += 1;
    }
    check("fits", &authorizer, &sized(fits), Ok(()));
    check(
        "just over",
        &authorizer,
        &sized(fits + 3),
        Err(Refusal::TooLarge),
    );
    check(
        "20 KiB",
        &authorizer,
        &sized(15 * 1024),
        Err(Refusal::TooLarge),
    );
    check(
        "noise",
        &authorizer,
        &"x".repeat(1 << 20),
        Err(Refusal::TooLarge),
    );
}

#[test]
fn judges_issuer_and_audience() {
    let authorizer = authorizer(&[&RSA]);
    let unlike = &ISSUER[..ISSUER.len() - 1];
    for (name, claim, value, expected) in [
        (
            "other slash",
            "iss",
            json!(unlike),
            Err(Refusal::WrongIssuer),
        ),
        ("no iss", "iss", Value::Null, Err(Refusal::WrongIssuer)),
        (
            "iss in a list",
            "iss",
            json!([ISSUER]),
            Err(Refusal::WrongIssuer),
        ),
        ("second audience", "aud", json!("cats"), Ok(())),
        ("one of several", "aud", json!(["x", AUDIENCE]), Ok(())),
        (
            "other audience",
            "aud",
            json!("dogs"),
            Err(Refusal::WrongAudience),
        ),
        (
            "other case",
            "aud",
            json!("Pets"),
            Err(Refusal::WrongAudience),
        ),
        (
            "none of several",
            "aud",
            json!(["x", "y"]),
            Err(Refusal::WrongAudience),
        ),
        ("empty list", "aud", json!([]), Err(Refusal::WrongAudience)),
        ("a number", "aud", json!(1), Err(Refusal::WrongAudience)),
        (
            "nested",
            "aud",
            json!([[AUDIENCE]]),
            Err(Refusal::WrongAudience),
        ),
        ("no aud", "aud", Value::Null, Err(Refusal::WrongAudience)),
    ] {
        check(
            name,
            &authorizer,
            &RSA.token("RS256", &claims_with(claim, value)),
            expected,
        );
    }
    let mut by_client = claims_with("aud", Value::Null);
    by_client["client_id"] = json!(AUDIENCE);
    check(
        "client_id",
        &authorizer,
        &RSA.token("RS256", &by_client),
        Ok(()),
    );
    by_client["aud"] = json!("dogs");
    let token = RSA.token("RS256", &by_client);
    check(
        "aud before client_id",
        &authorizer,
        &token,
        Err(Refusal::WrongAudience),
    );
    let text = by_client.to_string().replace("\"dogs\"", "null");
    let token = RSA.signed_text(r#"{"alg":"RS256","kid":"rsa-1"}"#, &text);
    check(
        "aud null is present",
        &authorizer,
        &token,
        Err(Refusal::WrongAudience),
    );
}

#[test]
fn judges_times_at_their_boundaries() {
    let strict = authorizer(&[&RSA]);
    let half = 0.5 + f64::from(u32::try_from(NOW).expect("NOW fits"));
    for (name, claim, value, expected) in [
        ("exp now", "exp", json!(NOW), Err(Refusal::Expired)),
        ("exp next", "exp", json!(NOW + 1), Ok(())),
        ("exp fraction", "exp", json!(half), Err(Refusal::Expired)),
        ("exp past", "exp", json!(1), Err(Refusal::Expired)),
        ("exp negative", "exp", json!(-1), Err(Refusal::Expired)),
        ("exp far", "exp", json!(u64::MAX), Ok(())),
        ("exp endless", "exp", json!(1e300), Err(Refusal::Malformed)),
        ("no exp", "exp", Value::Null, Err(Refusal::NoExpiry)),
        (
            "exp text",
            "exp",
            json!((NOW + 600).to_string()),
            Err(Refusal::Malformed),
        ),
        ("nbf now", "nbf", json!(NOW), Ok(())),
        ("nbf next", "nbf", json!(NOW + 1), Err(Refusal::NotYetValid)),
        (
            "nbf fraction",
            "nbf",
            json!(half),
            Err(Refusal::NotYetValid),
        ),
        ("nbf text", "nbf", json!("0"), Err(Refusal::Malformed)),
        ("no nbf", "nbf", Value::Null, Ok(())),
        ("iat now", "iat", json!(NOW), Ok(())),
        (
            "iat next",
            "iat",
            json!(NOW + 1),
            Err(Refusal::IssuedInFuture),
        ),
        ("no iat", "iat", Value::Null, Ok(())),
    ] {
        check(
            name,
            &strict,
            &RSA.token("RS256", &claims_with(claim, value)),
            expected,
        );
    }
    let lenient = authorizer_of(&[&RSA], |model| model.leeway = Duration::from_secs(30));
    for (name, claim, value, expected) in [
        ("exp within", "exp", json!(NOW - 29), Ok(())),
        ("exp beyond", "exp", json!(NOW - 30), Err(Refusal::Expired)),
        ("nbf within", "nbf", json!(NOW + 30), Ok(())),
        (
            "nbf beyond",
            "nbf",
            json!(NOW + 31),
            Err(Refusal::NotYetValid),
        ),
        ("iat within", "iat", json!(NOW + 30), Ok(())),
        (
            "iat beyond",
            "iat",
            json!(NOW + 31),
            Err(Refusal::IssuedInFuture),
        ),
    ] {
        check(
            name,
            &lenient,
            &RSA.token("RS256", &claims_with(claim, value)),
            expected,
        );
    }
}

#[test]
fn a_remembered_decision_ends_with_the_token_or_its_time_to_live() {
    let authorizer = authorizer(&[&RSA]);
    let token = RSA.token("RS256", &claims_with("exp", json!(NOW + 100)));
    let decisions = |authorizer: &JwtAuthorizer| {
        (
            authorizer.decisions().hits(),
            authorizer.decisions().misses(),
        )
    };
    for (now, expected, hits, misses) in [
        (NOW, Ok(()), 0, 1),
        (NOW + 50, Ok(()), 1, 1),
        (NOW + 99, Ok(()), 2, 1),
        (NOW + 100, Err(Refusal::Expired), 2, 2),
        (NOW + 400, Err(Refusal::Expired), 2, 3),
    ] {
        assert_eq!(
            judge(&authorizer, Some(&token), now).map(drop),
            expected,
            "at {now}"
        );
        assert_eq!(decisions(&authorizer), (hits, misses), "at {now}");
    }
    let long = RSA.token("RS256", &claims_with("exp", json!(NOW + 10_000)));
    for (now, hits, misses) in [
        (NOW, 2, 4),
        (NOW + 299, 3, 4),
        (NOW + 300, 3, 5),
        (NOW + 301, 4, 5),
    ] {
        judge(&authorizer, Some(&long), now).expect("the token is good");
        assert_eq!(decisions(&authorizer), (hits, misses), "at {now}");
    }
    let uncached = authorizer_of(&[&RSA], |model| model.decision_ttl = Duration::ZERO);
    judge(&uncached, Some(&long), NOW).expect("the token is good");
    judge(&uncached, Some(&long), NOW).expect("the token is still good");
    assert_eq!(
        (decisions(&uncached), uncached.decisions().len()),
        ((0, 0), 0)
    );
}

#[test]
fn the_identity_tells_claims_and_scopes() {
    let authorizer = authorizer(&[&RSA]);
    let mut claims = claims();
    claims["tenant"] = json!(42);
    claims["groups"] = json!(["a", "b"]);
    claims["scp"] = json!(["admin", 7]);
    let token = RSA.token("RS256", &claims);
    let identity = judge(&authorizer, Some(&token), NOW).expect("the token is good");
    assert_eq!(identity.subject(), Some("user-1"));
    assert_eq!(identity.claim("tenant").as_deref(), Some("42"));
    assert_eq!(identity.claim("sub").as_deref(), Some("user-1"));
    assert_eq!(identity.claim("groups"), None);
    assert_eq!(identity.claim("absent"), None);
    assert_eq!(identity.expires_at(), NOW + 600);
    assert_eq!(identity.scopes(), ["read", "write", "admin"]);
    let scopes = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    assert!(identity.has_any_scope(&scopes(&["x", "write"])));
    assert!(identity.has_any_scope(&scopes(&["admin"])));
    assert!(!identity.has_any_scope(&scopes(&["rea", "read write", "7"])));
    assert!(!format!("{identity:?}").contains("user-1"));
    let token = RSA.token("RS256", &claims_with("scp", json!("one  two")));
    let identity = judge(&authorizer, Some(&token), NOW).expect("the token is good");
    assert_eq!(identity.scopes(), ["read", "write", "one", "two"]);
}
