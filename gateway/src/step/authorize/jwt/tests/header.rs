//! What a token's header must not say.

use aws_lc_rs::hmac;
use serde_json::{Value, json};

use super::super::Refusal;
use super::issuer::{OTHER_RSA, RSA, Signer, authorizer, claims, encode};
use super::judging::check;

#[test]
fn refuses_algorithms_that_are_not_the_authorizers() {
    let authorizer = authorizer(&[&RSA]);
    let refused = Err(Refusal::AlgorithmNotAllowed);
    for name in [
        "none", "None", "HS256", "HS512", "ES256K", "", "rs256", "RSA-OAEP",
    ] {
        let token = RSA.signed(&json!({"alg": name, "kid": "rsa-1"}), &claims());
        check(name, &authorizer, &token, refused);
    }
    let unsigned = format!("{}.", message("none"));
    check("unsigned", &authorizer, &unsigned, refused);
    // Named by RFC 7518 and signed correctly, but not in this authorizer's list.
    check(
        "not listed",
        &authorizer,
        &RSA.token("RS512", &claims()),
        refused,
    );
}

#[test]
fn a_public_key_is_no_hmac_secret() {
    let authorizer = authorizer(&[&RSA]);
    let secret = hmac::Key::new(hmac::HMAC_SHA256, RSA.public_pem().as_bytes());
    for (algorithm, refusal) in [
        ("HS256", Refusal::AlgorithmNotAllowed),
        ("RS256", Refusal::BadSignature),
    ] {
        let message = message(algorithm);
        let tag = hmac::sign(&secret, message.as_bytes());
        let token = format!("{message}.{}", encode(tag.as_ref()));
        check(algorithm, &authorizer, &token, Err(refusal));
    }
}

#[test]
fn a_key_serves_its_own_type_only() {
    let ec = Signer::p256("p256");
    let ed = Signer::ed25519("ed");
    let authorizer = authorizer(&[&RSA, &ec, &ed]);
    for (name, token) in [
        ("EC key, RS256", ec.token("RS256", &claims())),
        ("EC key, ES384", ec.token("ES384", &claims())),
        ("EC key, EdDSA", ec.token("EdDSA", &claims())),
        ("Ed25519 key, ES256", ed.token("ES256", &claims())),
        ("RSA key, ES256", RSA.token("ES256", &claims())),
    ] {
        check(name, &authorizer, &token, Err(Refusal::AlgorithmNotAllowed));
    }
}

#[test]
fn refuses_extensions_that_must_be_understood() {
    let authorizer = authorizer(&[&RSA]);
    for (name, value) in [
        ("list", json!(["b64"])),
        ("empty", json!([])),
        ("null", Value::Null),
    ] {
        let header = json!({"alg": "RS256", "kid": "rsa-1", "crit": value, "b64": false});
        let token = RSA.signed(&header, &claims());
        check(name, &authorizer, &token, Err(Refusal::CriticalHeader));
    }
}

#[test]
fn the_key_is_named_and_never_brought_along() {
    let authorizer = authorizer(&[&RSA]);
    let brought = json!({"alg": "RS256", "kid": "rsa-2", "jwk": OTHER_RSA.jwk(),
        "jku": "https://evil.example/jwks", "x5u": "https://evil.example/"});
    for (name, header, refusal) in [
        ("no kid", json!({"alg": "RS256"}), Refusal::NoKeyNamed),
        ("its own key", brought, Refusal::UnknownKey),
        (
            "kid is a number",
            json!({"alg": "RS256", "kid": 7}),
            Refusal::Malformed,
        ),
        ("no alg", json!({"kid": "rsa-1"}), Refusal::Malformed),
        (
            "alg is a list",
            json!({"alg": ["RS256"], "kid": "rsa-1"}),
            Refusal::Malformed,
        ),
    ] {
        check(
            name,
            &authorizer,
            &OTHER_RSA.signed(&header, &claims()),
            Err(refusal),
        );
    }
}

fn message(algorithm: &str) -> String {
    let header = json!({"alg": algorithm, "kid": "rsa-1"}).to_string();
    format!(
        "{}.{}",
        encode(header.as_bytes()),
        encode(claims().to_string().as_bytes())
    )
}
