//! What becomes of requests whose authorizer asks a function: every outcome, in either type of API.

use gateway_tests::client::{Answer, Client};
use gateway_tests::function::{Function, allowing, returned, statement, thrown};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::{Reply, Upstream, reply};
use serde_json::{Value, json};
use tokio::net::TcpListener;

const ARN: &str = "arn:aws:execute-api:test-1:111122223333";

/// A REST API `rest.test` with the id `rest1` and an HTTP API `http.test` with the id `http1`, each with a
/// stage `prod` and routes that the authorizers `rest` and `http` guard.
pub(crate) fn setup(upstream: &Upstream, function: &Function) -> Setup {
    let guarded = |name: &str| json!({"authorizer": name, "integration": {"upstream": "main"}});
    let routes = |name: &str| {
        json!({
            "GET /a": guarded(name), "DELETE /b": guarded(name), "GET /pets/{id}": guarded(name),
            "GET /files/{path+}": guarded(name),
        })
    };
    let source = json!(["$request.header.Authorization"]);
    Setup::new()
        .upstream("main", upstream.address)
        .set(&["gateway"], json!({"account": "111122223333", "region": "test-1"}))
        .set(&["authorizers", "rest"], json!({
            "type": "function", "function": {"url": function.url()}, "event": "token", "result_ttl": "0s",
        }))
        .set(&["authorizers", "http"], json!({
            "type": "function", "function": {"url": function.url()}, "identity_sources": source,
            "result_ttl": "0s",
        }))
        .set(&["apis", "rest"], json!({
            "type": "rest", "id": "rest1", "hosts": ["rest.test"], "routes": routes("rest"),
            "stages": {"prod": {}, "beta": {"variables": {"env": "beta"}}},
        }))
        .set(&["apis", "http"], json!({
            "type": "http", "id": "http1", "hosts": ["http.test"], "routes": routes("http"),
            "stages": {"prod": {"variables": {"env": "prod"}}, "$default": {}},
        }))
}

pub(crate) async fn ask(client: &Client, host: &str, path: &str, token: &str) -> Answer {
    client
        .get_with(path, &[("host", host), ("authorization", token)])
        .await
}

/// Answers by the token: one for each outcome.
fn outcomes(event: &Value) -> Reply {
    let token = event["authorizationToken"].as_str();
    let token = token
        .or_else(|| event["identitySource"][0].as_str())
        .unwrap();
    let both = json!([
        statement("Allow", "*"),
        statement("Deny", &format!("{ARN}:*/prod/GET/*"))
    ]);
    match token {
        "allow" => allowing("*"),
        "deny" => reply(200, returned(&both).to_string()),
        "other" => allowing(&format!("{ARN}:*/prod/POST/*")),
        "unknown" => thrown("Unauthorized"),
        "thrown" => thrown("the token 'thrown' is none of ours"),
        "handled" => {
            let mut answer = reply(200, "null");
            let headers = answer.headers_mut();
            headers.insert("x-amz-function-error", "Unhandled".parse().unwrap());
            answer
        }
        "text" => reply(200, "allow"),
        "nothing" => reply(200, ""),
        "list" => reply(200, "[]"),
        "anonymous" => reply(
            200,
            json!({"policyDocument": {"Statement": []}}).to_string(),
        ),
        "lawless" => reply(200, json!({"principalId": "a"}).to_string()),
        "large" => reply(200, format!("\"{}\"", "x".repeat(200_000))),
        "forbidden" => reply(403, r#"{"Message": "not you"}"#),
        "broken" => reply(500, "{}"),
        "busy" => reply(429, "{}"),
        "moved" => reply(302, "{}"),
        other => panic!("no outcome {other}"),
    }
}

const NULL: &str = r#"{"message":null}"#;
const UNKNOWN: &str = r#"{"message":"Unauthorized"}"#;
const DENIED: &str = r#"{"Message":"User is not authorized to access this resource"}"#;
const EXPLICITLY: &str =
    r#"{"Message":"User is not authorized to access this resource with an explicit deny"}"#;
const FORBIDDEN: &str = "AccessDeniedException";
const CONFIGURATION: &str = "AuthorizerConfigurationException";
const FAILURE: &str = "AuthorizerFailureException";

/// Of each token the status, what a REST API says, the type of its error, and the reason.
const OUTCOMES: [(&str, u16, &str, &str, &str); 15] = [
    ("deny", 403, EXPLICITLY, FORBIDDEN, "caller_policy_denied"),
    ("other", 403, DENIED, FORBIDDEN, "caller_policy_denied"),
    (
        "unknown",
        401,
        UNKNOWN,
        "UnauthorizedException",
        "function_unauthorized",
    ),
    ("thrown", 500, NULL, CONFIGURATION, "function_error"),
    ("handled", 500, NULL, CONFIGURATION, "function_error"),
    ("text", 500, NULL, CONFIGURATION, "function_answer"),
    ("nothing", 500, NULL, CONFIGURATION, "function_answer"),
    ("list", 500, NULL, CONFIGURATION, "function_answer"),
    ("anonymous", 500, NULL, CONFIGURATION, "function_answer"),
    ("lawless", 500, NULL, CONFIGURATION, "function_answer"),
    ("large", 500, NULL, CONFIGURATION, "function_answer"),
    ("forbidden", 500, NULL, CONFIGURATION, "function_refused"),
    ("moved", 500, NULL, CONFIGURATION, "function_refused"),
    ("broken", 500, NULL, FAILURE, "function_unreachable"),
    ("busy", 500, NULL, FAILURE, "function_unreachable"),
];

#[tokio::test]
async fn every_outcome_has_its_answer() {
    let upstream = Upstream::echo().await;
    let function = Function::start(outcomes).await;
    let gateway = Gateway::start(setup(&upstream, &function)).await;
    let client = Client::http1(gateway.address().await).await;
    for (token, status, said, kind, reason) in OUTCOMES {
        let answer = ask(&client, "rest.test", "/prod/a", token).await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (status, said),
            "{token}"
        );
        assert_eq!(answer.header("x-amzn-errortype"), kind, "{token}");
        let of_http = match status {
            401 => r#"{"message":"Unauthorized"}"#,
            403 => r#"{"message":"Forbidden"}"#,
            _ => r#"{"message":"Internal Server Error"}"#,
        };
        let answer = ask(&client, "http.test", "/prod/a", token).await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (status, of_http),
            "{token}"
        );
        for host in ["rest.test", "http.test"] {
            let is_it = |record: &Value| record["reason"] == reason && record["host"] == host;
            let record = gateway.record(reason, is_it).await;
            // What a function says of a token stays between the two.
            assert!(!record.to_string().contains("none of ours"), "{record}");
        }
    }
    for host in ["rest.test", "http.test"] {
        let answer = ask(&client, host, "/prod/a", "allow").await;
        assert_eq!(answer.status, 200, "{host}: {}", answer.text());
        let is_it = |record: &Value| record["status"] == 200 && record["host"] == host;
        let record = gateway.record("who was let in", is_it).await;
        assert_eq!(record["subject"], "user-7");
    }
}

#[tokio::test]
async fn without_what_identifies_it_nobody_is_asked_about() {
    let upstream = Upstream::echo().await;
    let function = Function::start(|_| allowing("*")).await;
    let setup = setup(&upstream, &function)
        .set(
            &["authorizers", "rest", "identity_validation_expression"],
            json!("Bearer [a-z]+"),
        )
        .set(
            &["authorizers", "http", "identity_sources"],
            json!([
                "$request.header.Authorization",
                "$request.querystring.q",
                "$stageVariables.env",
            ]),
        );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let twice = [("authorization", "Bearer a"), ("authorization", "Bearer b")];
    for (host, path, headers, reason) in [
        ("rest.test", "/prod/a", &[][..], "token_missing"),
        (
            "rest.test",
            "/prod/a",
            &[("authorization", "")][..],
            "token_missing",
        ),
        ("rest.test", "/prod/a", &twice[..], "token_missing"),
        (
            "rest.test",
            "/prod/a",
            &[("authorization", "Bearer A")][..],
            "token_pattern",
        ),
        (
            "rest.test",
            "/prod/a",
            &[("authorization", "xBearer a")][..],
            "token_pattern",
        ),
        ("http.test", "/prod/a?q=1", &[][..], "token_missing"),
        ("http.test", "/prod/a", &twice[..1], "token_missing"),
        ("http.test", "/prod/a?q=", &twice[..1], "token_missing"),
        ("http.test", "/prod/a?Q=1", &twice[..1], "token_missing"),
        ("http.test", "/prod/a?q=1&q=2", &twice[..1], "token_missing"),
        // The stage has no such variable.
        ("http.test", "/a?q=1", &twice[..1], "token_missing"),
    ] {
        let headers = [&[("host", host)], headers].concat();
        let answer = client.get_with(path, &headers).await;
        assert_eq!(answer.status, 401, "{host}{path} {headers:?}");
        assert_eq!(answer.text(), r#"{"message":"Unauthorized"}"#);
        gateway.reason(reason).await;
    }
    assert_eq!(function.calls(), 0);
    let answer = ask(&client, "rest.test", "/prod/a", "Bearer a").await;
    assert_eq!(answer.status, 200);
    let answer = ask(&client, "http.test", "/prod/a?q=1", "Bearer a").await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        function.last()["identitySource"],
        json!(["Bearer a", "1", "prod"])
    );
}

#[tokio::test]
async fn a_function_that_is_late_or_not_there_lets_nobody_in() {
    let upstream = Upstream::echo().await;
    let silent = Upstream::http(|_| std::future::pending()).await;
    let function = Function::start(|_| allowing("*")).await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nowhere = closed.local_addr().unwrap();
    drop(closed);
    for (address, reason) in [
        (silent.address, "function_timeout"),
        (nowhere, "function_unreachable"),
    ] {
        let asked = json!({"url": format!("http://{address}/")});
        let setup = setup(&upstream, &function)
            .set(&["authorizers", "rest", "function"], asked.clone())
            .set(&["authorizers", "http", "function"], asked)
            .set(&["authorizers", "rest", "timeout"], json!("100ms"))
            .set(&["authorizers", "http", "timeout"], json!("100ms"));
        let gateway = Gateway::start(setup).await;
        let client = Client::http1(gateway.address().await).await;
        let answer = ask(&client, "rest.test", "/prod/a", "allow").await;
        assert_eq!(
            (answer.status, answer.json()),
            (500, json!({"message": null}))
        );
        assert_eq!(
            answer.header("x-amzn-errortype"),
            "AuthorizerFailureException"
        );
        let answer = ask(&client, "http.test", "/prod/a", "allow").await;
        let said = json!({"message": "Internal Server Error"});
        assert_eq!((answer.status, answer.json()), (500, said));
        gateway.reason(reason).await;
    }
    assert_eq!(upstream.seen().requests, 0);
}

#[tokio::test]
async fn simple_responses_let_in_or_keep_out() {
    let upstream = Upstream::echo().await;
    let function = Function::start(|event| match event["identitySource"][0].as_str() {
        Some("yes") => reply(
            200,
            r#"{"isAuthorized": true, "context": {"plan": {"name": "gold"}}}"#,
        ),
        Some("no") => reply(200, r#"{"isAuthorized": false}"#),
        Some("perhaps") => reply(200, r#"{"isAuthorized": "true"}"#),
        _ => allowing("*"),
    });
    let function = function.await;
    let format = r#"{"id":"$context.requestId","plan":"$context.authorizer.plan","who":"$context.authorizer.principalId"}"#;
    let setup = setup(&upstream, &function)
        .set(&["authorizers", "http", "simple_responses"], json!(true))
        .set(
            &["apis", "http", "stages", "prod", "access_log"],
            json!({"format": format}),
        );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    for (token, status, said) in [
        ("yes", 200, None),
        ("no", 403, Some("Forbidden")),
        ("perhaps", 500, Some("Internal Server Error")),
        ("policy", 500, Some("Internal Server Error")),
    ] {
        let answer = ask(&client, "http.test", "/prod/a", token).await;
        assert_eq!(answer.status, status, "{token}");
        if let Some(said) = said {
            assert_eq!(answer.json(), json!({"message": said}), "{token}");
        }
    }
    let is_it = |record: &Value| record["plan"] == r#"{"name":"gold"}"#;
    assert_eq!(
        gateway.record("whom the function let in", is_it).await["who"],
        "-"
    );
}

/// A definition says where a function answers, or names one by its ARN that the configuration reaches.
#[tokio::test]
async fn a_definition_brings_its_functions() {
    let upstream = Upstream::echo().await;
    let function = Function::start(outcomes).await;
    let operation = |name: &str| {
        json!({"get": {
            "security": [{name: []}],
            "responses": {"200": {"description": "fine"}},
            "x-amazon-apigateway-integration": {
                "type": "http_proxy", "httpMethod": "GET",
                "uri": format!("http://{}/", upstream.address),
            },
        }})
    };
    let scheme = |uri: &str| {
        json!({
            "type": "apiKey", "name": "Authorization", "in": "header",
            "x-amazon-apigateway-authtype": "custom",
            "x-amazon-apigateway-authorizer": {
                "type": "token", "authorizerUri": uri, "authorizerResultTtlInSeconds": 0,
            },
        })
    };
    let arn = "arn:aws:apigateway:test-1:lambda:path/2015-03-31/functions/arn:aws:lambda:test-1:\
               111122223333:function:${stageVariables.function}/invocations";
    let definition = json!({
        "openapi": "3.0.1",
        "info": {"title": "functions", "version": "1"},
        "paths": {"/told": operation("told"), "/named": operation("rest")},
        "components": {"securitySchemes": {
            "told": scheme(&function.url()), "rest": scheme(arn),
        }},
    });
    let api = json!({"definition": "api.json", "hosts": ["defined.test"], "stages": {"prod": {}}});
    let setup = setup(&upstream, &function).set(&["apis", "defined"], api);
    let _file = setup.file("api.json", &definition.to_string());
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    for path in ["/prod/told", "/prod/named"] {
        for (token, status) in [("allow", 200), ("unknown", 401), ("other", 403)] {
            let answer = ask(&client, "defined.test", path, token).await;
            assert_eq!(answer.status, status, "{path} {token}");
        }
    }
    assert_eq!(function.calls(), 6);
}
