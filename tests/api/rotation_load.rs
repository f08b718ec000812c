//! Keys that change while many call: nobody whose token is good notices.

use std::time::Duration;

use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::{Key, KeyServer, claims};
use gateway_tests::setup::Setup;
use gateway_tests::steady::{Callers, made_up_keys};
use gateway_tests::upstream::Upstream;
use serde_json::json;
use tokio::time::Instant;

/// Requests with good tokens.
const PER_SECOND: u32 = 200;
/// How long each proof takes at least. `GATEWAY_SOAK_ROTATION` says otherwise.
const SECONDS: u64 = 10;
/// Fetches that brought nothing.
const FAILED: &str = r#"gateway_key_set_fetches_total{authorizer="main",outcome="failed"}"#;
/// Least seconds between two fetches.
const FETCH_SECONDS: u64 = 5;

fn duration() -> Duration {
    let seconds = std::env::var("GATEWAY_SOAK_ROTATION");
    Duration::from_secs(seconds.map_or(SECONDS, |text| {
        text.parse().expect("GATEWAY_SOAK_ROTATION is a number")
    }))
}

/// Every token is verified anew, and keys are asked for as often as may be.
fn setup(upstream: &Upstream, issuer: &KeyServer) -> Setup {
    issuer
        .authorize(Setup::new().upstream("main", upstream.address))
        .set(&["authorizers", "main", "decision_ttl"], json!("0s"))
        .set(&["authorizers", "main", "jwks", "refresh"], json!("5s"))
        .route("GET /{any+}", json!({"authorizer": "main"}))
}

fn token(key: &Key) -> String {
    key.token(&claims(json!({})))
}

/// Checks that the issuer was asked at most as often as agreed since `started`.
fn check_fetches(issuer: &KeyServer, started: Instant) {
    // One at the start, and one that was due at once.
    let allowed = 2 + started.elapsed().as_secs() / FETCH_SECONDS;
    let found = issuer.fetches();
    assert!(found <= allowed, "{found} fetches, {allowed} allowed");
}

#[tokio::test]
async fn a_key_that_signs_at_once_refuses_nobody() {
    let upstream = Upstream::echo().await;
    let mut key = Key::ec("0");
    let issuer = KeyServer::start(&[&key]).await;
    let started = Instant::now();
    // Nothing but tokens asks for the keys.
    let setup = setup(&upstream, &issuer);
    let setup = setup.set(&["authorizers", "main", "jwks", "refresh"], json!("1h"));
    let gateway = Gateway::start(setup).await;
    let callers = Callers::start(gateway.address().await, PER_SECOND, "/a", token(&key)).await;
    let mut rotations = 0;
    while started.elapsed() < duration() || rotations < 2 {
        rotations += 1;
        let next = Key::ec(&rotations.to_string());
        let fetched = issuer.fetches();
        issuer.publish(Some(&[&key, &next]));
        callers.give(token(&next));
        issuer.fetched(fetched + 1).await;
        issuer.publish(Some(&[&next]));
        key = next;
    }
    callers.were_let_in().await;
    check_fetches(&issuer, started);
}

#[tokio::test]
async fn made_up_keys_keep_nobody_out_whose_key_was_published_before() {
    let upstream = Upstream::echo().await;
    let mut key = Key::ec("0");
    let issuer = KeyServer::start(&[&key]).await;
    let started = Instant::now();
    let gateway = Gateway::start(setup(&upstream, &issuer)).await;
    let address = gateway.address().await;
    let flood = made_up_keys(address, "/a", "ES256", claims(json!({}))).await;
    let callers = Callers::start(address, PER_SECOND, "/a", token(&key)).await;
    let mut rotations = 0;
    while started.elapsed() < duration() || rotations < 1 {
        rotations += 1;
        let next = Key::ec(&rotations.to_string());
        let fetched = issuer.fetches();
        issuer.publish(Some(&[&key, &next]));
        // The second began behind the end of the first.
        issuer.fetched(fetched + 2).await;
        callers.give(token(&next));
        issuer.publish(Some(&[&next]));
        key = next;
    }
    callers.were_let_in().await;
    check_fetches(&issuer, started);
    assert!(issuer.fetches() >= 2, "nobody has asked for made-up keys");
    drop(flood);
    gateway.reason("token_unknown_key").await;
}

#[tokio::test]
async fn an_issuer_that_is_gone_keeps_nobody_out_whose_key_is_known() {
    let upstream = Upstream::echo().await;
    let key = Key::ec("0");
    let issuer = KeyServer::start(&[&key]).await;
    let started = Instant::now();
    let gateway = Gateway::start(setup(&upstream, &issuer)).await;
    issuer.publish(None);
    let callers = Callers::start(gateway.address().await, PER_SECOND, "/a", token(&key)).await;
    let mut fetched = issuer.fetches();
    while started.elapsed() < duration() || fetched < 2 {
        fetched += 1;
        issuer.fetched(fetched).await;
        // A token of its own each time: none of them is known.
        callers.give(token(&key));
    }
    callers.were_let_in().await;
    let metrics = gateway.metrics().await;
    let failures = metrics.get(FAILED);
    assert!(failures >= 1.0, "no fetch has failed");
}
