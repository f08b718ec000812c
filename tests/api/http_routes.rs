//! HTTP APIs choose among their routes as documented, and answer errors in fixed words.

use gateway_tests::client::{Client, nothing, request, whole, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::{self, Key, claims};
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use http::Method;
use serde_json::{Value, json};

/// An HTTP API whose routes tell which one they are.
async fn start(upstream: &Upstream, stages: Value, routes: &[&str]) -> (Gateway, Client) {
    let mut setup = Setup::forwarding(upstream.address)
        .set(&["apis", "main", "stages"], stages)
        .set(&["apis", "main", "routes"], json!({}));
    for key in routes {
        let integration = json!({"request_parameters": {
            "overwrite:header.X-Route": "$context.routeKey",
            "overwrite:header.X-Rest": "$request.path.proxy",
            "overwrite:header.X-Id": "$request.path.id",
        }});
        setup = setup.route(key, json!({"integration": integration}));
    }
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    (gateway, client)
}

#[tokio::test]
async fn the_documented_routes_answer_what_they_should() {
    let upstream = Upstream::echo().await;
    let (_gateway, client) = start(
        &upstream,
        json!({"$default": {}}),
        &[
            "GET /pets/dog/1",
            "GET /pets/dog/{id}",
            "GET /pets/{proxy+}",
            "ANY /{proxy+}",
            "$default",
            "PUT /any",
            "ANY /any",
        ],
    )
    .await;
    for (method, path, route, id, rest) in [
        (Method::GET, "/pets/dog/1", "GET /pets/dog/1", None, None),
        (
            Method::GET,
            "/pets/dog/2",
            "GET /pets/dog/{id}",
            Some("2"),
            None,
        ),
        (
            Method::GET,
            "/pets/cat/1",
            "GET /pets/{proxy+}",
            None,
            Some("cat/1"),
        ),
        (
            Method::POST,
            "/test/5",
            "ANY /{proxy+}",
            None,
            Some("test/5"),
        ),
        (Method::GET, "/", "$default", None, None),
        // Whole paths go before greedy ones, and a method before `ANY`.
        (
            Method::POST,
            "/pets/dog/1",
            "ANY /{proxy+}",
            None,
            Some("pets/dog/1"),
        ),
        (Method::PUT, "/any", "PUT /any", None, None),
        (Method::POST, "/any", "ANY /any", None, None),
        (Method::HEAD, "/any", "ANY /any", None, None),
    ] {
        let is_head = method == Method::HEAD;
        let answer = client.send(request(method.clone(), path, nothing())).await;
        assert_eq!(answer.status, 200, "{method} {path}");
        if is_head {
            continue;
        }
        let headers = &answer.json()["headers"];
        assert_eq!(headers["x-route"], route, "{method} {path}");
        assert_eq!(headers["x-id"], json!(id), "{method} {path}");
        assert_eq!(headers["x-rest"], json!(rest), "{method} {path}");
    }
}

#[tokio::test]
async fn a_stage_is_left_out_of_the_path_only_where_it_is_the_default() {
    let upstream = Upstream::echo().await;
    let routes = ["GET /pets", "GET /beta"];
    let stages = json!({"$default": {}, "beta": {}});
    let (gateway, client) = start(&upstream, stages, &routes).await;
    for (path, stage, status) in [
        ("/pets", "$default", 200),
        ("/beta/pets", "beta", 200),
        // The name of a stage goes before a route of the default one.
        ("/beta", "beta", 404),
        ("/beta/beta", "beta", 200),
        ("/alpha/pets", "$default", 404),
    ] {
        assert_eq!(client.get(path).await.status, status, "{path}");
        assert_eq!(gateway.path(path).await["stage"], stage, "{path}");
    }
    let (gateway, client) = start(&upstream, json!({"beta": {}}), &routes).await;
    assert_eq!(client.get("/beta/pets").await.status, 200);
    for path in ["/pets", "/", "/alpha/pets"] {
        let answer = client.get(path).await;
        assert_eq!((answer.status, answer.text().as_str()), (404, NOT_FOUND));
        assert_eq!(gateway.path(path).await["reason"], "stage_not_found");
    }
    // A REST API has no default: its stage is always there.
    let setup = Setup::forwarding(upstream.address)
        .set(&["apis", "main", "type"], json!("rest"))
        .set(&["apis", "main", "stages"], json!({"prod": {}}))
        .set(&["apis", "main", "routes"], json!({}))
        .route("GET /pets", json!({}));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    assert_eq!(client.get("/prod/pets").await.status, 200);
    assert_eq!(client.get("/pets").await.status, 403);
}

const NOT_FOUND: &str = r#"{"message":"Not Found"}"#;

#[tokio::test]
async fn what_no_route_is_for_is_not_found() {
    let upstream = Upstream::echo().await;
    let (_gateway, client) = start(&upstream, json!({"$default": {}}), &["GET /pets"]).await;
    for (method, path) in [
        (Method::GET, "/"),
        (Method::GET, "/dogs"),
        (Method::POST, "/pets"),
        (Method::HEAD, "/pets"),
        (Method::GET, "/pets/7"),
    ] {
        let is_head = method == Method::HEAD;
        let answer = client.send(request(method.clone(), path, nothing())).await;
        assert_eq!(answer.status, 404, "{method} {path}");
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("content-length"), "23");
        let id = answer.header("apigw-requestid");
        assert!(id.len() == 16 && id.ends_with('='), "{id}");
        for name in ["x-amzn-errortype", "x-amzn-requestid", "x-amz-apigw-id"] {
            assert!(!answer.headers.contains_key(name), "{method} {path} {name}");
        }
        let body = if is_head { "" } else { NOT_FOUND };
        assert_eq!(answer.text(), body, "{method} {path}");
    }
    assert_eq!(upstream.seen().requests, 0);
}

#[tokio::test]
async fn paths_are_compared_decoded() {
    let upstream = Upstream::echo().await;
    let routes = ["GET /pets", "GET /pets/{id}", "GET /files/{proxy+}"];
    let (_gateway, client) = start(&upstream, json!({"$default": {}}), &routes).await;
    for (path, route, id) in [
        ("/p%65ts", "GET /pets", None),
        ("/pets/a%20b", "GET /pets/{id}", Some("a b")),
        // An encoded slash is a part of the value, and separates nothing.
        ("/pets/a%2Fb", "GET /pets/{id}", Some("a/b")),
        ("/files/a/", "GET /files/{proxy+}", None),
    ] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let headers = &answer.json()["headers"];
        assert_eq!(headers["x-route"], route, "{path}");
        assert_eq!(headers["x-id"], json!(id), "{path}");
        // The path that is forwarded is the one that came.
        assert_eq!(answer.json()["uri"], path);
    }
    for path in ["/pets%2F7", "/pets/", "/pets/7/", "/files/", "/PETS"] {
        assert_eq!(client.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn errors_are_told_in_fixed_words() {
    let upstream = Upstream::echo().await;
    let key = Key::ec("words");
    let setup = issuer::authorize(Setup::forwarding(upstream.address), &[&key])
        .set(&["apis", "main", "routes"], json!({}))
        .route(
            "GET /pets",
            json!({"authorizer": "main", "scopes": ["admin"]}),
        )
        .route("POST /pets", json!({"body_max": "1B"}))
        .route("GET /few", json!({"throttle": {"rate": 0.001, "burst": 1}}));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let bearer = format!("Bearer {}", key.token(&claims(Value::Null)));
    let token = ("authorization", bearer.as_str());
    assert_eq!(client.get("/few").await.status, 200);
    for (method, path, headers, status, message) in [
        (Method::GET, "/a/../b", &[][..], 400, "Bad Request"),
        (Method::GET, "/pets", &[], 401, "Unauthorized"),
        (Method::GET, "/pets", &[token], 403, "Forbidden"),
        (Method::GET, "/none", &[], 404, "Not Found"),
        (Method::GET, "/few", &[], 429, "Too Many Requests"),
        (Method::POST, "/pets", &[], 413, "Request Entity Too Large"),
    ] {
        let asked = with(request(method.clone(), path, whole("xx")), headers);
        let answer = client.send(asked).await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.text(), format!(r#"{{"message":"{message}"}}"#));
        assert!(answer.headers.contains_key("apigw-requestid"));
        assert!(!answer.headers.contains_key("x-amzn-errortype"));
    }
}
