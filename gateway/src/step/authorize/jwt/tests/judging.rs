//! Which tokens are accepted, and what is no token at all.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::super::{JwtAuthorizer, Refusal, TOKEN_BYTES_MAX};
use super::issuer::{
    NOW, OTHER_RSA, RSA, Signer, authorizer, authorizer_of, claims, claims_with, encode,
};
use crate::exchange::Identity;
use crate::model::Algorithm;

/// Judges without ever waiting: the keys of a file are there.
#[track_caller]
pub(super) fn judge(
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
pub(super) fn check(
    name: &str,
    authorizer: &JwtAuthorizer,
    token: &str,
    expected: Result<(), Refusal>,
) {
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
        &Signer::p521("p521"),
    ];
    let authorizer = authorizer(&signers);
    for (signer, algorithm) in [
        (0, "RS256"),
        (0, "PS256"),
        (1, "ES256"),
        (2, "ES384"),
        (3, "EdDSA"),
        (4, "ES512"),
    ] {
        check(
            algorithm,
            &authorizer,
            &signers[signer].token(algorithm, &claims()),
            Ok(()),
        );
    }
    let all = authorizer_of(&signers, |model| {
        model.issuers[0].algorithms = vec![Algorithm::RS384, Algorithm::RS512, Algorithm::PS384];
        model.issuers[0].algorithms.push(Algorithm::PS512);
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
    let withdrawn = OTHER_RSA.token("RS256", &claims_with("exp", json!(NOW)));
    check(
        "unknown key, and expired",
        &authorizer,
        &withdrawn,
        Err(Refusal::ExpiredOfUnknownKey),
    );

    let good = RSA.token("RS256", &claims());
    let (message, signature) = good.rsplit_once('.').expect("a token has dots");
    check(
        "no signature",
        &authorizer,
        &format!("{message}."),
        Err(Refusal::BadSignature),
    );
    let cut = signature
        .get(..signature.len() - 2)
        .expect("signatures are long");
    check(
        "cut",
        &authorizer,
        &format!("{message}.{cut}"),
        Err(Refusal::BadSignature),
    );
    let not_base64 = format!("{message}.!{signature}");
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

proptest! {
    #[test]
    fn no_text_is_admitted_that_was_not_signed(text in "[ -~]{0,200}", bytes in ".{0,60}") {
        let authorizer = authorizer(&[&RSA]);
        prop_assert!(judge(&authorizer, Some(&text), NOW).is_err());
        // Past the header: whatever stands for claims and signature.
        let header = encode(br#"{"alg":"RS256","kid":"rsa-1"}"#);
        let token = |claims: &str| {
            format!("{header}.{}.{}", encode(claims.as_bytes()), encode(bytes.as_bytes()))
        };
        prop_assert!(judge(&authorizer, Some(&token(&text)), NOW).is_err());
        let claims = claims_with("note", json!(text)).to_string();
        let outcome = judge(&authorizer, Some(&token(&claims)), NOW).map(drop);
        prop_assert_eq!(outcome, Err(Refusal::BadSignature));
    }

    #[test]
    fn a_token_changed_in_one_place_is_refused(at in 0..10_000_usize, with in "[A-Za-z0-9_.-]") {
        let authorizer = authorizer(&[&RSA]);
        let token = RSA.token("RS256", &claims());
        prop_assert!(judge(&authorizer, Some(&token), NOW).is_ok());
        let at = at % token.len();
        let mut changed = token.clone();
        changed.replace_range(at..=at, &with);
        prop_assume!(changed != token);
        prop_assert!(judge(&authorizer, Some(&changed), NOW).is_err());
    }
}
