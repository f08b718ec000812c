//! Issuers that say themselves where their keys are.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::super::remote::Remote;
use super::super::{DiscoveryError, FetchError, JwtAuthorizer, KeySet, KeySetError, Refusal};
use super::issuer::{NOW, Signer, build, claims, document, model, name};
use super::server::{Answer, Server};
use crate::model::Jwks;
use crate::store::decision::Decisions;

async fn fetch(server: &Server, jwks: &Jwks) -> Result<Vec<u8>, KeySetError> {
    let remote = Remote::new(jwks, &server.tls()).expect("a good URL");
    remote.expect("no file").fetch().await
}

#[tokio::test]
async fn the_issuer_says_where_its_keys_are() {
    let text = document(&[&Signer::ed25519("a")]);
    let server = Server::start_issuer(Answer::Document(text.clone())).await;
    let found = fetch(&server, &server.discovered()).await;
    assert_eq!(found.expect("an honest issuer"), text.as_bytes());
}

#[tokio::test]
async fn a_document_that_leads_elsewhere_is_refused() {
    let server = Server::start(Answer::Document(document(&[&Signer::ed25519("a")]))).await;
    let (issuer, keys) = (server.issuer(), server.url().to_string());
    let without_slash = issuer.trim_end_matches('/');
    let elsewhere = json!({"issuer": "https://127.0.0.1/", "jwks_uri": keys});
    let plain = json!({"issuer": issuer, "jwks_uri": keys.replace("https:", "http:")});
    let rows = [
        (
            elsewhere,
            "an issuer",
            "is of the issuer `https://127.0.0.1/`",
        ),
        (
            json!({"issuer": without_slash, "jwks_uri": keys}),
            "another byte",
            "not of the configured one",
        ),
        (
            json!({"issuer": issuer}),
            "no keys",
            "is not JSON with `issuer` and `jwks_uri`",
        ),
        (json!({"jwks_uri": keys}), "no issuer", "is not JSON with"),
        (json!([issuer, keys, 1]), "no object", "is not JSON with"),
        (
            json!({"issuer": issuer, "jwks_uri": "a b"}),
            "no URL",
            "is no URL",
        ),
        (
            json!({"issuer": issuer, "jwks_uri": "https://me:secret@a b/"}),
            "no URL with a password",
            "is no URL",
        ),
        (plain, "no TLS", "fetching the keys from `http://127.0.0.1:"),
        (
            json!({"issuer": issuer, "jwks_uri": "https://me:secret@127.0.0.1/?secret"}),
            "a password",
            "fetching the keys from `https://127.0.0.1/` failed",
        ),
    ];
    for (answer, name, expected) in rows {
        server.discover(Answer::Document(answer.to_string()));
        let outcome = fetch(&server, &server.discovered()).await;
        let Err(KeySetError::Discovery(error)) = outcome else {
            panic!("{name}: {outcome:?}");
        };
        assert!(error.to_string().contains(expected), "{name}: {error}");
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(error) = cause {
            assert!(!error.to_string().contains("secret"), "{name}: {error}");
            cause = error.source();
        }
    }
    assert_eq!(server.requests(), 0, "nobody was asked for keys");
}

#[tokio::test]
async fn both_documents_are_bounded_in_size_and_time() {
    let server = Server::start_issuer(Answer::Endless).await;
    let jwks = server.discovered();
    let outcome = fetch(&server, &jwks).await;
    let Err(KeySetError::Discovery(DiscoveryError::Keys { source, .. })) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(matches!(*source, FetchError::TooLarge { .. }), "{source}");
    server.discover(Answer::Endless);
    assert!(matches!(
        fetch(&server, &jwks).await,
        Err(KeySetError::Fetch(FetchError::TooLarge { .. }))
    ));
    server.discover(Answer::Silence);
    let timeout = Duration::from_millis(50);
    let hasty = Jwks { timeout, ..jwks };
    assert!(matches!(
        fetch(&server, &hasty).await,
        Err(KeySetError::Fetch(FetchError::Deadline { .. }))
    ));
    let remote = Remote::new(&hasty, &server.tls()).expect("a good URL");
    assert_eq!(remote.expect("no file").time_max(), timeout * 2);
}

#[tokio::test]
async fn keys_are_found_anew_and_the_last_good_ones_serve_while_they_are_not() {
    let (old, new) = (Signer::ed25519("old"), Signer::ed25519("new"));
    let server = Server::start(Answer::Document(document(&[&old]))).await;
    // Whoever comes before the issuer does is not known.
    server.discover(Answer::Document("not yet".to_owned()));
    let jwks = server.discovered();
    let mut model = model(jwks.source.clone());
    model.issuers[0].jwks = jwks;
    let keys = KeySet::open_paced(
        &model.issuers[0].jwks,
        &server.tls(),
        Duration::from_millis(10),
    );
    let keys = keys.expect("good");
    let refresh = tokio::spawn(Arc::clone(&keys).refresh());
    let authorizer = JwtAuthorizer::new(
        &name(),
        &model,
        vec![Arc::clone(&keys)],
        &Decisions::new(1 << 20),
    );
    let judge = async |signer: &Signer| {
        let token = signer.token("EdDSA", &claims());
        authorizer.authorize(Some(&token), NOW).await.map(drop)
    };
    assert_eq!(judge(&old).await, Err(Refusal::KeysUnavailable));
    server.discover(Answer::Document(server.discovery_document()));
    assert_eq!(judge(&old).await, Ok(()));
    // The issuer turns into another one, with other keys: those are not taken.
    server.answer(Answer::Document(document(&[&new])));
    let another = json!({"issuer": "https://evil.example", "jwks_uri": server.url().to_string()});
    server.discover(Answer::Document(another.to_string()));
    assert_eq!(judge(&new).await, Err(Refusal::KeysOutdated));
    assert_eq!(judge(&old).await, Ok(()));
    assert!(keys.status().failures >= 2, "{:?}", keys.status());
    server.discover(Answer::Document(server.discovery_document()));
    assert_eq!(judge(&new).await, Ok(()));
    refresh.abort();
}

#[tokio::test]
async fn a_reload_keeps_what_was_found_unless_the_issuer_is_another() {
    let signer = Signer::ed25519("a");
    let server = Server::start_issuer(Answer::Document(document(&[&signer]))).await;
    let mut by_issuer = model(server.discovered().source);
    by_issuer.issuers[0].jwks = server.discovered();
    let (decisions, tls) = (Decisions::new(1 << 20), server.tls());
    let build =
        |model, previous| build(model, &decisions, &tls, previous).expect("the model is good");
    let first = build(&by_issuer, None);
    assert!(Arc::ptr_eq(&first, &build(&by_issuer, Some(&first))));
    let mut by_url = by_issuer.clone();
    by_url.issuers[0].jwks = server.jwks();
    let changed = build(&by_url, Some(&first));
    assert!(!Arc::ptr_eq(&changed.key_sets()[0], &first.key_sets()[0]));
}
