//! What an admission leaves behind: an identity, and a decision that ends in time.

use std::time::Duration;

use serde_json::json;

use super::super::{JwtAuthorizer, Refusal};
use super::issuer::{NOW, OTHER_RSA, RSA, authorizer, authorizer_of, claims, claims_with};
use super::judging::judge;

#[test]
fn a_remembered_decision_ends_with_the_token_or_its_time_to_live() {
    let authorizer = authorizer(&[&RSA]);
    let token = RSA.token("RS256", &claims_with("exp", json!(NOW + 100)));
    let decisions = |authorizer: &JwtAuthorizer| {
        (
            authorizer.granted().counts().hits,
            authorizer.granted().counts().misses,
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
        (decisions(&uncached), uncached.granted().counts().held),
        ((0, 0), 0)
    );
}

#[test]
fn a_wrong_signature_is_remembered_for_seconds_and_other_refusals_are_not() {
    let authorizer = authorizer(&[&RSA]);
    let refusals = || authorizer.granted().counts().refusals;
    let later = |seconds: u64| NOW + seconds;
    let forged = OTHER_RSA.signed(&json!({"alg": "RS256", "kid": "rsa-1"}), &claims());
    for (now, remembered) in [(0, 0), (1, 1), (4, 2), (5, 2), (9, 3)] {
        let judged = judge(&authorizer, Some(&forged), later(now)).map(drop);
        assert_eq!(judged, Err(Refusal::BadSignature), "after {now} s");
        assert_eq!(refusals(), remembered, "after {now} s");
    }
    // What time or another key may change.
    let early = RSA.token("RS256", &claims_with("nbf", json!(NOW + 2)));
    let unknown = OTHER_RSA.token("RS256", &claims());
    for (token, expected) in [
        (&early, Refusal::NotYetValid),
        (&unknown, Refusal::UnknownKey),
    ] {
        for _ in 0..2 {
            let judged = judge(&authorizer, Some(token), NOW).map(drop);
            assert_eq!(judged, Err(expected));
        }
    }
    assert_eq!(refusals(), 3);
    judge(&authorizer, Some(&early), later(2)).expect("its time has come");

    let forgetful = authorizer_of(&[&RSA], |model| model.refusal_ttl = Duration::ZERO);
    for _ in 0..2 {
        let judged = judge(&forgetful, Some(&forged), NOW).map(drop);
        assert_eq!(judged, Err(Refusal::BadSignature));
    }
    assert_eq!(forgetful.granted().counts().refusals, 0);
}

#[test]
fn the_identity_tells_claims_and_scopes() {
    let authorizer = authorizer(&[&RSA]);
    let mut claims = claims();
    claims["tenant"] = json!(42);
    claims["groups"] = json!(["a", 1.5, ["b", null]]);
    claims["admin"] = json!(false);
    claims["address"] = json!({"city": "Ulm"});
    claims["nothing"] = json!(null);
    claims["scp"] = json!(["admin", 7]);
    let token = RSA.token("RS256", &claims);
    let identity = judge(&authorizer, Some(&token), NOW).expect("the token is good");
    assert_eq!(identity.subject(), Some("user-1"));
    assert_eq!(identity.claim("tenant").as_deref(), Some("42"));
    assert_eq!(identity.claim("sub").as_deref(), Some("user-1"));
    assert_eq!(
        identity.claim("groups").as_deref(),
        Some("[a 1.5 [b null]]")
    );
    assert_eq!(identity.claim("admin").as_deref(), Some("false"));
    assert_eq!(
        identity.claim("address").as_deref(),
        Some(r#"{"city":"Ulm"}"#)
    );
    assert_eq!(identity.claim("nothing"), None);
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
