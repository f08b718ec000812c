//! REST APIs answer as those of Amazon API Gateway do.

use gateway_tests::client::{Client, get, pieces, request, whole, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::{Upstream, reply};
use http::Method;
use serde_json::json;

async fn start(upstream: &Upstream, change: impl FnOnce(Setup) -> Setup) -> (Gateway, Client) {
    let setup = Setup::forwarding(upstream.address)
        .set(&["apis", "main", "type"], json!("rest"))
        .set(&["apis", "main", "stages"], json!({"prod": {}}))
        .set(&["apis", "main", "routes"], json!({}))
        .route("GET /pets", json!({}))
        .route("GET /pets/{id}", json!({}))
        .route("ANY /files/{proxy+}", json!({"body_max": "16B"}));
    let gateway = Gateway::start(change(setup)).await;
    let client = Client::http1(gateway.address().await).await;
    (gateway, client)
}

#[tokio::test]
async fn the_path_decides_before_the_method_and_slashes_at_the_ends_are_nothing() {
    let upstream = Upstream::echo().await;
    let (_gateway, client) = start(&upstream, |setup| setup).await;
    for (path, seen) in [
        ("/prod/pets", "/pets"),
        ("/prod/pets/", "/pets"),
        ("//prod/pets", "/pets"),
        ("/prod//pets?x", "/pets?x"),
        ("/prod/pets/7", "/pets/7"),
        ("/prod/files/a//b", "/files/a//b"),
    ] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(answer.json()["uri"], seen, "{path}");
    }
    for (method, path) in [
        (Method::POST, "/prod/pets/7"),
        (Method::HEAD, "/prod/pets"),
        (Method::GET, "/prod/files"),
        (Method::GET, "/prod/files/"),
        (Method::GET, "/prod"),
        (Method::GET, "/prod/PETS"),
        (Method::from_bytes(b"PROPFIND").unwrap(), "/prod/files/x"),
    ] {
        let answer = client.send(request(method.clone(), path, whole(""))).await;
        assert_eq!(answer.status, 403, "{method} {path}");
        let kind = answer.header("x-amzn-errortype");
        assert_eq!(
            kind, "MissingAuthenticationTokenException",
            "{method} {path}"
        );
        if method != Method::HEAD {
            let expected = r#"{"message":"Missing Authentication Token"}"#;
            assert_eq!(answer.text(), expected, "{method} {path}");
            assert_eq!(answer.header("content-type"), "application/json");
        }
    }
}

#[tokio::test]
async fn a_stage_that_is_not_there_is_forbidden() {
    let upstream = Upstream::echo().await;
    let (gateway, client) = start(&upstream, |setup| setup).await;
    for path in ["/test/pets", "/", "/pets"] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, 403, "{path}");
        assert_eq!(answer.text(), r#"{"message":"Forbidden"}"#, "{path}");
        assert_eq!(answer.header("x-amzn-errortype"), "ForbiddenException");
        assert_eq!(gateway.path(path).await["reason"], "stage_not_found");
    }
}

#[tokio::test]
async fn requests_have_two_names_of_which_a_client_may_choose_one() {
    let upstream = Upstream::echo().await;
    let (gateway, client) = start(&upstream, |setup| setup).await;
    let chosen = "0f8fad5b-d9cb-469f-a165-70867728950e";
    for (sent, is_kept) in [
        (Some(chosen), true),
        (Some("0f8fad5bd9cb469fa16570867728950e"), false),
        (Some("0f8fad5b-d9cb-469f-a165-70867728950g"), false),
        (Some(""), false),
        (None, false),
    ] {
        let headers: Vec<_> = sent
            .map(|id| ("x-amzn-requestid", id))
            .into_iter()
            .collect();
        for path in ["/prod/pets", "/prod/none"] {
            let answer = client.send(with(get(path), &headers)).await;
            let id = answer.header("x-amzn-requestid").to_owned();
            assert_eq!(id == chosen, is_kept, "{sent:?}: {id}");
            assert_eq!(id.len(), 36, "{id}");
            let short = answer.header("x-amz-apigw-id").to_owned();
            assert!(short.len() == 16 && short.ends_with('='), "{short}");
            assert!(answer.headers.get("apigw-requestid").is_none());
            if path == "/prod/pets" {
                assert_eq!(answer.json()["headers"]["x-amzn-requestid"], id);
            }
            let record = gateway
                .record("the request by its name", |record| {
                    record["request_id"] == short
                })
                .await;
            assert_eq!(record["amzn_request_id"], id);
        }
    }
}

#[tokio::test]
async fn a_backend_is_told_the_api_and_less_of_what_the_client_said() {
    let upstream = Upstream::echo().await;
    let id = json!("abc123");
    let (_gateway, client) = start(&upstream, |setup| setup.set(&["apis", "main", "id"], id)).await;
    let sent = [
        ("content-md5", "x"),
        ("max-forwards", "1"),
        ("server", "x"),
        ("via", "1.1 somebody"),
        ("www-authenticate", "Basic"),
        ("pragma", "no-cache"),
        ("range", "bytes=0-1"),
        ("x-own", "1"),
    ];
    let seen = client.get_with("/prod/pets", &sent).await.json()["headers"].clone();
    for name in ["content-md5", "max-forwards", "server", "www-authenticate"] {
        assert_eq!(seen[name], json!(null), "{name}");
    }
    assert_eq!(seen["via"], "1.1 gateway");
    for name in ["pragma", "range", "x-own"] {
        let value = sent.iter().find(|(sent, _)| *sent == name).unwrap().1;
        assert_eq!(seen[name], value, "{name}");
    }
    assert_eq!(seen["accept"], "application/json");
    assert_eq!(seen["user-agent"], "AmazonAPIGateway_abc123");
    assert_eq!(seen["x-amzn-apigateway-api-id"], "abc123");
    let root = seen["x-amzn-trace-id"].as_str().unwrap();
    assert!(root.starts_with("Root=1-") && root.len() == 40, "{root}");

    // What a client says of its connection does not reach what the gateway adds.
    let connection = [(
        "connection",
        "x-amzn-apigateway-api-id, x-amzn-trace-id, user-agent, accept",
    )];
    let seen = client.get_with("/prod/pets", &connection).await.json()["headers"].clone();
    assert_eq!(seen["x-amzn-apigateway-api-id"], "abc123");
    assert_eq!(seen["user-agent"], "AmazonAPIGateway_abc123");
    assert_ne!(seen["x-amzn-trace-id"], json!(null));

    let own = [
        ("accept", "text/plain"),
        ("user-agent", "me"),
        (
            "x-amzn-trace-id",
            "Root=1-67891233-abcdef012345678912345678",
        ),
        ("x-amzn-apigateway-api-id", "forged"),
    ];
    let seen = client.get_with("/prod/pets", &own).await.json()["headers"].clone();
    assert_eq!(seen["accept"], "text/plain");
    assert_eq!(seen["user-agent"], "me");
    assert_eq!(seen["x-amzn-trace-id"], own[2].1);
    assert_eq!(seen["x-amzn-apigateway-api-id"], "abc123");
}

#[tokio::test]
async fn a_client_gets_headers_that_are_the_gateways_own_under_other_names() {
    let upstream = Upstream::http(|_request| async {
        let mut answer = reply(200, "hello");
        for (name, value) in [
            ("date", "Thu, 01 Jan 1970 00:00:00 GMT"),
            ("server", "backend/1"),
            ("www-authenticate", "Basic"),
            ("x-amzn-requestid", "theirs"),
            ("x-own", "1"),
            ("via", "1.1 backend"),
        ] {
            answer.headers_mut().insert(name, value.parse().unwrap());
        }
        answer
    })
    .await;
    let (_gateway, client) = start(&upstream, |setup| setup).await;
    let answer = client.get("/prod/pets").await;
    assert_eq!(answer.text(), "hello");
    assert_eq!(answer.header("x-own"), "1");
    for (name, value) in [
        ("date", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("server", "backend/1"),
        ("www-authenticate", "Basic"),
        ("x-amzn-requestid", "theirs"),
        ("content-length", "5"),
    ] {
        assert_eq!(
            answer.header(&format!("x-amzn-remapped-{name}")),
            value,
            "{name}"
        );
    }
    assert_eq!(answer.header("content-length"), "5");
    assert_eq!(answer.header("x-amzn-requestid").len(), 36);
    assert_ne!(answer.header("date"), "Thu, 01 Jan 1970 00:00:00 GMT");
    for name in ["server", "www-authenticate", "via"] {
        assert!(!answer.headers.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_in_plain_text() {
    let upstream = Upstream::echo().await;
    let (_gateway, client) = start(&upstream, |setup| setup).await;
    let path = "/prod/files/x";
    assert_eq!(client.post(path, whole(vec![b'x'; 16])).await.status, 200);
    let (sender, chunked) = pieces();
    sender.send(vec![b'x'; 17].into()).await.unwrap();
    drop(sender);
    for body in [whole(vec![b'x'; 17]), chunked] {
        let answer = client.post(path, body).await;
        assert_eq!(answer.status, 413);
        assert_eq!(answer.header("content-type"), "text/plain");
        assert_eq!(answer.text(), "HTTP content length exceeded 16 bytes.");
    }
}

#[tokio::test]
async fn what_a_backend_does_not_do_is_told_in_the_documented_words() {
    let upstream = Upstream::echo().await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let (_gateway, client) = start(&upstream, |setup| {
        let uri = json!({"integration": {"uri": format!("http://{address}/")}});
        setup.route("GET /none", uri).route(
            "GET /limited",
            json!({"throttle": {"rate": 0.001, "burst": 1}}),
        )
    })
    .await;
    let answer = client.get("/prod/none").await;
    assert_eq!(answer.status, 504);
    assert_eq!(
        answer.text(),
        r#"{"message":"Network error communicating with endpoint"}"#
    );
    assert_eq!(
        answer.header("x-amzn-errortype"),
        "InternalServerErrorException"
    );
    assert_eq!(client.get("/prod/limited").await.status, 200);
    let answer = client.get("/prod/limited").await;
    assert_eq!(answer.status, 429);
    assert_eq!(answer.text(), r#"{"message":"Too Many Requests"}"#);
    assert_eq!(
        answer.header("x-amzn-errortype"),
        "TooManyRequestsException"
    );
    assert!(answer.headers.contains_key("retry-after"));
}
