//! Private APIs and domains are not there for those who do not come from where they may.

use gateway_tests::client::{Client, get, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use serde_json::json;

const NOT_FOUND: &str = r#"{"message":"Not Found"}"#;

/// `inner`, which is private, behind hosts of its own and behind two domains, of which one is private
/// too; `rest`, a private REST API; `main` answers every other host.
async fn start(upstream: &Upstream) -> Gateway {
    let route = json!({"$default": {"authorizer": "none", "integration": {"upstream": "main"}}});
    let setup = Setup::forwarding(upstream.address)
        .listener("trusted_proxies", json!(["127.0.0.9"]))
        .set(
            &["listeners", "bound"],
            json!({"address": "127.0.0.1:0", "interface": "lo"}),
        )
        .set(
            &["apis", "inner"],
            json!({
                "type": "http",
                "id": "inner",
                "hosts": ["inner.test"],
                "private": {"prefixes": ["127.0.0.2", "127.0.1.0/24"], "interfaces": ["lo"]},
                "routes": route,
            }),
        )
        .set(
            &["apis", "rest"],
            json!({
                "type": "rest",
                "hosts": ["rest.test"],
                "private": {"prefixes": ["127.0.0.2"]},
                "stages": {"prod": {}},
                "routes": {"GET /a": route["$default"]},
            }),
        )
        .set(
            &["apis", "everywhere"],
            json!({"type": "http", "hosts": ["everywhere.test"], "routes": route}),
        )
        .set(
            &["domains"],
            json!({
                "open.test": {"mappings": {
                    "inner": {"api": "inner"},
                    "/": {"api": "everywhere"},
                }},
                "closed.test": {
                    "private": {"prefixes": ["127.0.0.3"]},
                    "mappings": {"inner": {"api": "inner"}, "/": {"api": "everywhere"}},
                },
            }),
        );
    Gateway::start(setup).await
}

#[tokio::test]
async fn a_private_api_is_there_for_its_prefixes_alone() {
    let upstream = Upstream::echo().await;
    let gateway = start(&upstream).await;
    let address = gateway.address().await;
    for (source, host, path, status) in [
        ("127.0.0.2", "inner.test", "/a", 200),
        ("127.0.1.77", "inner.test", "/a", 200),
        ("127.0.0.1", "inner.test", "/a", 404),
        ("127.0.0.1", "inner.execute-api.local.localhost", "/a", 404),
        ("127.0.0.2", "inner.execute-api.local.localhost", "/a", 200),
        ("127.0.0.2", "rest.test", "/prod/a", 200),
        ("127.0.0.1", "rest.test", "/prod/a", 404),
        ("127.0.0.2", "open.test", "/inner", 200),
        // No domain leads around it.
        ("127.0.0.1", "open.test", "/inner", 404),
        ("127.0.0.1", "open.test", "/other", 200),
        ("127.0.0.3", "closed.test", "/other", 200),
        ("127.0.0.3", "closed.test", "/inner", 404),
        ("127.0.0.2", "closed.test", "/inner", 404),
        ("127.0.0.1", "closed.test", "/other", 404),
    ] {
        let client = Client::http1_from(source, address).await;
        let answer = client.send(with(get(path), &[("host", host)])).await;
        assert_eq!(answer.status, status, "{source} {host} {path}");
        if status == 404 {
            assert_eq!(answer.text(), NOT_FOUND, "{source} {host} {path}");
        }
    }
    // Workers write their records in no common order.
    let refused = gateway.record("a refusal", |record| {
        record["reason"] == "private_endpoint" && record["host"] == "inner.test"
    });
    assert_eq!(refused.await["status"], 404);
}

#[tokio::test]
async fn a_trusted_proxy_speaks_for_its_clients() {
    let upstream = Upstream::echo().await;
    let gateway = start(&upstream).await;
    let client = Client::http1_from("127.0.0.9", gateway.address().await).await;
    for (client_is, status) in [("127.0.0.2", 200), ("127.0.0.4", 404), ("127.0.0.9", 404)] {
        let headers = [("host", "inner.test"), ("x-forwarded-for", client_is)];
        let answer = client.send(with(get("/a"), &headers)).await;
        assert_eq!(answer.status, status, "{client_is}");
    }
    // Who is no trusted proxy claims in vain.
    let client = Client::http1_from("127.0.0.1", gateway.address().await).await;
    let headers = [("host", "inner.test"), ("x-forwarded-for", "127.0.0.2")];
    assert_eq!(client.send(with(get("/a"), &headers)).await.status, 404);
}

#[tokio::test]
async fn a_listener_of_one_of_its_interfaces_is_enough() {
    let upstream = Upstream::echo().await;
    let gateway = start(&upstream).await;
    for (listener, status) in [("bound", 200), ("main", 404)] {
        let client = Client::http1(gateway.listener(listener).await).await;
        let answer = client
            .send(with(get("/a"), &[("host", "inner.test")]))
            .await;
        assert_eq!(answer.status, status, "{listener}");
    }
}

#[tokio::test]
async fn a_connection_stays_what_it_came_in_by() {
    let upstream = Upstream::echo().await;
    let mut gateway = start(&upstream).await;
    let address = gateway.address().await;
    let known = Client::http1(address).await;
    let request = || with(get("/a"), &[("host", "inner.test")]);
    assert_eq!(known.send(request()).await.status, 404);
    let new = Client::http1(address).await;
    gateway
        .setup()
        .change(&["listeners", "main", "interface"], json!("lo"));
    assert_eq!(gateway.reload().await["answer"], "done");
    // What is answered yet before the connections end came in by no interface of its.
    for client in [new, known] {
        if let Ok(answer) = client.try_send(request()).await {
            assert_eq!(answer.status, 404);
        }
    }
}

#[tokio::test]
async fn what_is_private_on_every_other_host_hides_no_closed_endpoint() {
    let upstream = Upstream::echo().await;
    let setup = Setup::forwarding(upstream.address)
        .set(
            &["apis", "main", "private"],
            json!({"prefixes": ["127.0.0.2"]}),
        )
        .set(
            &["apis", "legacy"],
            json!({
                "type": "rest",
                "id": "legacy",
                "hosts": ["legacy.test"],
                "default_endpoint": false,
                "stages": {"prod": {}},
                "routes": {"GET /": {"authorizer": "none", "integration": {"upstream": "main"}}},
            }),
        );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    for (host, status) in [
        ("legacy.execute-api.local.localhost", 403),
        ("other.test", 404),
    ] {
        let answer = client.send(with(get("/prod"), &[("host", host)])).await;
        assert_eq!(answer.status, status, "{host}");
    }
}
