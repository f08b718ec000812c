//! Which keys of a document are used.

use aws_lc_rs::rsa::KeySize;
use serde_json::{Value, json};

use super::super::key::{KEYS_MAX, KeyDocumentError, Keys};
use super::super::{KeySet, KeySetError};
use super::issuer::{OTHER_RSA, RSA, Signer, document, encode, file, jwks};
use crate::model::Algorithm;
use crate::upstream::tls::client_config;

fn with(mut jwk: Value, member: &str, value: Value) -> Value {
    jwk[member] = value;
    jwk
}

fn parse(keys: &[Value]) -> Result<Keys, KeyDocumentError> {
    Keys::parse(json!({"keys": keys}).to_string().as_bytes())
}

/// Reads a set of one good key and `key`, so that the rest of the set is seen to stand.
#[track_caller]
fn check(name: &str, key: Value, usable: bool) {
    let keys = parse(&[OTHER_RSA.jwk(), key]).expect("one key is good");
    assert_eq!(
        (keys.len(), keys.skipped),
        if usable { (2, 0) } else { (1, 1) },
        "{name}"
    );
}

#[test]
fn passes_over_keys_meant_for_something_else() {
    for (name, member, value, usable) in [
        ("for signing", "use", json!("sig"), true),
        ("for encryption", "use", json!("enc"), false),
        ("may verify", "key_ops", json!(["verify"]), true),
        ("may not verify", "key_ops", json!(["encrypt"]), false),
        ("of this type", "alg", json!("PS512"), true),
        ("of another type", "alg", json!("ES256"), false),
        ("for HMAC", "alg", json!("HS256"), false),
        ("no name", "kid", Value::Null, false),
        ("empty name", "kid", json!(""), false),
        ("name is a number", "kid", json!(1), false),
    ] {
        check(name, with(RSA.jwk(), member, value), usable);
    }
    check(
        "symmetric",
        json!({"kty": "oct", "kid": "a", "k": encode(&[7; 32])}),
        false,
    );
    check(
        "key agreement",
        with(Signer::ed25519("a").jwk(), "crv", json!("X25519")),
        false,
    );
    check("no object", json!("hello"), false);
}

#[test]
fn passes_over_what_is_no_public_key() {
    check("RSA", RSA.jwk(), true);
    check(
        "RSA of 4096 bits",
        Signer::rsa("a", KeySize::Rsa4096).jwk(),
        true,
    );
    let zeros = format!(
        "AAAA{}",
        RSA.jwk()["n"].as_str().expect("RSA keys have an n")
    );
    for (name, member, value, usable) in [
        ("n with leading zeros", "n", json!(zeros), true),
        ("no n", "n", Value::Null, false),
        ("n is no base64url", "n", json!("+/+/"), false),
        ("n is zero", "n", json!("AAAA"), false),
        ("n of 1024 bits", "n", json!(encode(&[0xc5; 128])), false),
        ("n of 16384 bits", "n", json!(encode(&[0xc5; 2048])), false),
        ("e is even", "e", json!("Ag"), false),
        ("no e", "e", Value::Null, false),
    ] {
        check(name, with(RSA.jwk(), member, value), usable);
    }
    let ec = Signer::p256("a").jwk();
    check("EC", ec.clone(), true);
    check("P-384", Signer::p384("a").jwk(), true);
    check(
        "not on the curve",
        with(ec.clone(), "x", ec["y"].clone()),
        false,
    );
    check(
        "of another curve",
        with(ec.clone(), "crv", json!("P-384")),
        false,
    );
    check(
        "of an unknown curve",
        with(ec, "crv", json!("secp256k1")),
        false,
    );
    let ed = Signer::ed25519("a").jwk();
    check("Ed25519", ed.clone(), true);
    check("half an Ed25519", with(ed, "x", json!("AAAA")), false);
}

#[test]
fn a_key_for_one_algorithm_verifies_no_other() {
    let keys = parse(&[with(RSA.jwk(), "alg", json!("RS256"))]).expect("the key is good");
    assert_eq!(keys.fitting("rsa-1", Algorithm::RS256).count(), 1);
    assert_eq!(keys.fitting("rsa-1", Algorithm::PS256).count(), 0);
    assert_eq!(keys.fitting("rsa-2", Algorithm::RS256).count(), 0);
    let keys = parse(&[RSA.jwk()]).expect("the key is good");
    assert_eq!(keys.fitting("rsa-1", Algorithm::PS512).count(), 1);
    assert_eq!(keys.fitting("rsa-1", Algorithm::ES256).count(), 0);
}

#[test]
fn refuses_documents_without_usable_keys() {
    for text in [
        "",
        "hello",
        "[]",
        "{}",
        r#"{"keys":1}"#,
        r#"{"keys":[]"#,
        "\u{0}",
    ] {
        let outcome = Keys::parse(text.as_bytes());
        assert!(
            matches!(outcome, Err(KeyDocumentError::NotAKeySet(_))),
            "{text:?}: {outcome:?}"
        );
    }
    assert!(matches!(
        parse(&[]),
        Err(KeyDocumentError::NoneUsable { found: 0 })
    ));
    assert!(matches!(
        parse(&[json!({})]),
        Err(KeyDocumentError::NoneUsable { found: 1 })
    ));
    let jwk = Signer::ed25519("a").jwk();
    assert_eq!(
        parse(&vec![jwk.clone(); KEYS_MAX])
            .expect("as many as may be")
            .len(),
        KEYS_MAX
    );
    let outcome = parse(&vec![jwk; KEYS_MAX + 1]);
    assert!(matches!(outcome, Err(KeyDocumentError::TooMany { found }) if found == KEYS_MAX + 1));
}

#[test]
fn the_generation_grows_only_when_a_key_is_lost() {
    let (a, b) = (Signer::ed25519("a").jwk(), Signer::ed25519("b").jwk());
    let keys = |jwks: &[&Value]| {
        parse(&jwks.iter().map(|jwk| (*jwk).clone()).collect::<Vec<_>>()).expect("good keys")
    };
    let first = keys(&[&a]);
    let added = keys(&[&b, &a]).succeeding(&first);
    let reordered = keys(&[&a, &b]).succeeding(&added);
    let lost = keys(&[&b]).succeeding(&reordered);
    let replaced = keys(&[&with(a.clone(), "kid", json!("b"))]).succeeding(&lost);
    let generations = [&first, &added, &reordered, &lost, &replaced].map(Keys::generation);
    assert_eq!(generations, [0, 0, 0, 1, 2]);
    assert!(added.same_as(&reordered) && !first.same_as(&added) && !lost.same_as(&replaced));
}

#[test]
fn a_file_holds_what_was_read_with_the_configuration() {
    let tls = client_config(rustls::RootCertStore::empty());
    let mut jwks = jwks(file(Some(&document(&[&RSA]))));
    let set = KeySet::open(&jwks, &tls).expect("the key set is good");
    assert_eq!(set.status().keys, 1);
    jwks.source = file(Some("{}"));
    let error = KeySet::open(&jwks, &tls).unwrap_err();
    assert!(matches!(error, KeySetError::File { .. }));
    assert_eq!(error.to_string(), "the key set `keys.json` is not usable");
    jwks.source = file(None);
    assert!(matches!(
        KeySet::open(&jwks, &tls),
        Err(KeySetError::Unopened { .. })
    ));
}
