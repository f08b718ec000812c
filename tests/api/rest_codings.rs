//! REST APIs read bodies that are compressed.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use gateway_tests::client::{Answer, Client, request, whole, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use http::Method;
use serde_json::json;

const BODY: &str = r#"{"name": "rex"}"#;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

async fn start(upstream: &Upstream) -> (Gateway, Client) {
    let setup = Setup::forwarding(upstream.address)
        .set(&["body_memory_max"], json!("4MiB"))
        .set(&["apis", "main", "type"], json!("rest"))
        .set(&["apis", "main", "stages"], json!({"prod": {}}))
        .set(&["apis", "main", "routes"], json!({}))
        .set(
            &["apis", "main", "models", "Pet"],
            json!({"type": "object", "required": ["name"]}),
        )
        .set(
            &["apis", "main", "routes", "POST /mock"],
            json!({"authorizer": "none", "integration": {
                "type": "mock", "responses": {"default": {"status": 201}},
            }}),
        )
        .route("ANY /stream", json!({"body_max": "1MiB"}))
        .route("ANY /huge", json!({"body_max": "1GiB"}))
        .route(
            "POST /checked",
            json!({
                "models": {"application/json": "Pet"},
                "validate": {"body": true},
                "body_max": "1MiB",
            }),
        );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    (gateway, client)
}

async fn post(client: &Client, path: &str, coding: &str, body: Vec<u8>) -> Answer {
    let asked = request(Method::POST, path, whole(body));
    client
        .send(with(asked, &[("content-encoding", coding)]))
        .await
}

#[tokio::test]
async fn a_backend_gets_what_was_coded() {
    let upstream = Upstream::echo().await;
    let (gateway, client) = start(&upstream).await;
    for (coding, body) in [
        ("gzip", gzip(BODY.as_bytes())),
        ("X-GZIP", gzip(BODY.as_bytes())),
        ("deflate", zlib(BODY.as_bytes())),
        ("identity", BODY.into()),
    ] {
        let sent = body.len();
        for path in ["/prod/stream", "/prod/checked"] {
            let answer = post(&client, path, coding, body.clone()).await;
            assert_eq!(answer.status, 200, "{coding} {path}: {}", answer.text());
            let seen = answer.json();
            assert_eq!(seen["body"], BODY, "{coding} {path}");
            let headers = &seen["headers"];
            assert_eq!(headers["content-encoding"], json!(null));
            assert_eq!(headers["content-length"], BODY.len().to_string());
            let id = answer.header("x-amz-apigw-id").to_owned();
            let record = gateway
                .record("the request by its name", |record| {
                    record["request_id"] == id
                })
                .await;
            assert_eq!(record["request_bytes"], sent, "{coding} {path}");
        }
    }
    // Without a body there is nothing to decode.
    let asked = request(
        Method::GET,
        "/prod/stream",
        gateway_tests::client::nothing(),
    );
    let answer = client
        .send(with(asked, &[("content-encoding", "br")]))
        .await;
    assert_eq!(answer.status, 200);
    let status = gzip(br#"{"statusCode": 200}"#);
    assert_eq!(
        post(&client, "/prod/mock", "gzip", status).await.status,
        201
    );
}

#[tokio::test]
async fn what_is_checked_is_what_was_coded() {
    let upstream = Upstream::echo().await;
    let (_gateway, client) = start(&upstream).await;
    let answer = post(&client, "/prod/checked", "gzip", gzip(b"{}")).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.text(), r#"{"message":"Invalid request body"}"#);
}

#[tokio::test]
async fn what_cannot_be_decoded_is_no_supported_media_type() {
    let upstream = Upstream::echo().await;
    let (gateway, client) = start(&upstream).await;
    for (coding, body) in [
        ("gzip", BODY.into()),
        ("gzip", gzip(BODY.as_bytes())[..20].to_vec()),
        ("deflate", gzip(BODY.as_bytes())),
        ("br", BODY.into()),
        ("gzip, deflate", gzip(BODY.as_bytes())),
    ] {
        let answer = post(&client, "/prod/stream", coding, body).await;
        assert_eq!(answer.status, 415, "{coding}");
        assert_eq!(answer.text(), r#"{"message":"Unsupported Media Type"}"#);
        assert_eq!(answer.header("x-amzn-errortype"), "BadRequestException");
    }
    assert_eq!(gateway.reason("content_coding").await["status"], 415);
    assert_eq!(upstream.seen().requests, 0);
}

#[tokio::test]
async fn a_bomb_ends_at_the_limit_of_the_route_and_of_the_process() {
    let upstream = Upstream::echo().await;
    let (gateway, client) = start(&upstream).await;
    let bomb = gzip(&vec![b' '; 64 << 20]);
    assert!(bomb.len() < 1 << 20);
    let answer = post(&client, "/prod/stream", "gzip", bomb.clone()).await;
    assert_eq!(answer.status, 413);
    assert_eq!(answer.text(), "HTTP content length exceeded 1048576 bytes.");
    let answer = post(&client, "/prod/huge", "gzip", bomb).await;
    assert_eq!(answer.status, 503);
    assert_eq!(gateway.reason("body_memory").await["status"], 503);
    let largest = gzip(&vec![b' '; 1 << 20]);
    assert_eq!(
        post(&client, "/prod/stream", "gzip", largest).await.status,
        200
    );
}
