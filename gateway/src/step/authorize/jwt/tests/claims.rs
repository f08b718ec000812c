//! What the claims must say, and when.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::Refusal;
use super::issuer::{AUDIENCE, ISSUER, NOW, RSA, authorizer, authorizer_of, claims_with};
use super::judging::check;
use crate::model::RequiredClaim;

#[test]
fn judges_issuer_and_audience() {
    let authorizer = authorizer(&[&RSA]);
    let unlike = ISSUER.trim_end_matches('/');
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
}

#[test]
fn client_id_speaks_only_where_there_is_no_aud() {
    let authorizer = authorizer(&[&RSA]);
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
fn claims_that_an_authorizer_asks_for_are_there_with_one_of_their_values() {
    let required = |name: &str, values: &[&str]| RequiredClaim {
        name: name.to_owned(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    };
    let asking =
        |claims: Vec<RequiredClaim>| authorizer_of(&[&RSA], move |model| model.claims = claims);
    for (value, accepted) in [
        (json!("access"), true),
        (json!("refresh"), false),
        (json!("Access"), false),
        (json!(["id", "access"]), true),
        (json!(["id"]), false),
        (json!([["access"]]), false),
        (json!({"access": true}), false),
        (json!(7), true),
        (json!(7.5), false),
        (json!(true), true),
        (Value::Null, false),
    ] {
        let authorizer = asking(vec![required("kind", &["access", "7", "true"])]);
        let token = RSA.token("RS256", &claims_with("kind", value.clone()));
        let expected = if accepted {
            Ok(())
        } else {
            Err(Refusal::ClaimNotAccepted)
        };
        check(&value.to_string(), &authorizer, &token, expected);
    }
    let both = asking(vec![required("sub", &["user-1"]), required("kind", &["a"])]);
    let token = RSA.token("RS256", &claims_with("kind", json!("b")));
    check("each", &both, &token, Err(Refusal::ClaimNotAccepted));
    let late = claims_with("exp", json!(NOW - 1));
    check(
        "expired first",
        &both,
        &RSA.token("RS256", &late),
        Err(Refusal::Expired),
    );
}
