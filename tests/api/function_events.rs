//! What functions that authorize callers are told, and what is told of what they return.

use gateway_tests::client::{Client, get, with};
use gateway_tests::function::{Function, allowing};
use gateway_tests::gateway::Gateway;
use gateway_tests::upstream::{Upstream, reply};
use serde_json::{Value, json};

use super::function_authorizers::{ask, setup};

const REST: &str = "arn:aws:execute-api:test-1:111122223333:rest1";
const HTTP: &str = "arn:aws:execute-api:test-1:111122223333:http1";

/// Takes from `event` what no two requests have in common, having looked at it.
fn settled(mut event: Value) -> Value {
    let context = event["requestContext"].as_object_mut().unwrap();
    for (name, least) in [
        ("requestId", 8),
        ("extendedRequestId", 8),
        ("time", 20),
        ("requestTime", 20),
    ] {
        if let Some(value) = context.remove(name) {
            assert!(value.as_str().unwrap().len() >= least, "{name}: {value}");
        }
    }
    for name in ["timeEpoch", "requestTimeEpoch"] {
        if let Some(value) = context.remove(name) {
            assert!(
                value.as_u64().unwrap() > 1_700_000_000_000,
                "{name}: {value}"
            );
        }
    }
    event
}

#[tokio::test]
async fn a_token_is_told_with_its_method() {
    let upstream = Upstream::echo().await;
    let function = Function::start(|_| allowing("*")).await;
    let gateway = Gateway::start(setup(&upstream, &function)).await;
    let client = Client::http1(gateway.address().await).await;
    for (path, end) in [
        ("/prod/a", "prod/GET/a"),
        ("/beta/pets/7?x=1", "beta/GET/pets/7"),
        ("/prod//pets/%37/", "prod/GET/pets/7"),
    ] {
        let answer = ask(&client, "rest.test", path, "Bearer abc").await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let expected = json!({
            "type": "TOKEN", "authorizationToken": "Bearer abc", "methodArn": format!("{REST}/{end}"),
        });
        assert_eq!(function.last(), expected, "{path}");
    }
}

#[tokio::test]
async fn a_rest_api_tells_of_a_request() {
    let upstream = Upstream::echo().await;
    let function = Function::start(|_| allowing("*")).await;
    let asked = json!({
        "type": "function", "function": {"url": function.url()}, "result_ttl": "0s",
        "identity_sources": ["$request.header.X-Tenant", "$context.path", "$stageVariables.env"],
    });
    let setup = setup(&upstream, &function).set(&["authorizers", "rest"], asked);
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let headers = [
        ("host", "rest.test"),
        ("x-tenant", "t1"),
        ("x-two", "1"),
        ("x-two", "2"),
        ("user-agent", "curl/8"),
    ];
    let answer = client
        .send(with(get("/beta/pets/a%20b?q=1&q=%32&e"), &headers))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let mut event = settled(function.last());
    let id = event["requestContext"]["resourceId"].take();
    assert!(id.as_str().is_some_and(|id| !id.is_empty()), "{id}");
    let expected = json!({
        "type": "REQUEST", "methodArn": format!("{REST}/beta/GET/pets/a b"),
        "resource": "/pets/{id}", "path": "/pets/a%20b", "httpMethod": "GET",
        "headers": {"Host": "rest.test", "X-Tenant": "t1", "X-Two": "2", "User-Agent": "curl/8"},
        "multiValueHeaders": {
            "Host": ["rest.test"], "X-Tenant": ["t1"], "X-Two": ["1", "2"], "User-Agent": ["curl/8"],
        },
        "queryStringParameters": {"q": "2", "e": ""},
        "multiValueQueryStringParameters": {"q": ["1", "2"], "e": [""]},
        "pathParameters": {"id": "a b"}, "stageVariables": {"env": "beta"},
        "requestContext": {
            "resourceId": null, "resourcePath": "/pets/{id}", "httpMethod": "GET",
            "path": "/beta/pets/a%20b", "accountId": "111122223333", "protocol": "HTTP/1.1", "stage": "beta",
            "domainName": "rest.test", "domainPrefix": "rest", "apiId": "rest1",
            "identity": {"sourceIp": "127.0.0.1", "userAgent": "curl/8", "apiKey": null, "clientCert": null},
        },
    });
    assert_eq!(event, expected);
    // The stage `prod` has no such variable.
    let answer = client.send(with(get("/prod/pets/7"), &headers)).await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn an_http_api_tells_of_a_request_in_format_2() {
    let upstream = Upstream::echo().await;
    let function = Function::start(|_| allowing("*")).await;
    let sources = json!(["$request.header.Authorization", "$request.header.X-Tenant"]);
    let setup =
        setup(&upstream, &function).set(&["authorizers", "http", "identity_sources"], sources);
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let headers = [
        ("host", "http.test"),
        ("authorization", "Bearer abc"),
        ("x-tenant", "t1"),
        ("cookie", "s=1; t=2"),
        ("x-two", "1"),
        ("x-two", "2"),
    ];
    let answer = client
        .send(with(get("/prod/files/a/b?a=1&a=%32"), &headers))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let expected = json!({
        "version": "2.0", "type": "REQUEST", "routeArn": format!("{HTTP}/prod/GET/files/a/b"),
        "identitySource": ["Bearer abc", "t1"], "routeKey": "GET /files/{path+}",
        "rawPath": "/prod/files/a/b", "rawQueryString": "a=1&a=%32", "cookies": ["s=1", "t=2"],
        "headers": {"host": "http.test", "authorization": "Bearer abc", "x-tenant": "t1", "x-two": "1,2"},
        "queryStringParameters": {"a": "1,2"}, "pathParameters": {"path": "a/b"},
        "stageVariables": {"env": "prod"},
        "requestContext": {
            "accountId": "111122223333", "apiId": "http1", "authentication": null,
            "domainName": "http.test", "domainPrefix": "http", "routeKey": "GET /files/{path+}",
            "stage": "prod",
            "http": {
                "method": "GET", "path": "/prod/files/a/b", "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1", "userAgent": null,
            },
        },
    });
    assert_eq!(settled(function.last()), expected);
    let short = [
        ("host", "http.test"),
        ("authorization", "Bearer abc"),
        ("x-tenant", "t1"),
    ];
    let answer = client.send(with(get("/a"), &short)).await;
    assert_eq!(answer.status, 200);
    let event = function.last();
    for absent in [
        "cookies",
        "queryStringParameters",
        "pathParameters",
        "stageVariables",
    ] {
        assert!(event.get(absent).is_none(), "{absent}");
    }
    assert_eq!(event["requestContext"]["stage"], "$default");
    assert_eq!(event["routeArn"], format!("{HTTP}/$default/GET/a"));
}

#[tokio::test]
async fn an_http_api_tells_of_a_request_in_format_1() {
    let upstream = Upstream::echo().await;
    let function = Function::start(|_| allowing("*")).await;
    let sources = json!(["$request.header.Authorization", "$request.header.X-Tenant"]);
    let setup = setup(&upstream, &function)
        .set(&["authorizers", "http", "identity_sources"], sources)
        .set(&["authorizers", "http", "payload_format"], json!("1.0"));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let short = [
        ("host", "http.test"),
        ("authorization", "Bearer abc"),
        ("x-tenant", "t1"),
    ];
    let answer = client.send(with(get("/prod/files/a/b?a=1"), &short)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let event = function.last();
    for (name, expected) in [
        ("version", json!("1.0")),
        ("type", json!("REQUEST")),
        ("methodArn", json!(format!("{HTTP}/prod/GET/files/a/b"))),
        ("identitySource", json!("Bearer abc,t1")),
        ("authorizationToken", json!("Bearer abc,t1")),
        ("resource", json!("/files/{path+}")),
        (
            "headers",
            json!({"Host": "http.test", "Authorization": "Bearer abc", "X-Tenant": "t1"}),
        ),
        ("multiValueQueryStringParameters", json!({"a": ["1"]})),
        ("pathParameters", json!({"path": "a/b"})),
    ] {
        assert_eq!(event[name], expected, "{name}");
    }
}

/// What a function returned, and how it was called, for access logs and gateway responses.
#[tokio::test]
async fn what_a_function_returns_is_told_to_logs_and_clients() {
    let upstream = Upstream::echo().await;
    let function = Function::start(|event| {
        let mut answer = match event["authorizationToken"].as_str() {
            Some("broken") => reply(500, "{}"),
            Some("elsewhere") => allowing("arn:aws:execute-api:*:*:other/*"),
            _ => allowing("*"),
        };
        let headers = answer.headers_mut();
        headers.insert("x-amzn-requestid", "call-7".parse().unwrap());
        answer
    });
    let function = function.await;
    let names = [
        "principalId",
        "tenant",
        "level",
        "beta",
        "none",
        "claims",
        "integrationStatus",
        "requestId",
        "status",
    ];
    let variables = names.map(|name| format!(r#""{name}":"$context.authorizer.{name}""#));
    let format = format!(
        r#"{{{},"id":"$context.requestId","latency":"$context.authorizer.integrationLatency"}}"#,
        variables.join(",")
    );
    let template =
        r#"{"who": "$context.authorizer.principalId", "tenant": "$context.authorizer.tenant"}"#;
    let failed =
        r#"{"message": $context.error.messageString, "type": "$context.error.responseType"}"#;
    let responses = json!({
        "ACCESS_DENIED": {"templates": {"application/json": template}},
        "AUTHORIZER_FAILURE": {"templates": {"application/json": failed}},
    });
    let setup = setup(&upstream, &function)
        .set(
            &["apis", "rest", "stages", "prod", "access_log"],
            json!({"format": format}),
        )
        .set(&["apis", "rest", "gateway_responses"], responses);
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let answer = ask(&client, "rest.test", "/prod/a", "good").await;
    assert_eq!(answer.status, 200);
    let of_status = |status: &'static str| move |record: &Value| record["status"] == status;
    let mut line = gateway.record("who was let in", of_status("200")).await;
    assert!(line["id"].take().is_string());
    line["latency"]
        .take()
        .as_str()
        .unwrap()
        .parse::<u64>()
        .unwrap();
    let expected = json!({
        "principalId": "user-7", "tenant": "t1", "level": "3", "beta": "true", "none": "-", "claims": "-",
        "integrationStatus": "200", "requestId": "call-7", "status": "200", "latency": null, "id": null,
    });
    assert_eq!(line, expected);
    let answer = ask(&client, "rest.test", "/prod/a", "elsewhere").await;
    assert_eq!(
        (answer.status, answer.json()),
        (403, json!({"who": "user-7", "tenant": "t1"}))
    );
    let answer = ask(&client, "rest.test", "/prod/a", "broken").await;
    let said = json!({"message": null, "type": "AUTHORIZER_FAILURE"});
    assert_eq!((answer.status, answer.json()), (500, said));
    let line = gateway
        .record("whose function failed", of_status("500"))
        .await;
    assert_eq!(
        (&line["integrationStatus"], &line["principalId"]),
        (&json!("500"), &json!("-"))
    );
    let said: String = gateway.records().iter().map(Value::to_string).collect();
    assert!(!said.contains("secret-api-key"), "{said}");
}
