//! Mocks of REST APIs answer without a backend.

use gateway_tests::client::{Answer, Client, request, whole, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use http::Method;
use serde_json::{Value, json};

async fn start(integration: Value) -> (Gateway, Client) {
    let mut whole = json!({"type": "mock"});
    let fields = integration.as_object().unwrap().clone();
    whole.as_object_mut().unwrap().extend(fields);
    let setup = Setup::new()
        .set(&["apis", "main", "type"], json!("rest"))
        .set(
            &["apis", "main", "stages"],
            json!({"prod": {"variables": {"who": "stage"}}}),
        )
        .set(
            &["apis", "main", "routes", "ANY /mock/{id}"],
            json!({"authorizer": "none", "integration": whole}),
        );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    (gateway, client)
}

async fn ask(client: &Client, media_type: Option<&str>, body: &str) -> Answer {
    let asked = request(Method::POST, "/prod/mock/7", whole(body.to_owned()));
    let headers: Vec<_> = media_type
        .map(|text| ("content-type", text))
        .into_iter()
        .collect();
    client.send(with(asked, &headers)).await
}

fn default(status: u16) -> Value {
    json!({"default": {"status": status}})
}

#[tokio::test]
async fn the_status_of_the_template_selects_the_response() {
    let (_gateway, client) = start(json!({
        "request_templates": {
            "application/json": "{statusCode: 200,}",
            "text/plain": "{\"statusCode\": 404}",
            "text/css": "{\"statusCode\": 503}",
        },
        "responses": {
            "default": {
                "status": 200,
                "parameters": {
                    "method.response.header.X-Static": "'fixed'",
                    "method.response.header.X-Stage": "stageVariables.who",
                    "method.response.header.X-Path": "context.resourcePath",
                    "method.response.header.X-Missing": "stageVariables.none",
                    "method.response.header.X-Backend": "integration.response.header.x",
                },
                "templates": {"application/json": "{\"ok\": true}"},
            },
            "4\\d{2}": {"status": 410, "templates": {"text/html": "<p>gone</p>"}},
        },
    }))
    .await;
    let answer = ask(&client, Some("application/json; charset=utf-8"), "").await;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (200, "{\"ok\": true}")
    );
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("x-static"), "fixed");
    assert_eq!(answer.header("x-stage"), "stage");
    assert_eq!(answer.header("x-path"), "/mock/{id}");
    for name in ["x-missing", "x-backend"] {
        assert!(!answer.headers.contains_key(name), "{name}");
    }
    // Without a media type it is JSON.
    assert_eq!(ask(&client, None, "ignored").await.status, 200);
    let answer = ask(&client, Some("text/plain"), "").await;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (410, "<p>gone</p>")
    );
    assert_eq!(answer.header("content-type"), "text/html");
    // No pattern matches 503, so that the default does.
    assert_eq!(ask(&client, Some("text/css"), "").await.status, 200);
    // A client that asks for the head alone gets no body.
    let answer = client
        .send(request(Method::HEAD, "/prod/mock/7", whole("")))
        .await;
    assert_eq!(
        (answer.status, answer.header("content-length")),
        (200, "12")
    );
    assert!(answer.body.is_empty());
}

#[tokio::test]
async fn a_media_type_without_template_is_handled_as_the_definition_says() {
    let templates = json!({"application/json": "{\"statusCode\": 200}"});
    for (passthrough, has_template, body, status) in [
        (None, true, "{\"statusCode\": 200}", 201),
        (None, true, "no document", 500),
        (None, true, "", 500),
        (Some("when_no_match"), false, "{\"statusCode\": 200}", 201),
        (
            Some("when_no_templates"),
            false,
            "{\"statusCode\": 200}",
            201,
        ),
        (
            Some("when_no_templates"),
            true,
            "{\"statusCode\": 200}",
            415,
        ),
        (Some("never"), false, "{\"statusCode\": 200}", 415),
    ] {
        let mut integration = json!({"responses": default(201)});
        if let Some(word) = passthrough {
            integration["passthrough_behavior"] = json!(word);
        }
        if has_template {
            integration["request_templates"] = templates.clone();
        }
        let (_gateway, client) = start(integration).await;
        let answer = ask(&client, Some("text/plain"), body).await;
        assert_eq!(
            answer.status, status,
            "{passthrough:?} {has_template} {body}"
        );
        match status {
            415 => assert_eq!(answer.text(), r#"{"message":"Unsupported Media Type"}"#),
            500 => assert_eq!(answer.text(), r#"{"message":"Internal server error"}"#),
            _ => {}
        }
    }
}

#[tokio::test]
async fn only_a_body_that_is_read_has_to_be_as_short_as_a_template() {
    let (gateway, client) = start(json!({
        "request_templates": {"application/json": "{\"statusCode\": 200}"},
        "responses": default(201),
    }))
    .await;
    let long = " ".repeat(300 * 1024 + 1);
    assert_eq!(ask(&client, None, &long).await.status, 201);
    let answer = ask(&client, Some("text/plain"), &long).await;
    assert_eq!(answer.status, 413);
    let message = "HTTP content length exceeded 307200 bytes.";
    assert_eq!(answer.text(), message);
    gateway.reason("body_too_large").await;
}

#[tokio::test]
async fn a_document_that_is_no_text_is_told_so() {
    // Lists of binary types keep it from being made text.
    let setup = Setup::new()
        .set(&["apis", "main", "type"], json!("rest"))
        .set(&["apis", "main", "binary_media_types"], json!(["*/*"]))
        .set(&["apis", "main", "stages"], json!({"prod": {}}))
        .set(
            &["apis", "main", "routes", "POST /mock"],
            json!({"authorizer": "none", "integration": {
                "type": "mock",
                "responses": default(200),
            }}),
        );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let asked = request(Method::POST, "/prod/mock", whole(&b"{\"a\": \"\xff\"}"[..]));
    assert_eq!(client.send(asked).await.status, 500);
    let record = gateway.reason("integration_template").await;
    let detail = record["detail"].as_str().unwrap();
    assert!(detail.contains("utf-8"), "{detail}");
}

#[tokio::test]
async fn an_answer_without_content_has_no_body() {
    let (_gateway, client) = start(json!({
        "request_templates": {"application/json": "{\"statusCode\": 200}"},
        "responses": {"default": {"status": 204, "templates": {"application/json": "{}"}}},
    }))
    .await;
    for _ in 0..2 {
        let answer = ask(&client, None, "").await;
        assert_eq!(answer.status, 204);
        assert!(answer.body.is_empty());
        assert!(!answer.headers.contains_key("content-length"));
    }
}

#[tokio::test]
async fn a_status_that_no_response_is_for_is_a_broken_configuration() {
    let (gateway, client) = start(json!({
        "request_templates": {"application/json": "{\"statusCode\": 200}"},
        "responses": {"5.*": {"status": 500}},
    }))
    .await;
    let answer = ask(&client, None, "").await;
    assert_eq!(answer.status, 500);
    assert_eq!(
        answer.header("x-amzn-errortype"),
        "InternalServerErrorException"
    );
    let record = gateway.reason("integration_response").await;
    let detail = record["detail"].as_str().unwrap();
    assert!(detail.contains("`200`"), "{detail}");
}
