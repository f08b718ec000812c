//! Guards and monitors of authorizers that ask functions, and of those that verify signatures.

use bytes::Bytes;
use gateway::aws::sigv4::payload_hash;
use gateway_tests::client::{Client, get, pieces, request, whole};
use gateway_tests::function::{Function, allowing, thrown};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::signing::{ACCOUNT, Signing, authorize, statement, user};
use gateway_tests::upstream::{Upstream, reply, sent};
use http::Method;
use serde_json::{Value, json};

use crate::function_authorizers::{ask, setup as functions};

const ID: &str = "AKIDANN";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCY-secret";
const BURST: u64 = 2;

fn guard() -> Value {
    json!({"total": {"rate": 0.001, "burst": BURST}})
}

fn signers(upstream: &Upstream, key: &str, value: Value) -> Setup {
    let keys = json!({ID: user(ACCOUNT, SECRET, &[statement("Allow", "*")])});
    authorize(Setup::new(), &keys)
        .upstream("main", upstream.address)
        .set(&["apis", "main", "type"], json!("rest"))
        .set(&["apis", "main", "stages"], json!({"prod": {}}))
        .route("ANY /{proxy+}", json!({"authorizer": "main"}))
        .set(&["authorizers", "main", key], value)
}

fn signing() -> Signing {
    Signing::new(ID, SECRET)
}

#[tokio::test]
async fn a_guard_holds_back_calls_of_a_function_and_no_results() {
    let upstream = Upstream::echo().await;
    let function = Function::start(|_| allowing("*")).await;
    let mut setup = functions(&upstream, &function);
    for name in ["rest", "http"] {
        setup.change(&["authorizers", name, "guard"], guard());
        setup.change(&["authorizers", name, "result_ttl"], json!("5m"));
    }
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    for (host, calls) in [("rest.test", 2), ("http.test", 4)] {
        for token in ["ann", "bob"] {
            assert_eq!(ask(&client, host, "/prod/a", token).await.status, 200);
        }
        let refused = ask(&client, host, "/prod/a", "eve").await;
        assert_eq!(refused.status, 429, "{host}");
        let seconds: u64 = refused.header("retry-after").parse().expect("seconds");
        assert!((990..=1000).contains(&seconds), "{seconds}");
        assert_eq!(function.calls(), calls, "nobody was asked about the third");
        let known = ask(&client, host, "/prod/a", "ann").await;
        assert_eq!(known.status, 200, "who is remembered is not held up");
        let is_it = |record: &Value| record["status"] == 429 && record["host"] == host;
        let record = gateway.record("who was held back", is_it).await;
        assert_eq!(record["reason"], "authorizer_throttled");
    }
}

#[tokio::test]
async fn a_guard_holds_back_signatures_and_nothing_that_is_none() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(signers(&upstream, "guard", guard())).await;
    let client = Client::http1(gateway.address().await).await;
    let wrong_region = Signing {
        region: "eu-west-1".to_owned(),
        ..signing()
    };
    let unsigned = async || {
        assert_eq!(client.send(get("/prod/none")).await.status, 403);
        let elsewhere = wrong_region.header(get("/prod/elsewhere"), b"");
        assert_eq!(client.send(elsewhere).await.status, 403);
    };
    // Neither costs anything, so that they leave signers theirs.
    for _ in 0..3 {
        unsigned().await;
    }
    assert_eq!(
        client
            .send(signing().header(get("/prod/a"), b""))
            .await
            .status,
        200
    );
    let forged = Signing {
        secret: "another".to_owned(),
        ..signing()
    };
    assert_eq!(
        client.send(forged.header(get("/prod/a"), b"")).await.status,
        403
    );
    let refused = client.send(signing().header(get("/prod/a"), b"")).await;
    assert_eq!(refused.status, 429, "the forged one was charged as well");
    assert_eq!(gateway.reason("authorizer_throttled").await["status"], 429);
    unsigned().await;
}

#[tokio::test]
async fn a_function_that_is_only_watched_leaves_nothing_but_its_word() {
    let upstream = Upstream::echo().await;
    let answer = |event: &Value| match event["authorizationToken"].as_str() {
        Some("ann") => allowing("*"),
        Some("eve") => allowing("arn:aws:execute-api:*:*:*/prod/PUT/*"),
        _ => thrown("Unauthorized"),
    };
    let function = Function::start(answer).await;
    let format = r#"{"request":"$context.requestId","path":"$context.path","who":"$context.authorizer.principalId","tenant":"$context.authorizer.tenant","status":"$context.authorizer.integrationStatus"}"#;
    let stage = json!({"access_log": {"format": format}});
    let setup = functions(&upstream, &function)
        .set(&["authorizers", "rest", "monitor"], json!(true))
        .set(&["apis", "rest", "stages", "told"], stage);
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    for (token, would, subject) in [
        ("ann", "allow", json!("user-7")),
        ("eve", "caller_policy_denied", json!("user-7")),
        ("bob", "function_unauthorized", Value::Null),
        ("", "token_missing", Value::Null),
    ] {
        let answer = ask(&client, "rest.test", "/prod/a", token).await;
        assert_eq!(answer.status, 200, "{token}");
        let is_it = |record: &Value| record["monitored"] == would;
        let record = gateway.record(would, is_it).await;
        assert_eq!(
            (&record["subject"], &record["reason"]),
            (&subject, &Value::Null)
        );
        assert_eq!(record["decided_by"], Value::Null, "{record}");
    }
    assert_eq!(function.calls(), 3);
    let answer = ask(&client, "rest.test", "/told/a", "ann").await;
    assert_eq!(answer.status, 200);
    let is_it = |record: &Value| record["path"] == "/told/a";
    let record = gateway.record("a format of its own", is_it).await;
    for key in ["who", "tenant", "status"] {
        assert_eq!(record[key], "-", "{record}");
    }
}

#[tokio::test]
async fn signatures_that_are_only_watched_keep_nobody_out_and_no_body_back() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(signers(&upstream, "monitor", json!(true))).await;
    let client = Client::http1(gateway.address().await).await;
    let post = |path: &str| request(Method::POST, path, whole("hello"));
    let forged = Signing {
        secret: "another".to_owned(),
        ..signing()
    };
    for (asked, path, would) in [
        (
            signing().header(post("/prod/right"), b"hello"),
            "/prod/right",
            "allow",
        ),
        (
            signing().header(post("/prod/body"), b"hullo"),
            "/prod/body",
            "signature_mismatch",
        ),
        (
            forged.header(post("/prod/forged"), b"hello"),
            "/prod/forged",
            "signature_mismatch",
        ),
        (post("/prod/none"), "/prod/none", "signature_missing"),
    ] {
        let answer = client.send(asked).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.json()["body"], "hello", "{path}");
        let record = gateway.path(path).await;
        assert_eq!(record["monitored"], would, "{record}");
        assert_eq!(record["reason"], Value::Null);
        assert_eq!(
            record.get("subject").is_some(),
            would == "allow",
            "{record}"
        );
    }
}

/// All of a body reaches the backend or nothing of it, whatever could be read for its signature.
#[tokio::test]
async fn a_body_that_is_not_read_whole_goes_on_where_signatures_are_only_watched() {
    let upstream = Upstream::http(|asked| async { reply(200, payload_hash(&sent(asked).await)) });
    let upstream = upstream.await;
    let small = json!({"authorizer": "main", "body_max": "1KiB"});
    let setup = signers(&upstream, "monitor", json!(true))
        .set(&["body_memory_max"], json!("1MiB"))
        .route("ANY /small/{proxy+}", small);
    let gateway = Gateway::start(setup).await;
    let numbers: Vec<String> = (0..500_000).map(|number| format!("{number},")).collect();
    let large = Bytes::from(numbers.concat());
    let long = large.slice(..2 << 10);
    for (path, body, is_announced, would, status) in [
        ("/prod/announced", &large, true, "body_memory", 200),
        ("/prod/chunked", &large, false, "body_memory", 200),
        // The route itself refuses these.
        ("/prod/small/announced", &long, true, "body_too_large", 413),
        ("/prod/small/chunked", &long, false, "body_too_large", 413),
    ] {
        let client = Client::http1(gateway.address().await).await;
        let (fed, outgoing) = if is_announced {
            (None, whole(body.clone()))
        } else {
            let (fed, chunked) = pieces();
            (Some(fed), chunked)
        };
        let asked = signing().header(request(Method::POST, path, outgoing), body);
        let feeding = async move {
            let Some(fed) = fed else { return };
            for piece in body.chunks(64 << 10) {
                if fed.send(Bytes::copy_from_slice(piece)).await.is_err() {
                    // Nobody reads this body.
                    break;
                }
            }
        };
        let (answer, ()) = tokio::join!(client.send(asked), feeding);
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        let record = gateway.path(path).await;
        assert_eq!(record["monitored"], would, "{record}");
        assert_eq!(record.get("subject"), None, "{record}");
        if status == 200 {
            assert_eq!(answer.text(), payload_hash(body), "{path}");
            assert_eq!(record["reason"], Value::Null, "{record}");
        } else {
            assert_eq!(record["reason"], "body_too_large", "{record}");
        }
    }
}
