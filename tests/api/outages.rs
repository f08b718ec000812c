//! What goes on while those that decide cannot be asked, and what does not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gateway_tests::client::{Client, get, with};
use gateway_tests::function::{Function, allowing};
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::{Key, KeyServer, claims};
use gateway_tests::setup::Setup;
use gateway_tests::upstream::{Upstream, reply};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// How long decisions are remembered here.
const TTL: Duration = Duration::from_secs(3);

#[tokio::test]
async fn callers_who_are_remembered_go_on_to_their_ttl_and_no_longer() {
    let backend = Upstream::echo().await;
    let key = Key::ec("ec");
    let issuer = KeyServer::start(&[&key]).await;
    let function = Function::start(|_| allowing("*")).await;
    let engine = Upstream::http(|_| async { reply(200, r#"{"result": true}"#) }).await;
    let setup = issuer.authorize(Setup::new().upstream("main", backend.address));
    let ttl = format!("{}s", TTL.as_secs());
    let setup = setup
        .set(&["authorizers", "main", "decision_ttl"], json!(ttl))
        .set(
            &["authorizers", "asked"],
            json!({
                "type": "function", "function": {"url": function.url()}, "result_ttl": ttl,
                "identity_sources": ["$request.header.authorization"],
            }),
        )
        .set(
            &["policies", "engine"],
            json!({
                "type": "http", "url": format!("http://{}/allow", engine.address),
                "request": {"input": "$context.authorizer.claims.sub"},
                "allow": {"at": "result"}, "decision_ttl": ttl,
            }),
        )
        .route("GET /token", json!({"authorizer": "main"}))
        .route("GET /function", json!({"authorizer": "asked"}))
        .route(
            "GET /engine",
            json!({"authorizer": "main", "policies": "engine"}),
        );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let [known, unknown] = ["known", "unknown"].map(|sub| key.token(&claims(json!({"sub": sub}))));
    let call = async |path: &str, token: &str| {
        let answer = client.get_with(path, &[("authorization", token)]).await;
        answer.status
    };
    let paths = ["/token", "/function", "/engine"];
    for path in paths {
        assert_eq!(call(path, &known).await, 200, "{path}");
    }
    let remembered = Instant::now();
    issuer.publish(None);
    drop((function, engine));
    while remembered.elapsed() < TTL - Duration::from_secs(1) {
        for path in paths {
            assert_eq!(call(path, &known).await, 200, "{path} is remembered");
        }
        sleep_until(Instant::now() + Duration::from_millis(100)).await;
    }
    // Of whoever is not remembered, the keys that are at hand say who it is, and nobody what it may do.
    for (path, status) in paths.into_iter().zip([200, 500, 500]) {
        assert_eq!(call(path, &unknown).await, status, "{path}");
    }
    // The last answer was for a whole second that had begun before.
    sleep_until(remembered + TTL + Duration::from_secs(1)).await;
    for (path, status) in paths.into_iter().zip([200, 500, 500]) {
        assert_eq!(call(path, &known).await, status, "{path} is forgotten");
    }
    for (path, reason) in [
        ("/function", "function_unreachable"),
        ("/engine", "decision_unavailable"),
    ] {
        gateway
            .record("a refusal", |record| {
                record["path"] == path && record["reason"] == reason
            })
            .await;
    }
}

#[tokio::test]
async fn more_tokens_with_unknown_keys_than_may_wait_are_told_to_come_back() {
    /// As many as may wait, and some more.
    const TOKENS: usize = 4_096 + 200;
    let backend = Upstream::echo().await;
    let key = Key::ec("ec");
    let issuer = KeyServer::start(&[&key]).await;
    let setup = issuer
        .authorize(Setup::new().upstream("main", backend.address))
        .route("GET /{any+}", json!({"authorizer": "main"}));
    let gateway = Gateway::start(setup).await;
    let address = gateway.address().await;
    let first = Client::http1(address).await;
    let good = key.token(&claims(json!({})));
    let headers = [("authorization", good.as_str())];
    assert_eq!(first.get_with("/good", &headers).await.status, 200);
    // Keys are fetched every few seconds, and who names others waits for that. A machine that is too busy
    // to ask so much in that time tries again.
    let mut busy = 0;
    for round in 0..5 {
        let token = Key::ec(&format!("made-up-{round}")).token(&claims(json!({})));
        busy = flood(address, &token, TOKENS).await;
        if busy > 0 {
            break;
        }
    }
    assert!(busy > 0, "as many as may wait did, and nobody more came");
    assert_eq!(gateway.reason("keys_busy").await["status"], 503);
    assert_eq!(first.get_with("/good", &headers).await.status, 200);
}

/// Requests of a connection that are under way together.
const STREAMS: usize = 100;

/// Sends a token that nobody can judge so often, all at once; how many were told to come back.
async fn flood(address: SocketAddr, token: &str, count: usize) -> usize {
    let token: Arc<str> = token.into();
    let mut asking = JoinSet::new();
    for _ in 0..count.div_ceil(STREAMS) {
        let client = Arc::new(Client::http2(address).await);
        for _ in 0..STREAMS {
            let (client, token) = (Arc::clone(&client), Arc::clone(&token));
            asking.spawn(async move {
                let asked = with(get("/made-up"), &[("authorization", &token)]);
                let answer = client.send(asked).await;
                (answer.status, answer.header("retry-after").to_owned())
            });
        }
    }
    let mut busy = 0;
    while let Some(answer) = asking.join_next().await {
        match answer.expect("no question ends early") {
            (401, _) => {}
            (503, after) if after == "5" => busy += 1,
            other => panic!("{other:?}"),
        }
    }
    busy
}
