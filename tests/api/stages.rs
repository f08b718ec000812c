//! An API answers through its stages, on its own host and on others.

use gateway_tests::client::{Client, get, nothing, request, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use http::Method;
use serde_json::json;

/// An HTTP API with two stages and a URL that a stage variable completes.
fn setup(upstream: &Upstream) -> Setup {
    let variables = |path: &str| json!({"variables": {"at": format!("{}/{path}", upstream.address), "by": path}});
    Setup::forwarding(upstream.address)
        .set(
            &["gateway"],
            json!({"region": "test-1", "host_suffix": "gateway.test"}),
        )
        .set(&["apis", "main", "id"], json!("abc123"))
        .set(
            &["apis", "main", "stages"],
            json!({"$default": variables("base"), "beta": variables("next")}),
        )
        .route(
            "GET /at/{id}",
            json!({"integration": {"uri": "http://${stageVariables.at}/{id}?by=${stageVariables.by}"}}),
        )
        .route(
            "GET /put/{rest+}",
            json!({"integration": {"uri": format!("http://{}/{{rest}}", upstream.address), "method": "PUT"}}),
        )
}

#[tokio::test]
async fn a_stage_is_the_first_segment_and_completes_urls() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(setup(&upstream)).await;
    let client = Client::http1(gateway.address().await).await;
    for (path, seen) in [
        ("/at/a%2Fb", "/base/a%2Fb?by=base"),
        ("/at/1?x=1", "/base/1?by=base&x=1"),
        ("/beta/at/1", "/next/1?by=next"),
        ("/beta/put/x/y%20z", "/x/y%20z"),
        // The stage is not a part of the path that is forwarded.
        ("/beta/other", "/other"),
        ("/other", "/other"),
        ("/betamax", "/betamax"),
    ] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(answer.json()["uri"], seen, "{path}");
        let stage = if path.starts_with("/beta/") {
            "beta"
        } else {
            "$default"
        };
        let bare = path.split('?').next().unwrap();
        assert_eq!(gateway.path(bare).await["stage"], stage, "{path}");
    }
    let answer = client.get("/put/x").await;
    assert_eq!(answer.json()["method"], "PUT");
}

#[tokio::test]
async fn an_api_answers_on_its_own_host_unless_it_is_told_not_to() {
    let upstream = Upstream::echo().await;
    let own = "ABC123.execute-api.test-1.gateway.test";
    // A switched off endpoint is nobody's, also where an API answers for every other host.
    let setup_closed = setup(&upstream).set(&["apis", "main", "default_endpoint"], json!(false));
    let gateway = Gateway::start(setup_closed).await;
    let client = Client::http1(gateway.address().await).await;
    let answer = client.send(with(get("/x"), &[("host", own)])).await;
    assert_eq!(answer.status, 404);
    assert_eq!(gateway.path("/x").await["reason"], "endpoint_closed");
    assert_eq!(client.get("/x").await.status, 200);

    // A REST API says so in its own words.
    let setup_closed = Setup::forwarding(upstream.address)
        .set(
            &["gateway"],
            json!({"region": "test-1", "host_suffix": "gateway.test"}),
        )
        .set(&["apis", "main", "type"], json!("rest"))
        .set(&["apis", "main", "id"], json!("abc123"))
        .set(&["apis", "main", "stages"], json!({"prod": {}}))
        .set(&["apis", "main", "default_endpoint"], json!(false))
        .set(&["apis", "main", "routes"], json!({}))
        .route("GET /x", json!({}));
    let gateway = Gateway::start(setup_closed).await;
    let client = Client::http1(gateway.address().await).await;
    let answer = client.send(with(get("/prod/x"), &[("host", own)])).await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.text(), r#"{"message":"Forbidden"}"#);
    assert_eq!(answer.header("x-amzn-errortype"), "ForbiddenException");

    for (is_open, status) in [(true, 200), (false, 404)] {
        let setup = setup(&upstream)
            .set(&["apis", "main", "hosts"], json!(["api.test"]))
            .set(&["apis", "main", "default_endpoint"], json!(is_open));
        let gateway = Gateway::start(setup).await;
        let client = Client::http1(gateway.address().await).await;
        let answer = client.send(with(get("/x"), &[("host", own)])).await;
        assert_eq!(answer.status, status);
        let answer = client.send(with(get("/x"), &[("host", "api.test")])).await;
        assert_eq!(answer.status, 200);
        let answer = client
            .send(with(get("/x"), &[("host", "other.test")]))
            .await;
        assert_eq!(answer.status, 404);
    }
}

#[tokio::test]
async fn another_method_towards_a_backend_changes_no_framing() {
    let upstream = Upstream::echo().await;
    let to = |method: &str| json!({"integration": {"uri": format!("http://{}/", upstream.address), "method": method}});
    let setup = setup(&upstream)
        .route("ANY /get", to("GET"))
        .route("ANY /head", to("HEAD"));
    let gateway = Gateway::start(setup).await;
    let address = gateway.address().await;
    for client in [Client::http1(address).await, Client::http2(address).await] {
        for _ in 0..2 {
            let answer = client.send(request(Method::HEAD, "/get", nothing())).await;
            assert_eq!(answer.status, 200);
            assert!(answer.body.is_empty());
            let answer = client.get("/head").await;
            assert_eq!(answer.status, 200);
            assert!(answer.body.is_empty());
            assert_eq!(client.get("/get").await.json()["method"], "GET");
        }
    }
}

#[tokio::test]
async fn every_stage_has_buckets_of_its_own() {
    let upstream = Upstream::echo().await;
    let setup = setup(&upstream).route(
        "GET /few",
        json!({"throttle": {"rate": 0.001, "burst": 1}, "integration": {"upstream": "main"}}),
    );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    for path in ["/few", "/beta/few"] {
        assert_eq!(client.get(path).await.status, 200, "{path}");
        assert_eq!(client.get(path).await.status, 429, "{path}");
    }
}
