//! What is remembered of callers: counted, forgotten on demand, never beyond an acknowledged change.

use gateway_tests::client::Client;
use gateway_tests::command::{ask, told};
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::{Key, authorize, claims};
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use serde_json::{Value, json};

fn protected(upstream: &Upstream, keys: &[&Key]) -> Setup {
    let setup = Setup::new().upstream("main", upstream.address);
    authorize(setup, keys).route("GET /{any+}", json!({"authorizer": "main"}))
}

async fn call(client: &Client, token: &str) -> u16 {
    let headers = [("authorization", token)];
    client.get_with("/a", &headers).await.status
}

/// Hits, refusals, misses, and what is held.
async fn counts(gateway: &Gateway) -> [f64; 4] {
    let metrics = gateway.metrics().await;
    let counter = |name| metrics.get(&format!("gateway_decisions_{name}{{authorizer=\"main\"}}"));
    ["hits_total", "refusals_total", "misses_total", "held"].map(counter)
}

#[tokio::test]
async fn decisions_are_forgotten_on_demand_and_made_anew() {
    let upstream = Upstream::echo().await;
    let key = Key::ec("ec");
    let gateway = Gateway::start(protected(&upstream, &[&key])).await;
    let client = Client::http1(gateway.address().await).await;
    let tokens = ["ann", "bob"].map(|who| key.token(&claims(json!({"sub": who}))));
    let call_both = async || {
        for token in &tokens {
            assert_eq!(call(&client, token).await, 200);
        }
    };
    call_both().await;
    call_both().await;
    assert_eq!(counts(&gateway).await, [2.0, 0.0, 2.0, 2.0]);

    let flush = async |whose: &[&str]| {
        let arguments = [&["cache", "flush"], whose].concat();
        ask(&gateway, &arguments).await
    };
    assert_eq!(
        told(&flush(&["--principal", "ann"]).await),
        "1 remembered decisions about `ann` are forgotten"
    );
    call_both().await;
    assert_eq!(counts(&gateway).await, [3.0, 0.0, 3.0, 2.0]);
    assert_eq!(
        told(&flush(&["--authorizer", "main"]).await),
        "2 remembered decisions of authorizer `main` are forgotten"
    );
    assert_eq!(counts(&gateway).await[3], 0.0);
    call_both().await;
    assert_eq!(counts(&gateway).await, [3.0, 0.0, 5.0, 2.0]);

    let slip = flush(&["--authorizer", "mian"]).await;
    assert_eq!(slip.status.code(), Some(1));
    let said = String::from_utf8_lossy(&slip.stderr).into_owned();
    assert!(
        said.contains("no authorizer is called `mian`: there are `main`"),
        "{said}"
    );
    let nobody = gateway.admin(r#"{"do":"cache_flush"}"#).await;
    assert_eq!(nobody["answer"], "refused");
    assert_eq!(flush(&[]).await.status.code(), Some(2));
}

#[tokio::test]
async fn a_wrong_signature_is_not_verified_again_within_seconds() {
    let upstream = Upstream::echo().await;
    let (key, other) = (Key::ec("ec"), Key::ec("ec"));
    let gateway = Gateway::start(protected(&upstream, &[&key])).await;
    let client = Client::http1(gateway.address().await).await;
    let forged = other.token(&claims(json!({})));
    for _ in 0..3 {
        assert_eq!(call(&client, &forged).await, 401);
    }
    let [hits, refusals, misses, held] = counts(&gateway).await;
    assert_eq!((hits, misses, held), (0.0, 3.0, 1.0));
    assert!(refusals >= 1.0, "{refusals}");
    let refused: Vec<Value> = gateway.all_records().await;
    assert_eq!(refused.len(), 3);
    for record in refused {
        assert_eq!(record["reason"], "token_signature");
    }
}
