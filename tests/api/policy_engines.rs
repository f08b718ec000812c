//! What callers may do, as servers say that are asked over HTTP.

use std::sync::{Arc, Mutex};

use gateway_tests::client::{Answer, request, whole, with};
use gateway_tests::site::Site;
use gateway_tests::upstream::{Reply, Upstream, reply, sent};
use http::Method;
use serde_json::{Value, json};

/// What an engine was asked: where, with which token, and what.
type Questions = Arc<Mutex<Vec<(String, String, Value)>>>;

/// An engine that answers what `answer` makes of a question.
async fn engine(answer: impl Fn(&Value) -> Reply + Send + Sync + 'static) -> (Upstream, Questions) {
    let questions = Questions::default();
    let asked = Arc::clone(&questions);
    let answer = Arc::new(answer);
    let upstream = Upstream::http(move |request| {
        let (asked, answer) = (Arc::clone(&asked), Arc::clone(&answer));
        async move {
            let path = request.uri().to_string();
            let token = request.headers().get("authorization");
            let token = token.map_or("", |it| it.to_str().unwrap()).to_owned();
            let body: Value = serde_json::from_slice(&sent(request).await).unwrap();
            let reply = answer(&body);
            asked.lock().unwrap().push((path, token, body));
            reply
        }
    });
    (upstream.await, questions)
}

/// An API whose one route asks a policy set of this kind.
async fn start(route: &str, mut set: Value) -> Site {
    Site::start(|setup| {
        let token = setup.file("token", "secret-of-the-engine\n");
        if set["token_file"] == json!("") {
            set["token_file"] = json!(token);
        }
        let settings = json!({"authorizer": "main", "policies": "engine"});
        setup
            .set(&["policies", "engine"], set)
            .route(route, settings)
    })
    .await
}

async fn send(site: &Site, method: Method, path: &str, caller: Value) -> Answer {
    let asked = request(method, path, whole(""));
    let asked = with(asked, &[("authorization", &site.bearer(caller))]);
    site.client.send(asked).await
}

#[tokio::test]
async fn a_server_is_asked_once_for_the_same_question_and_believed_for_a_while() {
    let (opa, questions) = engine(|asked| {
        let roles = asked["input"]["roles"].as_array().unwrap();
        let result = roles.contains(&json!("keeper"));
        reply(200, json!({"result": result}).to_string())
    })
    .await;
    let set = json!({
        "type": "http",
        "url": format!("http://{}/v1/data/shop/allow?pretty=false", opa.address),
        "request": {"input": {
            "user": "$context.authorizer.claims.sub",
            "roles": "$context.authorizer.claims.roles",
            "path": "${context.httpMethod} ${request.path}",
            "none": "$request.header.x-none",
        }},
        "allow": {"at": "result"},
        "token_file": "",
        "decision_ttl": "1h",
    });
    let site = start("ANY /pets/{id}", set).await;
    let keeper = json!({"sub": "bob", "roles": ["keeper"]});
    for _ in 0..3 {
        let answer = send(&site, Method::GET, "/pets/1", keeper.clone()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let guest = json!({"sub": "eve", "roles": []});
    for _ in 0..2 {
        let answer = send(&site, Method::GET, "/pets/1", guest.clone()).await;
        assert_eq!(answer.status, 403);
        assert_eq!(answer.json(), json!({"message": "Forbidden"}));
    }
    site.gateway.reason("decision_denied").await;
    let answer = send(&site, Method::PUT, "/pets/1", keeper.clone()).await;
    assert_eq!(answer.status, 200);
    let input = |user: &str, roles: &[&str], path: &str| {
        let place = "/v1/data/shop/allow?pretty=false".to_owned();
        let question = json!({"input": {"user": user, "roles": roles, "path": path}});
        (place, "Bearer secret-of-the-engine".to_owned(), question)
    };
    let asked = questions.lock().unwrap().clone();
    assert_eq!(
        asked,
        [
            input("bob", &["keeper"], "GET /pets/1"),
            input("eve", &[], "GET /pets/1"),
            input("bob", &["keeper"], "PUT /pets/1"),
        ]
    );
    // What is remembered needs no server, and what is not is refused without one.
    drop(opa);
    let answer = send(&site, Method::GET, "/pets/1", keeper.clone()).await;
    assert_eq!(answer.status, 200);
    let answer = send(&site, Method::GET, "/pets/2", keeper.clone()).await;
    assert_eq!(answer.status, 500);
    let record = site.gateway.reason("decision_unavailable").await;
    assert!(!record.to_string().contains("secret"), "{record}");
    // A reload may have brought other policies: nothing is remembered behind it.
    site.gateway.reload().await;
    let answer = send(&site, Method::GET, "/pets/1", keeper).await;
    assert_eq!(answer.status, 500);
}

#[tokio::test]
async fn what_is_neither_yes_nor_no_refuses() {
    for (status, body, expected, detail) in [
        (200, r#"{"result": true}"#, 200, None),
        (200, r#"{"result": "true"}"#, 403, None),
        (200, r#"{"result": false}"#, 403, None),
        (
            200,
            r#"{}"#,
            500,
            Some("has no value where `allow.at` says"),
        ),
        (200, r#"{"result": tru"#, 500, Some("no JSON")),
        (201, r#"{"result": true}"#, 500, Some("answered 201")),
        (500, r#"{"result": true}"#, 500, Some("answered 500")),
    ] {
        let (server, _questions) = engine(move |_| reply(status, body)).await;
        let set = json!({
            "type": "http",
            "url": format!("http://{}", server.address),
            "request": {},
            "allow": {"at": "result"},
        });
        let site = start("GET /pets", set).await;
        let answer = send(&site, Method::GET, "/pets", json!({})).await;
        assert_eq!(answer.status, expected, "{status} {body}");
        if let Some(detail) = detail {
            let record = site.gateway.reason("decision_unavailable").await;
            let told = record["detail"].as_str().unwrap();
            assert!(told.contains(detail), "{told}");
        }
    }
}

/// The questions of `examples/policy-engines.yaml`, and answers as the engines document them.
#[tokio::test]
async fn engines_are_asked_as_they_document_it() {
    let sub = "$context.authorizer.claims.sub";
    let rows = [
        (
            json!({"principal": {"id": sub, "roles": "$context.authorizer.claims.roles"},
                   "resources": [{"actions": ["view"],
                                  "resource": {"kind": "order", "id": "$request.path.id"}}]}),
            json!({"at": "results[0].actions.view", "is": "EFFECT_ALLOW"}),
            json!({"principal": {"id": "user-1", "roles": ["a"]},
                   "resources": [{"actions": ["view"], "resource": {"kind": "order", "id": "7"}}]}),
            [
                json!({"results": [{"actions": {"view": "EFFECT_ALLOW"}}]}),
                json!({"results": [{"actions": {"view": "EFFECT_DENY"}}]}),
            ],
        ),
        (
            json!({"entity": {"type": "order", "id": "$request.path.id"}, "permission": "edit",
                   "subject": {"type": "user", "id": sub}}),
            json!({"at": "can", "is": "CHECK_RESULT_ALLOWED"}),
            json!({"entity": {"type": "order", "id": "7"}, "permission": "edit",
                   "subject": {"type": "user", "id": "user-1"}}),
            [
                json!({"can": "CHECK_RESULT_ALLOWED"}),
                json!({"can": "CHECK_RESULT_DENIED"}),
            ],
        ),
        (
            json!({"actor_type": "User", "actor_id": sub, "action": "delete",
                   "resource_type": "Order", "resource_id": "$request.path.id"}),
            json!({"at": "allowed"}),
            json!({"actor_type": "User", "actor_id": "user-1", "action": "delete",
                   "resource_type": "Order", "resource_id": "7"}),
            [json!({"allowed": true}), json!({"allowed": false})],
        ),
    ];
    for (question, allow, expected, answers) in rows {
        for (answer, status) in answers.into_iter().zip([200, 403]) {
            let (server, questions) = engine(move |_| reply(200, answer.to_string())).await;
            let set = json!({
                "type": "http",
                "url": format!("http://{}/check", server.address),
                "request": question,
                "allow": allow,
            });
            let site = start("GET /orders/{id}", set).await;
            let caller = json!({"roles": ["a"]});
            let answer = send(&site, Method::GET, "/orders/7", caller).await;
            assert_eq!(answer.status, status, "{allow}");
            let asked = questions.lock().unwrap().clone();
            let place = "/check".to_owned();
            assert_eq!(asked, [(place, String::new(), expected.clone())]);
        }
    }
}
