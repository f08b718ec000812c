//! `gateway explain METHOD URL`: what would become of a request, by the steps that requests take.

use gateway_tests::client::{Client, get, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::{self, Key, KeyServer, claims};
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use serde_json::{Value, json};

/// A REST API with a policy, an authorizer and throttles.
fn guarded(upstream: &Upstream, key: &Key) -> Setup {
    let setup = Setup::new().upstream("main", upstream.address);
    let statements = json!([
        {"Sid": "Everybody", "Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke",
         "Resource": "execute-api:/*"},
        {"Sid": "NoSecrets", "Effect": "Deny", "Principal": "*", "Action": "execute-api:Invoke",
         "Resource": "execute-api:/prod/GET/secrets/*"},
    ]);
    let policy = json!({"Version": "2012-10-17", "Statement": statements});
    let file = setup.file("policy.json", &policy.to_string());
    let setup = issuer::authorize(setup, &[key])
        .set(&["apis", "main", "type"], json!("rest"))
        .set(&["apis", "main", "id"], json!("abc123"))
        .set(&["apis", "main", "stages"], json!({"prod": {}}))
        .set(&["apis", "main", "policy_file"], json!(file))
        .route(
            "GET /pets/{id}",
            json!({
                "authorizer": "main",
                "throttle": {"rate": 0.01, "burst": 2},
                "caller_throttles":
                    [{"key": "$context.authorizer.claims.sub", "rate": 0.01, "burst": 1}],
            }),
        );
    setup.route("GET /secrets/{proxy+}", json!({}))
}

fn question(path: &str, headers: Value) -> Value {
    json!({
        "do": "explain", "listener": null, "client": "127.0.0.1", "method": "GET",
        "url": format!("http://localhost{path}"), "headers": headers, "calls": false,
    })
}

async fn explain(gateway: &Gateway, path: &str, headers: Value) -> Value {
    gateway.admin(&question(path, headers).to_string()).await
}

fn steps(answer: &Value) -> Vec<(&str, bool, &str)> {
    let steps = answer["steps"].as_array();
    let steps = steps.unwrap_or_else(|| panic!("{answer}")).iter();
    steps
        .map(|step| {
            (
                step["step"].as_str().unwrap(),
                step["passes"].as_bool().unwrap(),
                step["said"].as_str().unwrap(),
            )
        })
        .skip(1)
        .collect()
}

#[tokio::test]
async fn each_step_says_what_it_would_do_and_nothing_is_spent() {
    let upstream = Upstream::echo().await;
    let key = Key::ec("key");
    let gateway = Gateway::start(guarded(&upstream, &key)).await;
    let token = format!("Bearer {}", key.token(&claims(json!({"sub": "ada"}))));
    let sent = json!([["authorization", token]]);
    for _ in 0..5 {
        let answer = explain(&gateway, "/prod/pets/7?a=b", sent.clone()).await;
        assert_eq!(
            steps(&answer),
            [
                (
                    "destination",
                    true,
                    "stage `prod` of API `main` (abc123), deployment 1"
                ),
                ("route", true, "`GET /pets/{id}`"),
                (
                    "authorizer",
                    true,
                    "lets it pass: authorizer `main`, caller `ada`"
                ),
                (
                    "policy",
                    true,
                    "lets it pass: statement 1 (`Everybody`) of the API's resource policy"
                ),
                ("throttle", true, "caller_throttled: admits it"),
                ("throttle", true, "route_throttled: admits it"),
                ("integration", true, "forwarded to `main`"),
            ]
        );
        assert_eq!(
            (&answer["status"], &answer["reason"]),
            (&Value::Null, &Value::Null)
        );
    }
    assert_eq!(upstream.seen().requests, 0);
    // The buckets are full still: one request of the caller is admitted, and the next is not.
    let client = Client::http1(gateway.address().await).await;
    let headers = [("authorization", token.as_str())];
    for status in [200, 429] {
        let answer = client.send(with(get("/prod/pets/7"), &headers)).await;
        assert_eq!(answer.status, status);
    }
    let answer = explain(&gateway, "/prod/pets/7", sent).await;
    assert_eq!(
        (&answer["status"], &answer["reason"]),
        (&json!(429), &json!("caller_throttled"))
    );
    let said = steps(&answer);
    assert!(
        said.iter().any(|(step, passes, said)| *step == "throttle"
            && !passes
            && said.starts_with("caller_throttled: refuses it for another ")),
        "{said:?}"
    );
    // What nobody sent is in no log.
    let records = gateway.all_records().await;
    assert_eq!(records.len(), 2, "{records:?}");
}

#[tokio::test]
async fn the_step_that_refuses_is_the_last() {
    let upstream = Upstream::echo().await;
    let key = Key::ec("key");
    let gateway = Gateway::start(guarded(&upstream, &key)).await;
    for (path, headers, last, status, reason) in [
        (
            "/elsewhere",
            json!([]),
            "destination",
            403,
            "stage_not_found",
        ),
        ("/prod/none", json!([]), "route", 403, "route_not_found"),
        (
            "/prod/pets/7",
            json!([]),
            "authorizer",
            401,
            "token_missing",
        ),
        (
            "/prod/pets/7",
            json!([["authorization", "Bearer x"]]),
            "authorizer",
            401,
            "token_malformed",
        ),
        ("/prod/secrets/a", json!([]), "policy", 403, "policy_denied"),
    ] {
        let answer = explain(&gateway, path, headers).await;
        assert_eq!(
            (&answer["status"], &answer["reason"]),
            (&json!(status), &json!(reason))
        );
        let (step, passes, said) = *steps(&answer).last().unwrap();
        assert_eq!((step, passes), (last, false), "{answer}");
        if last == "policy" {
            let statement = "statement 2 (`NoSecrets`) of the API's resource policy";
            assert_eq!(said, format!("refuses it: {statement}"));
        }
        assert!(!answer.to_string().contains("Bearer"), "{answer}");
    }
}

#[tokio::test]
async fn what_cannot_be_asked_about_is_refused_with_cause_and_fix() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(Setup::forwarding(upstream.address)).await;
    for (change, message) in [
        (
            json!({"url": "/pets"}),
            "the URL begins with neither http:// nor https://",
        ),
        (
            json!({"listener": "other"}),
            "there is no listener `other`: choose one of `main`",
        ),
        (
            json!({"url": "https://localhost/"}),
            "no listener speaks this scheme: name one of `main` with --listener",
        ),
        (json!({"method": "G T"}), "the method is no word of HTTP"),
        (
            json!({"headers": [["a b", "secret"]]}),
            "`a b` is no name of a header",
        ),
        (
            json!({"headers": [["a", "sec\nret"]]}),
            "what is given for `a` is no value of a header",
        ),
    ] {
        let mut asked = question("/", json!([]));
        for (name, value) in change.as_object().unwrap() {
            asked[name] = value.clone();
        }
        let answer = gateway.admin(&asked.to_string()).await;
        assert_eq!(answer["message"], message, "{asked}");
    }
}

/// An issuer is asked for keys that are not known, and only where that is wanted.
#[tokio::test]
async fn nobody_is_asked_unless_that_is_wanted() {
    let upstream = Upstream::echo().await;
    let (old, new) = (Key::ec("old"), Key::ec("new"));
    let issuer = KeyServer::start(&[&old]).await;
    let setup = issuer.authorize(Setup::forwarding(upstream.address));
    let setup = setup.route("GET /pets", json!({"authorizer": "main"}));
    let gateway = Gateway::start(setup).await;
    let token = format!("Bearer {}", new.token(&claims(json!({}))));
    issuer.publish(Some(&[&old, &new]));
    let fetches = issuer.fetches();
    let asked = |calls: bool| {
        let mut asked = question("/pets", json!([["authorization", &token]]));
        asked["calls"] = json!(calls);
        asked
    };
    let answer = gateway.admin(&asked(false).to_string()).await;
    assert_eq!(answer["reason"], "not_asked", "{answer}");
    assert_eq!(issuer.fetches(), fetches);
    let answer = gateway.admin(&asked(true).to_string()).await;
    assert_eq!(answer["status"], Value::Null, "{answer}");
    assert_eq!(issuer.fetches(), fetches + 1);
}

#[tokio::test]
async fn what_became_of_a_request_is_known_by_its_name() {
    let upstream = Upstream::echo().await;
    let key = Key::ec("key");
    let setup = guarded(&upstream, &key).set(&["telemetry", "recent_requests"], json!(2));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let recent = async |name: &str| {
        let asked = json!({"do": "recent", "id": name});
        let answer = gateway.admin(&asked.to_string()).await;
        answer["requests"].as_array().unwrap().clone()
    };
    let token = format!("Bearer {}", key.token(&claims(json!({"sub": "ada"}))));
    let headers = [("authorization", token.as_str())];
    let admitted = client
        .send(with(get("/prod/pets/7?secret=x"), &headers))
        .await;
    let denied = client.get("/prod/secrets/a").await;
    for name in ["x-amzn-requestid", "x-amz-apigw-id"] {
        let found = recent(admitted.header(name)).await;
        let [kept] = found.as_slice() else {
            panic!("{found:?}");
        };
        for (field, value) in [
            ("listener", json!("main")),
            ("client", json!("127.0.0.1")),
            ("method", json!("GET")),
            ("path", json!("/prod/pets/7")),
            ("api", json!("main")),
            ("stage", json!("prod")),
            ("deployment", json!(1)),
            ("route", json!("GET /pets/{id}")),
            ("authorizer", json!("main")),
            ("subject", json!("ada")),
            ("status", json!(200)),
            ("upstream_status", json!(200)),
            (
                "decided_by",
                json!("statement 1 (`Everybody`) of the API's resource policy"),
            ),
        ] {
            assert_eq!(kept[field], value, "{field}");
        }
        assert!(!kept.to_string().contains("secret=x"), "{kept}");
    }
    let found = recent(denied.header("x-amzn-requestid")).await;
    assert_eq!(found[0]["reason"], "policy_denied");
    let by = "statement 2 (`NoSecrets`) of the API's resource policy";
    assert_eq!(found[0]["decided_by"], by);
    // The log says it as well.
    assert_eq!(gateway.reason("policy_denied").await["decided_by"], by);
    // There is room for two: a third pushes the first out.
    client.get("/prod/secrets/b").await;
    assert!(recent(admitted.header("x-amzn-requestid")).await.is_empty());
    assert_eq!(recent(denied.header("x-amzn-requestid")).await.len(), 1);
}
