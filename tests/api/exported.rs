//! Definitions as the service exports them, served without an edit.

use bytes::Bytes;
use gateway_tests::client::{Answer, Client, request, whole, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::{Key, KeyServer, claims};
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use gateway_tests::wait;
use http::{Method, Response};
use http_body_util::{BodyExt as _, Full};
use serde_json::json;

/// The export of a REST API with validators, models, mappings, mocks for CORS and a policy.
const ORDERS: &str = include_str!("../../examples/openapi/orders-export-rest.json");

/// An address that the policy of [`ORDERS`] lets write.
const OFFICE: &str = "192.0.2.7";

async fn orders() -> (Gateway, Client, Upstream) {
    let upstream = Upstream::echo().await;
    let setup = Setup::new()
        .listener("trusted_proxies", json!(["127.0.0.1"]))
        .set(
            &["apis", "orders"],
            json!({
                "definition": "orders.json",
                "stages": {"prod": {"variables": {"host": upstream.address.to_string()}}},
            }),
        );
    let _file = setup.file("orders.json", ORDERS);
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    (gateway, client, upstream)
}

async fn post(client: &Client, from: &str, body: &str) -> Answer {
    let asked = request(Method::POST, "/prod/orders", whole(body.to_owned()));
    let headers = [
        ("content-type", "application/json"),
        ("x-forwarded-for", from),
    ];
    client.send(with(asked, &headers)).await
}

#[tokio::test]
async fn an_exported_rest_api_forwards_what_it_declares() {
    let (_gateway, client, _upstream) = orders().await;
    let answer = client
        .get_with("/prod/orders?status=open", &[("x-tenant", "acme")])
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = answer.json();
    let uri = seen["uri"].as_str().unwrap();
    assert!(
        uri.starts_with("/v2/orders?") && uri.contains("state=open"),
        "{uri}"
    );
    assert_eq!(seen["headers"]["x-tenant-id"], "acme", "{seen}");

    let answer = client.get("/prod/orders/7").await;
    assert_eq!(answer.json()["uri"], "/v2/orders/7");

    let answer = client
        .send(request(Method::OPTIONS, "/prod/orders", whole("")))
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("access-control-allow-methods"),
        "GET,OPTIONS,POST"
    );
    assert_eq!(answer.header("access-control-allow-origin"), "*");

    let answer = client.get("/prod/customers").await;
    assert_eq!(answer.status, 403);
    assert_eq!(
        answer.text(),
        r#"{"message":"Missing Authentication Token"}"#
    );
}

#[tokio::test]
async fn an_exported_rest_api_checks_what_its_validators_say() {
    let (gateway, client, _upstream) = orders().await;
    let answer = client.get("/prod/orders").await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.json()["message"],
        "Missing required request parameters: [status]"
    );
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    gateway.reason("parameter_missing").await;

    let order = r#"{"customer": "acme", "items": [{"sku": "ABC-1", "count": 2}]}"#;
    assert_eq!(post(&client, OFFICE, order).await.status, 200);
    for wrong in [
        "{}",
        "not JSON",
        r#"{"customer": "", "items": []}"#,
        r#"{"customer": "acme", "items": [{"sku": "abc", "count": 1}]}"#,
        r#"{"customer": "acme", "items": [{"sku": "ABC-1", "count": 0}]}"#,
    ] {
        let answer = post(&client, OFFICE, wrong).await;
        assert_eq!(answer.status, 422, "{wrong}");
        // What is said in detail has quotes of its own, so that this template makes no JSON of it.
        let said = answer.text();
        let rest = said.strip_prefix(r#"{"message": "Invalid request body", "detail": ""#);
        assert!(rest.is_some_and(|detail| detail.len() > 2), "{said}");
    }
}

#[tokio::test]
async fn an_exported_policy_speaks_of_the_api_as_it_is_here() {
    let (gateway, client, _upstream) = orders().await;
    let order = r#"{"customer": "acme", "items": [{"sku": "ABC-1", "count": 2}]}"#;
    assert_eq!(post(&client, OFFICE, order).await.status, 200);
    let answer = post(&client, "203.0.113.9", order).await;
    assert_eq!(answer.status, 403);
    assert!(
        answer.text().contains("with an explicit deny"),
        "{}",
        answer.text()
    );
    gateway.reason("policy_denied").await;
    // What it does not deny, it allows.
    assert_eq!(client.get("/prod/orders/7").await.status, 200);
}

/// The export of an HTTP API with CORS, a JWT authorizer and a default route.
const SPA: &str = include_str!("../../examples/openapi/spa-http.json");

#[tokio::test]
async fn an_exported_http_api_brings_its_authorizer_and_its_cors() {
    let upstream = Upstream::echo().await;
    let key = Key::rsa("rsa");
    let issuer = KeyServer::start(&[&key]).await;
    // Only where it logs in and where its backends are is its own.
    let backend = format!("http://{}", upstream.address);
    let definition = SPA
        .replace("https://login.example.com/", &issuer.issuer())
        .replace("https://static.example.com", &format!("{backend}/static"))
        .replace("https://backend.example.com", &backend);
    let setup = issuer.authorize_by_discovery(Setup::new());
    let setup = setup.set(&["apis", "spa"], json!({"definition": "spa.json"}));
    let _file = setup.file("spa.json", &definition);
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;

    let answer = client.get("/index.html").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["uri"], "/static");

    assert_eq!(client.get("/api/me").await.status, 401);
    let call = async |scope: &str| {
        let changes =
            json!({"iss": issuer.issuer(), "aud": "https://api.example.com", "scope": scope});
        let token = format!("Bearer {}", key.token(&claims(changes)));
        client
            .get_with("/api/me", &[("authorization", &token)])
            .await
    };
    wait::until("the keys", || async {
        (call("profile").await.status == 200).then_some(())
    })
    .await;
    assert_eq!(call("profile").await.json()["uri"], "/me");
    assert_eq!(call("email").await.status, 403);

    let asked = request(Method::OPTIONS, "/api/me", whole(""));
    let headers = [
        ("origin", "https://app.example.com"),
        ("access-control-request-method", "PUT"),
    ];
    let answer = client.send(with(asked, &headers)).await;
    assert_eq!(answer.status, 204);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        "https://app.example.com"
    );
    assert_eq!(answer.header("access-control-allow-credentials"), "true");
    assert_eq!(answer.header("access-control-max-age"), "0");
}

/// A REST API whose backend is no proxy: what it answers is mapped by its status.
const LEGACY: &str = include_str!("../../examples/openapi/legacy-rest.json");

#[tokio::test]
async fn an_exported_backend_that_is_no_proxy_answers_as_it_is_mapped() {
    let upstream = Upstream::http(|request| async move {
        let (status, body) = match request.uri().path() {
            "/reports/7" => (200, r#"{"id": "7"}"#),
            "/reports/8" => (404, "<html>"),
            _ => (500, "broken"),
        };
        let body = Full::new(Bytes::from(body)).map_err(|never| match never {});
        let answer = Response::builder()
            .status(status)
            .header("version", "3")
            .header("server", "old");
        answer.body(body.boxed_unsync()).unwrap()
    })
    .await;
    let setup = Setup::new().set(
        &["apis", "legacy"],
        json!({
            "definition": "legacy.json",
            "stages": {"prod": {"variables": {"host": upstream.address.to_string()}}},
        }),
    );
    let _file = setup.file("legacy.json", LEGACY);
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;

    let answer = client.get("/prod/reports/7").await;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (200, r#"{"id": "7"}"#)
    );
    assert_eq!(answer.header("x-version"), "3");
    assert_eq!(answer.header("content-type"), "application/json");
    assert!(!answer.headers.contains_key("server"));
    let answer = client.get("/prod/reports/8").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.text(), r#"{"message": "no such report"}"#);
    assert_eq!(client.get("/prod/reports/9").await.status, 502);
}

/// The export of a REST API with NONE and a JWT authorizer.
const MEMBERS: &str = include_str!("../../examples/openapi/members-rest.json");

#[tokio::test]
async fn an_exported_rest_api_brings_its_authorizer() {
    let upstream = Upstream::echo().await;
    let key = Key::rsa("rsa");
    let issuer = KeyServer::start(&[&key]).await;
    // Only where it logs in and where its backend is are its own.
    let definition = MEMBERS
        .replace("https://login.example.com/", &issuer.issuer())
        .replace(
            "https://members.example.com",
            &format!("http://{}", upstream.address),
        );
    let setup = issuer
        .authorize_by_discovery(Setup::new())
        .set(&["gateway"], json!({"region": "eu-west-1"}))
        .set(
            &["apis", "members"],
            json!({"definition": "members.json", "id": "k1l2m3n4o5", "stages": {"prod": {}}}),
        );
    let _file = setup.file("members.json", &definition);
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let host = ("host", "k1l2m3n4o5.execute-api.eu-west-1.localhost");

    let answer = client.get_with("/prod/health", &[host]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = client.get_with("/prod/members/7", &[host]).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.text(), r#"{"message":"Unauthorized"}"#);
    assert_eq!(answer.header("x-amzn-errortype"), "UnauthorizedException");
    let call = async |method: Method, scope: &str, more: &[(&str, &str)]| {
        let changes =
            json!({"iss": issuer.issuer(), "aud": "https://api.example.com", "scope": scope});
        let token = format!("Bearer {}", key.token(&claims(changes)));
        let headers = [&[host, ("authorization", &token)], more].concat();
        let asked = request(method, "/prod/members/7", whole(""));
        client.send(with(asked, &headers)).await
    };
    wait::until("the keys", || async {
        let answer = call(Method::GET, "members.read", &[]).await;
        (answer.status == 200).then_some(())
    })
    .await;
    let answer = call(Method::GET, "members.read", &[]).await;
    assert_eq!(answer.json()["uri"], "/v1/7");
    assert_eq!(call(Method::GET, "orders.read", &[]).await.status, 403);
    // A scope of one route is none of another, and whom the authorizer lets pass is checked.
    assert_eq!(call(Method::PUT, "members.read", &[]).await.status, 403);
    let answer = call(Method::PUT, "members.write", &[]).await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.json()["message"],
        "Missing required request parameters: [If-Match]"
    );
    let answer = call(Method::PUT, "members.write", &[("if-match", "\"1\"")]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}
