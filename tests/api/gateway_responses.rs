//! A REST API words what it refuses as its definition says.

use gateway_tests::client::{Client, get, request, whole, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use http::Method;
use serde_json::{Value, json};

async fn start(upstream: &Upstream, responses: Value) -> (Gateway, Client) {
    let setup = Setup::forwarding(upstream.address)
        .set(&["apis", "main", "type"], json!("rest"))
        .set(&["apis", "main", "id"], json!("abc123"))
        .set(
            &["apis", "main", "stages"],
            json!({"prod": {"variables": {"who": "stage"}}}),
        )
        .set(&["apis", "main", "routes"], json!({}))
        .set(&["apis", "main", "gateway_responses"], responses)
        .route(
            "GET /pets/{id}",
            json!({"throttle": {"rate": 0.001, "burst": 1}}),
        )
        .route(
            "POST /mapped",
            json!({"integration": {"request_parameters": {
                "integration.request.header.X-Name": "method.request.body.name",
            }}}),
        );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    (gateway, client)
}

#[tokio::test]
async fn a_type_has_its_own_status_headers_and_body() {
    let upstream = Upstream::echo().await;
    let template = "{\"error\":$context.error.messageString,\
                    \"type\":\"$context.error.responseType\",\
                    \"id\":\"$context.requestId\",\"api\":\"$context.apiId\",\
                    \"who\":\"$stageVariables.who\",\"pet\":\"$method.request.path.id\",\
                    \"q\":\"$method.request.querystring.q\",\"path\":\"$context.path\",\
                    \"method\":\"$context.httpMethod\",\"resource\":\"$context.resourcePath\",\
                    \"text\":\"$input.body #set\"}";
    let (_gateway, client) = start(
        &upstream,
        json!({"THROTTLED": {
            "status": 503,
            "parameters": {
                "gatewayresponse.header.X-Static": "'fixed'",
                "gatewayresponse.header.X-Own": "method.request.header.X-Client",
                "gatewayresponse.header.X-Pet": "method.request.path.id",
                "gatewayresponse.header.X-None": "method.request.header.none",
                "gatewayresponse.querystring.x": "'nothing'",
            },
            "templates": {"application/xml": "<x/>", "application/json": template},
        }}),
    )
    .await;
    let path = "/prod/pets/7?q=a%20b";
    let headers = [
        ("x-client", "mine"),
        ("accept", "application/json, text/html"),
    ];
    assert_eq!(client.send(with(get(path), &headers)).await.status, 200);
    let answer = client.send(with(get(path), &headers)).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(
        answer.header("x-amzn-errortype"),
        "TooManyRequestsException"
    );
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(answer.header("x-static"), "fixed");
    assert_eq!(answer.header("x-own"), "mine");
    assert_eq!(answer.header("x-pet"), "7");
    assert!(!answer.headers.contains_key("x-none"));
    let id = answer.header("x-amzn-requestid");
    let expected = json!({
        "error": "Too Many Requests", "type": "THROTTLED", "id": id, "api": "abc123",
        "who": "stage", "pet": "7", "q": "a b", "path": "/prod/pets/7", "method": "GET",
        "resource": "/pets/{id}", "text": "$input.body #set",
    });
    assert_eq!(answer.json(), expected);
    // What the client accepts chooses the template.
    let answer = client
        .send(with(get(path), &[("accept", "application/xml")]))
        .await;
    assert_eq!((answer.status, answer.text().as_str()), (503, "<x/>"));
    assert_eq!(answer.header("content-type"), "application/xml");
    // A type without an entry is as documented.
    assert_eq!(client.get("/prod/none").await.status, 403);
}

#[tokio::test]
async fn a_class_stands_for_its_types() {
    let upstream = Upstream::echo().await;
    let (_gateway, client) = start(
        &upstream,
        json!({
            "DEFAULT_4XX": {"status": 418, "parameters": {
                "gatewayresponse.header.Access-Control-Allow-Origin": "'*'",
            }},
            "MISSING_AUTHENTICATION_TOKEN": {"status": 404},
        }),
    )
    .await;
    assert_eq!(client.get("/prod/pets/7").await.status, 200);
    let answer = client.get("/prod/pets/7").await;
    assert_eq!(answer.status, 418);
    assert_eq!(answer.text(), r#"{"message":"Too Many Requests"}"#);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    let answer = client.get("/prod/none").await;
    assert_eq!(answer.status, 404);
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
    // Before the stage is known there is nothing to customize.
    let answer = client.get("/none").await;
    assert_eq!(answer.status, 403);
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn what_has_no_type_is_told_as_its_class() {
    let upstream = Upstream::echo().await;
    let template = "$context.error.responseType|$context.error.message|\
                    $context.error.messageString|$context.extendedRequestId";
    let responses = json!({"DEFAULT_4XX": {"templates": {"text/plain": template}}});
    let (_gateway, client) = start(&upstream, responses).await;
    for (method, path, headers, status, text) in [
        (
            Method::POST,
            "/prod/mapped",
            &[][..],
            400,
            "DEFAULT_4XX|Invalid JSON in request body|\"Invalid JSON in request body\"|",
        ),
        (
            Method::GET,
            "/prod/none",
            &[],
            403,
            "MISSING_AUTHENTICATION_TOKEN|Missing Authentication Token|\
             \"Missing Authentication Token\"|",
        ),
        (
            Method::GET,
            "/prod/none",
            &[("authorization", "Bearer abc")],
            403,
            "DEFAULT_4XX|Invalid key=value",
        ),
    ] {
        let asked = with(request(method, path, whole("{")), headers);
        let answer = client.send(asked).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.text().starts_with(text), "{path}: {}", answer.text());
        let id = answer.header("x-amz-apigw-id");
        assert!(answer.text().ends_with(&format!("|{id}")), "{path}");
    }
    // A path that cannot be read is refused before there is a stage to say how.
    let answer = client.get("/prod/pets/..").await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.text(), r#"{"message":"Bad Request"}"#);
}

#[tokio::test]
async fn every_error_has_the_documented_headers() {
    let upstream = Upstream::echo().await;
    let setup = Setup::forwarding(upstream.address)
        .set(&["apis", "main", "type"], json!("rest"))
        .set(&["apis", "main", "stages"], json!({"prod": {}}))
        .set(&["apis", "main", "routes"], json!({}))
        .route("POST /small", json!({"body_max": "1B"}))
        .route("GET /pets", json!({}))
        .route("GET /few", json!({"throttle": {"rate": 0.001, "burst": 1}}));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    assert_eq!(client.get("/prod/few").await.status, 200);
    let trace = [(
        "x-amzn-trace-id",
        "Root=1-67891233-abcdef012345678912345678",
    )];
    for (method, path, status, kind) in [
        (Method::GET, "/none", 403, "ForbiddenException"),
        (
            Method::GET,
            "/prod/none",
            403,
            "MissingAuthenticationTokenException",
        ),
        (Method::GET, "/prod/few", 429, "TooManyRequestsException"),
        (Method::GET, "/prod/a%zz", 400, "BadRequestException"),
        (Method::POST, "/prod/small", 413, ""),
    ] {
        let asked = with(request(method, path, whole("xx")), &trace);
        let answer = client.send(asked).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.header("x-amzn-errortype"), kind, "{path}");
        assert_eq!(answer.header("x-amzn-requestid").len(), 36, "{path}");
        assert_eq!(answer.header("x-amz-apigw-id").len(), 16, "{path}");
        let length = answer.body.len().to_string();
        assert_eq!(answer.header("content-length"), length, "{path}");
        assert!(!answer.headers.contains_key("x-amzn-trace-id"), "{path}");
        assert!(!answer.headers.contains_key("apigw-requestid"), "{path}");
    }
    // A proxy's answer has its trace no more than an error, and no type of an error.
    let answer = client.send(with(get("/prod/pets"), &trace)).await;
    assert_eq!(answer.status, 200);
    for name in ["x-amzn-trace-id", "x-amzn-errortype"] {
        assert!(!answer.headers.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn a_change_is_in_force_with_the_reload() {
    let upstream = Upstream::echo().await;
    let changed = json!({"MISSING_AUTHENTICATION_TOKEN": {"status": 404}});
    let (mut gateway, client) = start(&upstream, changed).await;
    assert_eq!(client.get("/prod/none").await.status, 404);
    let path = ["apis", "main", "gateway_responses"];
    gateway.setup().change(
        &path,
        json!({"MISSING_AUTHENTICATION_TOKEN": {"status": 410}}),
    );
    assert_eq!(client.get("/prod/none").await.status, 404);
    assert_eq!(gateway.reload().await["answer"], "done");
    assert_eq!(client.get("/prod/none").await.status, 410);
    gateway.setup().remove(&path);
    assert_eq!(gateway.reload().await["answer"], "done");
    assert_eq!(client.get("/prod/none").await.status, 403);
}

#[tokio::test]
async fn a_name_that_is_no_uuid_is_told_as_replaced() {
    let upstream = Upstream::echo().await;
    let (_gateway, client) = start(
        &upstream,
        json!({"DEFAULT_4XX": {"templates": {"text/plain": "$context.requestId"}}}),
    )
    .await;
    let sent = [("x-amzn-requestid", "mine")];
    let answer = client.send(with(get("/prod/none"), &sent)).await;
    assert_eq!(answer.text(), "UUID_REPLACED_INVALID_REQUEST_ID");
    let answer = client.get("/prod/none").await;
    assert_eq!(answer.text(), answer.header("x-amzn-requestid"));
}
