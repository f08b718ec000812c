//! What functions returned is remembered for the caller that it is about, and judged for every method.

use gateway_tests::client::{Answer, Client, request, whole, with};
use gateway_tests::function::{Function, allowing, returned, statement, thrown};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::{Upstream, reply};
use http::Method;
use serde_json::json;

use super::function_authorizers::{ask, setup};

const ARN: &str = "arn:aws:execute-api:test-1:111122223333:rest1";

async fn start(setup: Setup) -> (Gateway, Client) {
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    (gateway, client)
}

fn remembering(setup: Setup) -> Setup {
    setup
        .set(&["authorizers", "rest", "result_ttl"], json!("5m"))
        .set(&["authorizers", "http", "result_ttl"], json!("5m"))
}

async fn delete(client: &Client, host: &str) -> Answer {
    let headers = [("host", host), ("authorization", "t")];
    client
        .send(with(
            request(Method::DELETE, "/prod/b", whole("")),
            &headers,
        ))
        .await
}

/// A function that allows just the method that it was asked about, as many do.
#[tokio::test]
async fn what_was_allowed_of_one_method_is_not_allowed_of_another() {
    let upstream = Upstream::echo().await;
    let function = Function::start(|event| {
        let arn = event["methodArn"]
            .as_str()
            .or_else(|| event["routeArn"].as_str());
        allowing(arn.unwrap())
    });
    let function = function.await;
    let (_gateway, client) = start(remembering(setup(&upstream, &function))).await;
    for (host, calls) in [("rest.test", 1), ("http.test", 2)] {
        let answer = ask(&client, host, "/prod/a", "t").await;
        assert_eq!(answer.status, 200, "{host}");
        let answer = delete(&client, host).await;
        assert_eq!(answer.status, 403, "{host}: {}", answer.text());
        assert_eq!(
            function.calls(),
            calls,
            "the second was judged by what is remembered"
        );
        let answer = ask(&client, host, "/prod/a", "t").await;
        assert_eq!(answer.status, 200, "{host}");
    }
    assert_eq!(function.calls(), 2);
}

#[tokio::test]
async fn what_was_denied_of_one_method_is_not_denied_of_another() {
    let upstream = Upstream::echo().await;
    let function = Function::start(|_| {
        let statements = json!([
            statement("Allow", "arn:aws:execute-api:*:*:*/prod/*"),
            statement("Deny", "arn:aws:execute-api:*:*:*/prod/GET/a"),
        ]);
        reply(200, returned(&statements).to_string())
    });
    let function = function.await;
    let (_gateway, client) = start(remembering(setup(&upstream, &function))).await;
    for (host, calls) in [("rest.test", 1), ("http.test", 2)] {
        let answer = ask(&client, host, "/prod/a", "t").await;
        assert_eq!(answer.status, 403, "{host}");
        let answer = delete(&client, host).await;
        assert_eq!(answer.status, 200, "{host}: {}", answer.text());
        // A denial is remembered as everything else.
        let answer = ask(&client, host, "/prod/a", "t").await;
        assert_eq!((answer.status, function.calls()), (403, calls), "{host}");
    }
}

#[tokio::test]
async fn a_path_that_reads_as_a_pattern_opens_no_other() {
    let upstream = Upstream::echo().await;
    let function = Function::start(|event| {
        let arn = event["methodArn"].as_str().unwrap();
        allowing(arn)
    });
    let function = function.await;
    let (_gateway, client) = start(remembering(setup(&upstream, &function))).await;
    for path in [
        "/prod/pets/*",
        "/prod/pets/%2A",
        "/prod/pets/%3F",
        "/prod/pets/7",
    ] {
        let answer = ask(&client, "rest.test", path, "t").await;
        assert_eq!(answer.status, 200, "{path}");
    }
    assert_eq!(function.calls(), 4);
    let answer = ask(&client, "rest.test", "/prod/pets/8", "t").await;
    assert_eq!((answer.status, function.calls()), (403, 4));
}

#[tokio::test]
async fn callers_are_told_apart_by_each_of_their_values() {
    let upstream = Upstream::echo().await;
    let function = Function::start(|_| allowing("*")).await;
    let sources = json!(["$request.header.X-One", "$request.header.X-Two"]);
    let asked = json!({
        "type": "function", "function": {"url": function.url()}, "identity_sources": sources, "result_ttl": "5m",
    });
    let setup = setup(&upstream, &function)
        .set(&["authorizers", "rest"], asked.clone())
        .set(&["authorizers", "http"], asked);
    let (_gateway, client) = start(setup).await;
    let mut calls = 0;
    for (host, path) in [
        ("rest.test", "/prod/a"),
        ("http.test", "/prod/a"),
        ("http.test", "/a"),
        ("rest.test", "/beta/a"),
    ] {
        for (one, two) in [
            ("a,b", "c"),
            ("a", "b,c"),
            ("a", "b"),
            ("ab", "c"),
            ("b", "a"),
        ] {
            let headers = [("host", host), ("x-one", one), ("x-two", two)];
            for _ in 0..2 {
                let answer = client.get_with(path, &headers).await;
                assert_eq!(answer.status, 200, "{host}{path}");
            }
            calls += 1;
            assert_eq!(function.calls(), calls, "{host}{path} {one} {two}");
        }
    }
}

#[tokio::test]
async fn simple_responses_hold_for_all_routes_unless_these_tell_callers_apart() {
    let upstream = Upstream::echo().await;
    let function = Function::start(|event| {
        let is_authorized = event["routeKey"] == "GET /a";
        reply(200, json!({"isAuthorized": is_authorized}).to_string())
    });
    let function = function.await;
    let simple = remembering(setup(&upstream, &function))
        .set(&["authorizers", "http", "simple_responses"], json!(true));
    let (mut gateway, client) = start(simple).await;
    assert_eq!(ask(&client, "http.test", "/prod/a", "t").await.status, 200);
    assert_eq!(delete(&client, "http.test").await.status, 200);
    assert_eq!(function.calls(), 1);
    let sources = json!(["$request.header.Authorization", "$context.routeKey"]);
    gateway
        .setup()
        .change(&["authorizers", "http", "identity_sources"], sources);
    gateway.reload().await;
    assert_eq!(delete(&client, "http.test").await.status, 403);
    assert_eq!(delete(&client, "http.test").await.status, 403);
    assert_eq!(ask(&client, "http.test", "/prod/a", "t").await.status, 200);
    assert_eq!(function.calls(), 3);
}

#[tokio::test]
async fn nothing_is_remembered_of_who_is_not_known_or_of_failures() {
    let upstream = Upstream::echo().await;
    let function = Function::start(|event| {
        let token = event["authorizationToken"].as_str();
        match token.or_else(|| event["identitySource"][0].as_str()) {
            Some("unknown") => thrown("Unauthorized"),
            Some("thrown") => thrown("x"),
            _ => reply(500, ""),
        }
    });
    let function = function.await;
    let (_gateway, client) = start(remembering(setup(&upstream, &function))).await;
    for (index, (host, token)) in ["rest.test", "http.test"]
        .into_iter()
        .flat_map(|host| ["unknown", "thrown", "broken"].map(|token| (host, token)))
        .enumerate()
    {
        let first = ask(&client, host, "/prod/a", token).await.status;
        let second = ask(&client, host, "/prod/a", token).await.status;
        assert_eq!(
            (first, function.calls()),
            (second, 2 * index + 2),
            "{host} {token}"
        );
    }
}

#[tokio::test]
async fn without_a_time_to_live_every_request_asks() {
    let upstream = Upstream::echo().await;
    let function = Function::start(|_| allowing("*")).await;
    let (_gateway, client) = start(setup(&upstream, &function)).await;
    for calls in 1..=3 {
        for host in ["rest.test", "http.test"] {
            assert_eq!(ask(&client, host, "/prod/a", "t").await.status, 200);
        }
        assert_eq!(function.calls(), 2 * calls);
    }
}

#[tokio::test]
async fn a_changed_authorizer_remembers_nothing_and_others_go_on() {
    let upstream = Upstream::echo().await;
    let function = Function::start(|_| allowing(&format!("{ARN}/prod/GET/*"))).await;
    let (mut gateway, client) = start(remembering(setup(&upstream, &function))).await;
    assert_eq!(ask(&client, "rest.test", "/prod/a", "t").await.status, 200);
    gateway.setup().change(
        &["apis", "rest", "routes", "GET /c"],
        json!({"authorizer": "rest", "integration": {"upstream": "main"}}),
    );
    gateway.reload().await;
    assert_eq!(ask(&client, "rest.test", "/prod/c", "t").await.status, 200);
    assert_eq!(function.calls(), 1, "the authorizer is what it was");
    gateway
        .setup()
        .change(&["authorizers", "rest", "result_ttl"], json!("4m"));
    gateway.reload().await;
    assert_eq!(ask(&client, "rest.test", "/prod/c", "t").await.status, 200);
    assert_eq!(function.calls(), 2);
}

#[tokio::test]
async fn conditions_of_a_functions_policy_are_about_the_request() {
    let upstream = Upstream::echo().await;
    let function = Function::start(|_| {
        let mut allow = statement("Allow", "*");
        allow["Condition"] = json!({
            "IpAddress": {"aws:SourceIp": "127.0.0.0/8"}, "StringLike": {"aws:UserAgent": "good*"},
        });
        reply(200, returned(&json!([allow])).to_string())
    });
    let function = function.await;
    let (_gateway, client) = start(remembering(setup(&upstream, &function))).await;
    for host in ["rest.test", "http.test"] {
        for (agent, status) in [("good/1", 200), ("bad/1", 403), ("good/2", 200)] {
            let headers = [
                ("host", host),
                ("authorization", "t"),
                ("user-agent", agent),
            ];
            let answer = client.get_with("/prod/a", &headers).await;
            assert_eq!(answer.status, status, "{host} {agent}");
        }
    }
    assert_eq!(function.calls(), 2);
}
