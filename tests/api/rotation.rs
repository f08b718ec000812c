//! Keys that change while the gateway runs.

use gateway_tests::client::Client;
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::{Key, KeyServer, claims};
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

fn protected(upstream: &Upstream, issuer: &KeyServer) -> Setup {
    issuer
        .authorize(Setup::new().upstream("main", upstream.address))
        .route("GET /{any+}", json!({"authorizer": "main"}))
}

async fn call(client: &Client, token: &str) -> u16 {
    client
        .get_with("/a", &[("authorization", token)])
        .await
        .status
}

#[tokio::test]
async fn a_new_key_is_fetched_when_a_token_names_it_and_a_lost_issuer_changes_nothing() {
    let upstream = Upstream::echo().await;
    let (old, new) = (Key::ec("old"), Key::ec("new"));
    let issuer = KeyServer::start(&[&old]).await;
    let gateway = Gateway::start(protected(&upstream, &issuer)).await;
    let client = Client::http1(gateway.address().await).await;
    let (old_token, new_token) = (old.token(&claims(json!({}))), new.token(&claims(json!({}))));
    assert_eq!(call(&client, &old_token).await, 200);
    assert_eq!(issuer.fetches(), 1);
    issuer.publish(Some(&[&new]));
    assert_eq!(
        call(&client, &new_token).await,
        200,
        "fetches are spaced, and who names a new key waits for the next"
    );
    assert_eq!(
        call(&client, &old_token).await,
        401,
        "the old key was withdrawn"
    );
    assert_eq!(gateway.reason("token_unknown_key").await["status"], 401);
    issuer.publish(None);
    assert_eq!(call(&client, &new_token).await, 200);
    assert_eq!(
        call(&client, &Key::ec("third").token(&claims(json!({})))).await,
        401
    );
    assert_eq!(
        call(&client, &new_token).await,
        200,
        "the last good set serves"
    );
}

#[tokio::test]
async fn an_issuer_without_configured_keys_is_asked_where_they_are() {
    let upstream = Upstream::echo().await;
    let (rsa, ec) = (Key::rsa("rsa"), Key::ec("ec"));
    let issuer = KeyServer::start(&[&rsa, &ec]).await;
    let http = issuer
        .authorize_by_discovery(Setup::new().upstream("main", upstream.address))
        .route(
            "GET /{any+}",
            json!({"authorizer": "main", "scopes": ["read"]}),
        );
    let route = json!({
        "authorizer": "main", "scopes": ["read"], "integration": {"upstream": "main"},
    });
    let rest = json!({
        "type": "rest", "hosts": ["rest.test"], "stages": {"prod": {}},
        "routes": {"GET /{any+}": route},
    });
    // The issuer is down when the gateway starts.
    issuer.publish(None);
    let gateway = Gateway::start(http.set(&["apis", "rest"], rest)).await;
    let client = Client::http1(gateway.address().await).await;
    let ours = |changes: serde_json::Value| {
        let mut claims = claims(changes);
        claims["iss"] = json!(issuer.issuer());
        claims
    };
    let good = rsa.token(&ours(json!({})));
    assert_eq!(call(&client, &good).await, 401);
    assert_eq!(gateway.path("/a").await["reason"], "keys_unavailable");
    issuer.publish(Some(&[&rsa, &ec]));
    gateway_tests::wait::until("the keys", || async {
        (call(&client, &good).await == 200).then_some(())
    })
    .await;
    // What the service accepts is RSA alone, whatever keys the issuer has.
    assert_eq!(call(&client, &ec.token(&ours(json!({})))).await, 401);
    assert_eq!(gateway.reason("token_algorithm").await["status"], 401);
    let other_issuer = rsa.token(&claims(json!({})));
    assert_eq!(call(&client, &other_issuer).await, 401);
    assert_eq!(gateway.reason("token_issuer").await["status"], 401);
    let narrow = rsa.token(&ours(json!({"scope": "write"})));
    assert_eq!(call(&client, &narrow).await, 403);
    let by_client = rsa.token(&ours(json!({"aud": null, "client_id": "pets"})));
    assert_eq!(call(&client, &by_client).await, 200);
    let at_rest = async |token: &str| {
        let headers = [("authorization", token), ("host", "rest.test")];
        client.get_with("/prod/a", &headers).await
    };
    assert_eq!(at_rest(&good).await.status, 200);
    let refused = [
        (&other_issuer, 401, "UnauthorizedException"),
        (&narrow, 403, "AccessDeniedException"),
    ];
    for (token, status, kind) in refused {
        let answer = at_rest(token).await;
        assert_eq!(
            (answer.status, answer.header("x-amzn-errortype")),
            (status, kind)
        );
    }
}

#[tokio::test]
async fn a_flood_of_unknown_keys_costs_the_issuer_next_to_nothing() {
    let upstream = Upstream::echo().await;
    let key = Key::ec("real");
    let issuer = KeyServer::start(&[&key]).await;
    let gateway = Gateway::start(protected(&upstream, &issuer)).await;
    let address = gateway.address().await;
    let started = Instant::now();
    let mut flood = tokio::task::JoinSet::new();
    for _ in 0..8 {
        flood.spawn(async move {
            let client = Client::http1(address).await;
            while started.elapsed() < Duration::from_secs(7) {
                let stranger = Key::ec("stranger").token(&claims(json!({})));
                assert_eq!(call(&client, &stranger).await, 401);
            }
        });
    }
    flood.join_all().await;
    // One at the start, and then one every five seconds at most.
    let allowed = 2 + started.elapsed().as_secs() / 5;
    assert!(
        (2..=allowed).contains(&issuer.fetches()),
        "{} fetches, {allowed} allowed",
        issuer.fetches()
    );
    let client = Client::http1(address).await;
    assert_eq!(call(&client, &key.token(&claims(json!({})))).await, 200);
}

#[tokio::test]
async fn without_any_keys_nothing_is_let_in() {
    let upstream = Upstream::echo().await;
    let key = Key::ec("real");
    let issuer = KeyServer::start(&[&key]).await;
    issuer.publish(None);
    let gateway = Gateway::start(protected(&upstream, &issuer)).await;
    let client = Client::http1(gateway.address().await).await;
    let token = key.token(&claims(json!({})));
    assert_eq!(call(&client, &token).await, 401);
    assert_eq!(gateway.path("/a").await["reason"], "keys_unavailable");
    assert_eq!(upstream.seen().requests, 0);
    issuer.publish(Some(&[&key]));
    gateway_tests::wait::until("keys", || async {
        (call(&client, &token).await == 200).then_some(())
    })
    .await;
}
