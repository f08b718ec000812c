//! REST APIs answer pages of other origins by a mock, as the service's guide has it.

use gateway_tests::client::{Client, get, nothing, request, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::{Upstream, reply};
use http::{HeaderValue, Method};
use serde_json::json;

const HEADERS: &str = "Content-Type,X-Amz-Date,Authorization,X-Api-Key,X-Amz-Security-Token";
const METHODS: &str = "DELETE,GET,HEAD,OPTIONS,PATCH,POST,PUT";

async fn start(upstream: &Upstream) -> (Gateway, Client) {
    let allow = "method.response.header.Access-Control-Allow";
    let parameters = json!({
        format!("{allow}-Headers"): format!("'{HEADERS}'"),
        format!("{allow}-Methods"): format!("'{METHODS}'"),
        format!("{allow}-Origin"): "'*'",
    });
    let preflight = json!({
        "type": "mock",
        "request_templates": {"application/json": "{\"statusCode\":200}"},
        "responses": {"default": {"status": 200, "parameters": parameters}},
    });
    let setup = Setup::forwarding(upstream.address)
        .set(&["apis", "main", "type"], json!("rest"))
        .set(&["apis", "main", "stages"], json!({"prod": {}}))
        .set(&["apis", "main", "routes"], json!({}))
        .set(
            &["apis", "main", "gateway_responses"],
            json!({"DEFAULT_4XX": {"parameters": {
                "gatewayresponse.header.Access-Control-Allow-Origin": "'*'",
            }}}),
        )
        .route("GET /pets", json!({}))
        .set(
            &["apis", "main", "routes", "OPTIONS /pets"],
            json!({"authorizer": "none", "integration": preflight}),
        );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    (gateway, client)
}

#[tokio::test]
async fn a_mock_answers_preflights() {
    let upstream = Upstream::echo().await;
    let (_gateway, client) = start(&upstream).await;
    let asked = request(Method::OPTIONS, "/prod/pets", nothing());
    let headers = [
        ("origin", "https://app.test"),
        ("access-control-request-method", "GET"),
    ];
    let answer = client.send(with(asked, &headers)).await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    for (name, value) in [
        ("access-control-allow-headers", HEADERS),
        ("access-control-allow-methods", METHODS),
        ("access-control-allow-origin", "*"),
        ("content-type", "application/json"),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
    assert_eq!(upstream.seen().requests, 0);
}

#[tokio::test]
async fn proxies_and_errors_speak_for_themselves() {
    let upstream = Upstream::http(|_request| async {
        let mut answer = reply(200, "pets");
        let theirs = HeaderValue::from_static("https://app.test");
        answer
            .headers_mut()
            .insert("access-control-allow-origin", theirs);
        answer
    })
    .await;
    let (_gateway, client) = start(&upstream).await;
    for (path, status, origin) in [
        ("/prod/pets", 200, "https://app.test"),
        ("/prod/none", 403, "*"),
        // Before the stage is known there is nothing to customize.
        ("/none", 403, ""),
    ] {
        let headers = [("origin", "https://app.test")];
        let answer = client.send(with(get(path), &headers)).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(
            answer.header("access-control-allow-origin"),
            origin,
            "{path}"
        );
    }
}
