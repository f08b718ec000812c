//! REST APIs check requests before their integrations get them.

use gateway_tests::client::{Answer, Client, get, request, whole, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use http::Method;
use serde_json::{Value, json};

const PATH: &str = "/prod/pets/7";

async fn start(upstream: &Upstream, route: Value) -> (Gateway, Client) {
    let setup = Setup::forwarding(upstream.address)
        .set(&["apis", "main", "type"], json!("rest"))
        .set(&["apis", "main", "stages"], json!({"prod": {}}))
        .set(&["apis", "main", "routes"], json!({}))
        .set(
            &["apis", "main", "models"],
            json!({
                "Pet": {
                    "$schema": "http://json-schema.org/draft-04/schema#",
                    "type": "object",
                    "required": ["name"],
                    "properties": {
                        "name": {"type": "string", "pattern": "^[a-z]+$"},
                        "age": {"type": "integer", "minimum": -1},
                        "owner": {"$ref": "#/definitions/Owner"},
                        "gone": {"enum": [null, false]},
                    },
                },
                "Owner": {"type": "object", "required": ["id"]},
            }),
        )
        .set(
            &["apis", "main", "gateway_responses"],
            json!({"BAD_REQUEST_BODY": {"templates": {"application/json":
                "{\"message\":$context.error.messageString,\
                  \"found\":\"$context.error.validationErrorString\"}"}}}),
        )
        .route("ANY /pets/{id}", route);
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    (gateway, client)
}

async fn post(client: &Client, media_type: Option<&str>, body: &str) -> Answer {
    let asked = request(Method::POST, PATH, whole(body.to_owned()));
    let headers: Vec<_> = media_type
        .map(|text| ("content-type", text))
        .into_iter()
        .collect();
    client.send(with(asked, &headers)).await
}

#[tokio::test]
async fn a_required_parameter_has_a_value() {
    let upstream = Upstream::echo().await;
    let (gateway, client) = start(
        &upstream,
        json!({
            "parameters": {
                "querystring.q": "required",
                "querystring.other": "optional",
                "header.X-Id": "required",
                "path.id": "required",
            },
            "validate": {"parameters": true},
        }),
    )
    .await;
    let good = client
        .get_with(&format!("{PATH}?q=1"), &[("x-id", "a")])
        .await;
    assert_eq!(good.status, 200, "{}", good.text());
    let answer = client
        .get_with(&format!("{PATH}?q=%20"), &[("x-id", " ")])
        .await;
    assert_eq!(answer.status, 400);
    let expected = r#"{"message":"Missing required request parameters: [X-Id, q]"}"#;
    assert_eq!(answer.text(), expected);
    assert_eq!(answer.header("x-amzn-errortype"), "BadRequestException");
    let record = gateway.reason("parameter_missing").await;
    assert_eq!(record["detail"], "X-Id, q");
    assert_eq!(upstream.seen().requests, 1);
}

#[tokio::test]
async fn a_body_is_what_its_model_says() {
    let upstream = Upstream::echo().await;
    let (gateway, client) = start(
        &upstream,
        json!({
            "models": {"application/json": "Pet", "text/json": "Owner"},
            "validate": {"body": true},
        }),
    )
    .await;
    let good = r#"{"name": "rex", "age": -1, "owner": {"id": 1}, "gone": null}"#;
    let answer = post(&client, Some("application/json; charset=utf-8"), good).await;
    assert_eq!((answer.status, &answer.json()["body"]), (200, &json!(good)));
    assert_eq!(
        post(&client, Some("text/json"), r#"{"id": 1}"#)
            .await
            .status,
        200
    );
    // A media type without a model is not checked.
    assert_eq!(
        post(&client, Some("text/plain"), "anything").await.status,
        200
    );
    let missing = r#"[object has missing required properties (["name"])]"#;
    for (media_type, body, found) in [
        (None, "", Some(missing)),
        (None, "{}", Some(missing)),
        (Some("application/json"), "{}", Some(missing)),
        (Some("application/json"), "{\"name\": \"rex\"", None),
        (
            Some("application/json"),
            r#"{"name": "rex", "age": -2}"#,
            None,
        ),
        (
            Some("application/json"),
            r#"{"name": "rex", "owner": {}}"#,
            None,
        ),
        (
            Some("application/json"),
            r#"{"name": "rex", "gone": true}"#,
            None,
        ),
        (Some("text/json"), "[]", None),
    ] {
        let answer = post(&client, media_type, body).await;
        assert_eq!(answer.status, 400, "{media_type:?} {body}");
        assert_eq!(answer.header("x-amzn-errortype"), "BadRequestException");
        let text = answer.text();
        assert!(
            text.starts_with(r#"{"message":"Invalid request body""#),
            "{text}"
        );
        if let Some(found) = found {
            assert!(text.contains(found), "{text}");
        }
    }
    let record = gateway.reason("body_invalid").await;
    assert_eq!(record["detail"], json!(null));
    assert_eq!(upstream.seen().requests, 3);
}

#[tokio::test]
async fn parameters_come_before_the_body_and_throttles_before_both() {
    let upstream = Upstream::echo().await;
    let (gateway, client) = start(
        &upstream,
        json!({
            "parameters": {"header.X-Id": "required"},
            "models": {"$default": "Owner"},
            "validate": {"parameters": true, "body": true},
            "throttle": {"rate": 0.001, "burst": 2},
        }),
    )
    .await;
    let answer = post(&client, Some("text/plain"), "no JSON").await;
    assert!(
        answer.text().contains("Missing required"),
        "{}",
        answer.text()
    );
    let asked = with(get(PATH), &[("x-id", "1"), ("content-type", "text/plain")]);
    let answer = client.send(asked).await;
    assert!(
        answer.text().contains("Invalid request body"),
        "{}",
        answer.text()
    );
    assert_eq!(post(&client, None, "").await.status, 429);
    assert_eq!(gateway.reason("route_throttled").await["status"], 429);
    assert_eq!(upstream.seen().requests, 0);
}

#[tokio::test]
async fn what_is_declared_and_not_checked_passes() {
    let upstream = Upstream::echo().await;
    let (_gateway, client) = start(
        &upstream,
        json!({
            "parameters": {"header.X-Id": "required"},
            "models": {"$default": "Owner"},
        }),
    )
    .await;
    assert_eq!(post(&client, None, "anything").await.status, 200);
}
