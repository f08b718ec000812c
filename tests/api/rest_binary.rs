//! Bodies of REST APIs between text and binary.

use gateway_tests::client::{Client, request, whole, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::{Upstream, reply, sent};
use http::Method;
use http::header::HeaderValue;
use serde_json::{Value, json};

const BYTES: &[u8] = b"\x89PNG\xff\0";
const BASE64: &[u8] = b"iVBOR/8A";
const LOSSY: &[u8] = "\u{fffd}PNG\u{fffd}\0".as_bytes();

/// A gateway whose API has this list, and the route `ANY /image` with this integration.
async fn start(upstream: &Upstream, types: &[&str], integration: Value) -> (Gateway, Client) {
    let setup = Setup::forwarding(upstream.address)
        .set(&["apis", "main", "type"], json!("rest"))
        .set(&["apis", "main", "binary_media_types"], json!(types))
        .set(&["apis", "main", "stages"], json!({"prod": {}}))
        .set(
            &[
                "apis",
                "main",
                "gateway_responses",
                "API_CONFIGURATION_ERROR",
            ],
            json!({"parameters": {"gatewayresponse.header.X-Kind": "'configuration'"}}),
        )
        .set(&["apis", "main", "routes"], json!({}));
    let setup = if integration["type"] == "mock" {
        let route = json!({"authorizer": "none", "integration": integration});
        setup.set(&["apis", "main", "routes", "ANY /image"], route)
    } else {
        setup.route("ANY /image", json!({"integration": integration}))
    };
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    (gateway, client)
}

fn http(handling: Option<&str>, response: Option<&str>) -> Value {
    let mut integration = json!({"type": "http", "responses": {"default": {"status": 200}}});
    if let Some(handling) = handling {
        integration["content_handling"] = json!(handling);
    }
    if let Some(handling) = response {
        integration["responses"]["default"]["content_handling"] = json!(handling);
    }
    integration
}

/// A backend that answers with these bytes of this type, and what it was sent in `x-sent`.
async fn backend(media_type: &'static str, bytes: &'static [u8]) -> Upstream {
    Upstream::http(move |request| async move {
        let got = sent(request).await;
        let mut answer = reply(200, bytes);
        let headers = answer.headers_mut();
        headers.insert("content-type", HeaderValue::from_static(media_type));
        headers.insert("x-length", HeaderValue::from(got.len()));
        answer
    })
    .await
}

#[tokio::test]
async fn a_request_is_converted_by_its_type_and_content_handling() {
    // What arrives comes back as it is, because the answer is taken for binary.
    let upstream = Upstream::http(|request| async {
        let mut answer = reply(200, sent(request).await);
        let binary = HeaderValue::from_static("application/octet-stream");
        answer.headers_mut().insert("content-type", binary);
        answer
    })
    .await;
    let (text, binary) = (Some("convert_to_text"), Some("convert_to_binary"));
    let types = ["image/*", "application/octet-stream"];
    for (media_type, handling, body, expected) in [
        ("text/plain", None, BYTES, Ok(LOSSY)),
        ("text/plain", text, BYTES, Ok(LOSSY)),
        ("text/plain", None, BASE64, Ok(BASE64)),
        ("text/plain", binary, BASE64, Ok(BYTES)),
        ("text/plain", binary, BYTES, Err(())),
        ("image/png", None, BYTES, Ok(BYTES)),
        ("image/png", binary, BYTES, Ok(BYTES)),
        ("image/png; q=1", text, BYTES, Ok(BASE64)),
    ] {
        let (gateway, client) = start(&upstream, &types, http(handling, None)).await;
        let asked = request(Method::POST, "/prod/image", whole(body));
        let headers = [
            ("content-type", media_type),
            ("accept", "application/octet-stream, text/plain"),
        ];
        let answer = client.send(with(asked, &headers)).await;
        let case = format!("{media_type} {handling:?}");
        match expected {
            Ok(bytes) => {
                assert_eq!(answer.status, 200, "{case}: {}", answer.text());
                assert_eq!(answer.body, bytes, "{case}");
            }
            Err(()) => {
                assert_eq!(answer.status, 500, "{case}");
                assert_eq!(answer.text(), r#"{"message":"Internal server error"}"#);
                let kind = answer.header("x-amzn-errortype");
                assert_eq!(kind, "InternalServerErrorException");
                assert_eq!(answer.header("x-kind"), "configuration", "{case}");
                gateway.reason("payload_encoding").await;
            }
        }
    }
}

#[tokio::test]
async fn an_answer_is_converted_by_both_types_and_content_handling() {
    let text_upstream = backend("text/plain", BASE64).await;
    let broken_upstream = backend("text/plain", BYTES).await;
    let binary_upstream = backend("image/png", BYTES).await;
    let (to_text, to_binary) = (Some("convert_to_text"), Some("convert_to_binary"));
    let set: &[&str] = &["image/*"];
    for (upstream, accept, types, handling, expected) in [
        // Without a list everything is text.
        (&text_upstream, "image/png", &[][..], None, Ok(BASE64)),
        (&binary_upstream, "image/png", &[], None, Ok(LOSSY)),
        (&binary_upstream, "image/png", &[], to_text, Ok(LOSSY)),
        (&text_upstream, "image/png", &[], to_binary, Ok(BYTES)),
        (&text_upstream, "text/plain", set, None, Ok(BASE64)),
        (&broken_upstream, "text/plain", set, None, Ok(LOSSY)),
        (&text_upstream, "text/plain", set, to_binary, Ok(BYTES)),
        (&broken_upstream, "text/plain", set, to_text, Ok(LOSSY)),
        (&text_upstream, "image/png", set, None, Ok(BYTES)),
        (&text_upstream, "image/png", set, to_binary, Ok(BYTES)),
        (&text_upstream, "image/png", set, to_text, Ok(BASE64)),
        (&broken_upstream, "image/png", set, None, Err(())),
        (&binary_upstream, "text/plain", set, None, Ok(BASE64)),
        (&binary_upstream, "text/plain", set, to_text, Ok(BASE64)),
        (&binary_upstream, "text/plain", set, to_binary, Ok(BYTES)),
        (&binary_upstream, "image/png", set, None, Ok(BYTES)),
        (&binary_upstream, "image/png", set, to_binary, Ok(BYTES)),
        (&binary_upstream, "image/png", set, to_text, Ok(BASE64)),
        // Only the first type that a client accepts counts.
        (
            &binary_upstream,
            "text/html, image/png",
            set,
            None,
            Ok(BASE64),
        ),
    ] {
        let (gateway, client) = start(upstream, types, http(None, handling)).await;
        let answer = client.get_with("/prod/image", &[("accept", accept)]).await;
        let case = format!("{accept} {types:?} {handling:?} {expected:?}");
        match expected {
            Ok(bytes) => {
                assert_eq!(answer.status, 200, "{case}: {}", answer.text());
                assert_eq!(answer.body, bytes, "{case}");
            }
            Err(()) => {
                assert_eq!(answer.status, 500, "{case}");
                gateway.reason("payload_encoding").await;
            }
        }
    }
}

#[tokio::test]
async fn without_headers_a_body_is_of_the_type_that_is_assumed() {
    // What is wanted of the answer is told by the class of JSON, which `*/*` lists.
    let upstream = Upstream::http(|request| async { reply(200, sent(request).await) }).await;
    for (types, expected) in [(&["*/*"][..], BYTES), (&["image/*"], LOSSY)] {
        let (_gateway, client) = start(&upstream, types, http(None, None)).await;
        let asked = request(Method::POST, "/prod/image", whole(BYTES));
        let answer = client.send(asked).await;
        assert_eq!(answer.status, 200, "{types:?}: {}", answer.text());
        assert_eq!(answer.body, expected, "{types:?}");
    }
}

#[tokio::test]
async fn a_proxy_passes_every_byte_as_it_is() {
    let upstream = backend("text/plain", BYTES).await;
    for types in [&[][..], &["image/png"], &["*/*"]] {
        let (_gateway, client) = start(&upstream, types, json!({})).await;
        for media_type in ["text/plain", "image/png"] {
            let asked = request(Method::POST, "/prod/image", whole(BYTES));
            let headers = [("content-type", media_type), ("accept", media_type)];
            let answer = client.send(with(asked, &headers)).await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.body, BYTES, "{types:?} {media_type}");
            assert_eq!(answer.header("x-length"), BYTES.len().to_string());
        }
    }
}

#[tokio::test]
async fn a_mock_converts_what_it_passes_on_and_nothing_else() {
    let upstream = Upstream::echo().await;
    let mock = |handling: Option<&str>, templates: Value| {
        let mut integration = http(handling, None);
        integration["type"] = json!("mock");
        integration["request_templates"] = templates;
        let body = json!({"application/json": "{\"ok\": true}"});
        integration["responses"]["default"]["templates"] = body;
        integration
    };
    let document = r#"{"statusCode": 200}"#;
    let coded = "eyJzdGF0dXNDb2RlIjogMjAwfQ==";
    let template = json!({"application/json": document});
    for (handling, templates, body, status) in [
        (Some("convert_to_binary"), json!({}), coded, 200),
        (Some("convert_to_binary"), json!({}), document, 500),
        (None, json!({}), document, 200),
        (Some("convert_to_binary"), template, "no base64", 200),
    ] {
        let case = format!("{handling:?} {templates} {body}");
        let (_gateway, client) = start(&upstream, &["image/*"], mock(handling, templates)).await;
        let asked = request(Method::POST, "/prod/image", whole(body));
        // A template's own text is not decoded for a client that accepts images.
        let answer = client.send(with(asked, &[("accept", "image/png")])).await;
        assert_eq!(answer.status, status, "{case}");
        if status == 200 {
            assert_eq!(answer.text(), "{\"ok\": true}", "{case}");
        }
    }
}
