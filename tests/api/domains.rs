//! Custom domains map paths to stages of APIs.

use gateway_tests::client::{Client, get, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use serde_json::json;

/// An HTTP API `main` and a REST API `legacy` behind three domains.
async fn start(upstream: &Upstream) -> (Gateway, Client) {
    let setup = Setup::forwarding(upstream.address)
        .set(&["apis", "main", "hosts"], json!(["main.test"]))
        .set(
            &["apis", "main", "stages"],
            json!({"$default": {}, "beta": {}}),
        )
        .set(
            &["apis", "legacy"],
            json!({
                "type": "rest",
                "default_endpoint": false,
                "hosts": ["legacy.test"],
                "stages": {"prod": {}},
                "gateway_responses": {"DEFAULT_4XX": {"templates": {
                    "text/plain": "$context.customDomain.basePathMatched $context.domainName",
                }}},
                "routes": {"GET /pets/{id}": {
                    "authorizer": "none", "integration": {"upstream": "main"},
                }},
            }),
        )
        .set(
            &["domains"],
            json!({
                "api.test": {"mappings": {
                    "orders": {"api": "main"},
                    "orders/v2": {"api": "main", "stage": "beta"},
                    "legacy": {"api": "legacy", "stage": "prod"},
                }},
                "*.shop.test": {"mappings": {"/": {"api": "main", "stage": "beta"}}},
                "exact.shop.test": {"mappings": {"/": {"api": "legacy", "stage": "prod"}}},
            }),
        );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    (gateway, client)
}

#[tokio::test]
async fn the_longest_mapping_leads_to_its_stage_and_is_taken_off() {
    let upstream = Upstream::echo().await;
    let (gateway, client) = start(&upstream).await;
    for (host, path, api, stage, seen) in [
        ("api.test", "/orders", "main", "$default", "/"),
        ("api.test", "/orders/7?x", "main", "$default", "/7?x"),
        ("API.test:80", "/orders/v1/x", "main", "$default", "/v1/x"),
        ("api.test", "/orders/v2/x", "main", "beta", "/x"),
        ("api.test", "/%6Frders/v2", "main", "beta", "/"),
        // Behind a domain the name of a stage is nothing but a path.
        ("api.test", "/orders/beta/x", "main", "$default", "/beta/x"),
        ("api.test", "/legacy/pets/7", "legacy", "prod", "/pets/7"),
        ("api.test", "//legacy//pets/7/", "legacy", "prod", "/pets/7"),
        ("a.shop.test", "/x", "main", "beta", "/x"),
        ("exact.shop.test", "/pets/7", "legacy", "prod", "/pets/7"),
        ("main.test", "/beta/x", "main", "beta", "/x"),
    ] {
        let answer = client.send(with(get(path), &[("host", host)])).await;
        assert_eq!(answer.status, 200, "{host} {path}: {}", answer.text());
        assert_eq!(answer.json()["uri"], seen, "{host} {path}");
        let bare = path.split('?').next().unwrap();
        let record = gateway
            .record("the request", |record| {
                record["path"] == bare && record["host"] == host.to_lowercase().replace(":80", "")
            })
            .await;
        assert_eq!(record["api"], api, "{host} {path}");
        assert_eq!(record["stage"], stage, "{host} {path}");
    }
}

#[tokio::test]
async fn what_no_mapping_is_for_is_forbidden() {
    let upstream = Upstream::echo().await;
    let (gateway, client) = start(&upstream).await;
    for path in ["/", "/other", "/Orders", "/orders-more", "/legac"] {
        let answer = client.send(with(get(path), &[("host", "api.test")])).await;
        assert_eq!(answer.status, 403, "{path}");
        assert_eq!(answer.text(), r#"{"message":"Forbidden"}"#, "{path}");
        let kind = answer.header("x-amzn-errortype");
        assert_eq!(kind, "ForbiddenException", "{path}");
        assert_eq!(gateway.path(path).await["reason"], "mapping_not_found");
    }
    for host in ["shop.test", "a.b.shop.test", "other.test"] {
        let answer = client.send(with(get("/x"), &[("host", host)])).await;
        assert_eq!(answer.status, 404, "{host}");
    }
    // The API is what decides about the rest of the path.
    let answer = client
        .send(with(get("/legacy/none"), &[("host", "api.test")]))
        .await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.text(), "legacy api.test");
}
