//! Several issuers, of which a token names one.

use serde_json::{Value, json};

use super::super::{JwtAuthorizer, KeySet, Refusal};
use super::issuer::{
    AUDIENCE, ISSUER, OTHER_RSA, RSA, Signer, claims, claims_with, document, file, jwks, model,
    name,
};
use super::judging::{check, judge};
use crate::model::{Algorithm, Issuer};
use crate::store::decision::Decisions;
use crate::upstream::tls::client_config;

const PARTNER: &str = "https://partner.example/";

/// One that trusts [`RSA`] as the usual issuer, and `partner` as another, for other audiences.
fn authorizer(partner: &Signer) -> JwtAuthorizer {
    let tls = client_config(rustls::RootCertStore::empty());
    let mut settings = model(file(Some(&document(&[&RSA]))));
    settings.issuers.push(Issuer {
        name: PARTNER.to_owned(),
        audiences: vec!["shared".to_owned()],
        algorithms: vec![Algorithm::RS256],
        jwks: jwks(file(Some(&document(&[partner])))),
    });
    let open = |issuer: &Issuer| KeySet::open(&issuer.jwks, &tls).expect("the key set is good");
    let keys = settings.issuers.iter().map(open).collect();
    JwtAuthorizer::new(&name(), &settings, keys, &Decisions::new(1 << 20))
}

fn of_partner(audience: &str) -> Value {
    let mut claims = claims_with("iss", json!(PARTNER));
    claims["aud"] = json!(audience);
    claims
}

#[test]
fn each_issuer_has_its_own_keys_audiences_and_algorithms() {
    let authorizer = authorizer(&OTHER_RSA);
    for (name, signer, algorithm, claims, expected) in [
        ("ours", &*RSA, "RS256", claims(), Ok(())),
        ("theirs", &*OTHER_RSA, "RS256", of_partner("shared"), Ok(())),
        (
            "their key for our name",
            &*OTHER_RSA,
            "RS256",
            claims(),
            Err(Refusal::UnknownKey),
        ),
        (
            "our key for their name",
            &*RSA,
            "RS256",
            of_partner("shared"),
            Err(Refusal::UnknownKey),
        ),
        (
            "our audience",
            &*OTHER_RSA,
            "RS256",
            of_partner(AUDIENCE),
            Err(Refusal::WrongAudience),
        ),
        (
            "our algorithm",
            &*OTHER_RSA,
            "PS256",
            of_partner("shared"),
            Err(Refusal::AlgorithmNotAllowed),
        ),
        (
            "their name and a slash",
            &*OTHER_RSA,
            "RS256",
            {
                let mut claims = of_partner("shared");
                claims["iss"] = json!(format!("{PARTNER}/"));
                claims
            },
            Err(Refusal::WrongIssuer),
        ),
        (
            "nobody's",
            &*RSA,
            "RS256",
            claims_with("iss", json!([ISSUER, PARTNER])),
            Err(Refusal::WrongIssuer),
        ),
    ] {
        check(
            name,
            &authorizer,
            &signer.token(algorithm, &claims),
            expected,
        );
    }
}

/// A name of a key says nothing: each issuer chooses its own.
#[test]
fn keys_of_one_name_are_those_of_the_issuer_that_is_named() {
    let same_name = Signer::rsa(RSA.id, aws_lc_rs::rsa::KeySize::Rsa2048);
    let authorizer = authorizer(&same_name);
    check("ours", &authorizer, &RSA.token("RS256", &claims()), Ok(()));
    let theirs = same_name.token("RS256", &of_partner("shared"));
    check("theirs", &authorizer, &theirs, Ok(()));
    let forged = same_name.token("RS256", &claims());
    check("forged", &authorizer, &forged, Err(Refusal::BadSignature));
}

#[test]
fn decisions_are_remembered_whoever_issued_the_token() {
    let authorizer = authorizer(&OTHER_RSA);
    let tokens = [
        RSA.token("RS256", &claims()),
        OTHER_RSA.token("RS256", &of_partner("shared")),
    ];
    for expected in [0, 1] {
        for token in &tokens {
            let hits = authorizer.granted().counts().hits;
            judge(&authorizer, Some(token), super::issuer::NOW).expect("the token is good");
            assert_eq!(authorizer.granted().counts().hits, hits + expected);
        }
    }
}
