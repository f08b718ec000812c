//! Both types of API take the steps of a request in their documented order.
//!
//! Each request breaks every rule from one on, and is told of the first.

use gateway_tests::client::{Answer, Client, Outgoing, nothing, request, whole, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::{self, Key, claims};
use gateway_tests::setup::Setup;
use gateway_tests::upstream::{Upstream, reply};
use http::Method;
use serde_json::{Value, json};

const HOST: &str = "abc123.execute-api.test-1.gateway.test";

async fn send(
    client: &Client,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Outgoing,
) -> Answer {
    let asked = with(request(method, path, body), &[("host", HOST)]);
    client.send(with(asked, headers)).await
}

/// A REST API `abc123` whose policy closes `/prod/POST/pets/closed`.
fn rest(upstream: &Upstream, key: &Key) -> Setup {
    let setup = Setup::forwarding(upstream.address);
    let statement = |effect: &str, resource: &str| {
        json!({
            "Effect": effect, "Principal": "*", "Action": "execute-api:Invoke",
            "Resource": resource,
        })
    };
    let policy = json!({"Statement": [
        statement("Allow", "execute-api:/*"),
        statement("Deny", "execute-api:/*/*/*/closed"),
    ]});
    let file = setup.file("policy.json", &policy.to_string());
    let checked = json!({
        "authorizer": "main",
        "parameters": {"header.X-Need": "required"},
        "models": {"application/json": "Pet"},
        "validate": {"parameters": true, "body": true},
        "body_max": "64B",
        "integration": {"request_parameters": {
            "integration.request.header.X-Mapped": "method.request.body.name",
        }},
    });
    let mut once = checked.clone();
    once["throttle"] = json!({"rate": 0.001, "burst": 1});
    let model = json!({"type": "object", "required": ["name"]});
    issuer::authorize(setup, &[key])
        .set(
            &["gateway"],
            json!({"region": "test-1", "host_suffix": "gateway.test"}),
        )
        .set(&["apis", "main", "type"], json!("rest"))
        .set(&["apis", "main", "id"], json!("abc123"))
        .set(&["apis", "main", "hosts"], json!(["another.test"]))
        .set(&["apis", "main", "stages"], json!({"prod": {}}))
        .set(&["apis", "main", "policy_file"], json!(file))
        .set(&["apis", "main", "models"], json!({"Pet": model}))
        .set(&["apis", "main", "routes"], json!({}))
        .route("POST /pets/{id}", checked)
        .route("POST /once/{id}", once)
}

#[tokio::test]
async fn a_rest_api_checks_in_the_documented_order() {
    let upstream = Upstream::echo().await;
    let key = Key::ec("order");
    let gateway = Gateway::start(rest(&upstream, &key)).await;
    let client = Client::http1(gateway.address().await).await;
    let bearer = format!("Bearer {}", key.token(&claims(Value::Null)));
    let token = ("authorization", bearer.as_str());
    let need = ("x-need", "1");
    let good = r#"{"name": "rex"}"#;
    for (path, headers, body, status, reason) in [
        ("/none/closed", &[][..], "{", 403, "stage_not_found"),
        ("/prod/none/closed", &[], "{", 403, "route_not_found"),
        // Of a token the policy is asked behind the authorizer.
        ("/prod/once/closed", &[], "{", 401, "token_missing"),
        ("/prod/once/closed", &[token], "{", 403, "policy_denied"),
        // None of those took the one token of the bucket; what is not valid does.
        ("/prod/once/7", &[token], "{", 400, "parameter_missing"),
        ("/prod/once/8", &[token], "{", 429, "route_throttled"),
        ("/prod/pets/7", &[token], "{", 400, "parameter_missing"),
        ("/prod/pets/8", &[token, need], "{", 400, "body_invalid"),
    ] {
        let body = whole(body);
        let answer = send(&client, Method::POST, path, headers, body).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        let record = gateway
            .record(reason, |record| {
                record["path"] == path && record["reason"] == reason
            })
            .await;
        assert_eq!(record["status"], status, "{record}");
    }
    assert_eq!(upstream.seen().requests, 0);
    let headers = [token, need];
    let answer = send(&client, Method::POST, "/prod/pets/9", &headers, whole(good)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["headers"]["x-mapped"], "rex");
}

#[tokio::test]
async fn bodies_are_looked_at_last() {
    let upstream = Upstream::echo().await;
    let key = Key::ec("bodies");
    let gateway = Gateway::start(rest(&upstream, &key)).await;
    let client = Client::http1(gateway.address().await).await;
    let bearer = format!("Bearer {}", key.token(&claims(Value::Null)));
    let token = ("authorization", bearer.as_str());
    let need = ("x-need", "1");
    let coded = ("content-encoding", "gzip");
    for (path, headers, length, status) in [
        ("/prod/once/1", &[coded][..], 65, 401),
        ("/prod/once/2", &[token, coded], 65, 400),
        ("/prod/once/3", &[token, coded], 65, 429),
        ("/prod/pets/1", &[token, need, coded], 65, 413),
        ("/prod/pets/2", &[token, need, coded], 64, 415),
        ("/prod/pets/3", &[token, need], 65, 413),
    ] {
        // A connection is closed behind a body that nobody reads.
        let client = Client::http1(gateway.address().await).await;
        let body = whole(vec![b'x'; length]);
        let answer = send(&client, Method::POST, path, headers, body).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
    }
    drop(client);
    assert_eq!(upstream.seen().requests, 0);
}

#[tokio::test]
async fn an_http_api_checks_in_the_documented_order() {
    let upstream = Upstream::http(|request| async move {
        let mapped = request.headers().get("x-mapped");
        let mapped = mapped.map(|value| value.to_str().unwrap().to_owned());
        let mut answer = reply(403, mapped.unwrap_or_default());
        let theirs = http::HeaderValue::from_static("theirs");
        answer
            .headers_mut()
            .insert("access-control-allow-origin", theirs);
        answer
    })
    .await;
    let key = Key::ec("order");
    let setup = issuer::authorize(Setup::forwarding(upstream.address), &[&key])
        .set(&["apis", "main", "stages"], json!({"beta": {}}))
        .set(&["apis", "main", "routes"], json!({}))
        .set(
            &["apis", "main", "cors"],
            json!({"allow_origins": ["https://app.test"]}),
        )
        .route(
            "GET /pets/{id}",
            json!({
                "authorizer": "main",
                "scopes": ["read"],
                "throttle": {"rate": 0.001, "burst": 1},
                "integration": {
                    "request_parameters": {"append:header.X-Mapped": "$request.path.id"},
                    "response_parameters": {"403": {
                        "overwrite:statuscode": "404",
                        "append:header.X-Answer": "$response.body",
                    }},
                },
            }),
        );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let bearer = |scope: &str| format!("Bearer {}", key.token(&claims(json!({"scope": scope}))));
    let (other, right) = (bearer("write"), bearer("read"));
    let origin = ("origin", "https://app.test");
    let asks = ("access-control-request-method", "GET");
    let (other, right) = (("authorization", &*other), ("authorization", &*right));
    for (method, path, headers, status) in [
        // Without a stage there is nobody to answer a preflight.
        (Method::OPTIONS, "/pets/7", &[origin, asks][..], 404),
        (Method::OPTIONS, "/beta/none", &[origin, asks], 204),
        (Method::GET, "/beta/none", &[origin], 404),
        (Method::GET, "/beta/pets/7", &[origin], 401),
        (Method::GET, "/beta/pets/7", &[origin, other], 403),
        // Those who were refused took nothing from the bucket.
        (Method::GET, "/beta/pets/7", &[origin, right], 404),
        (Method::GET, "/beta/pets/7", &[origin, right], 429),
    ] {
        let answer = client
            .send(with(request(method.clone(), path, nothing()), headers))
            .await;
        assert_eq!(answer.status, status, "{method} {path} {}", answer.text());
        let allowed = answer.headers.get_all("access-control-allow-origin").iter();
        // What no stage serves has no stage's headers.
        let expected: &[&str] = if path == "/pets/7" {
            &[]
        } else {
            &["https://app.test"]
        };
        assert_eq!(allowed.collect::<Vec<_>>(), expected, "{path}");
        // The backend got what was mapped, and its answer was mapped as well.
        let mapped = if headers == [origin, right] && status == 404 {
            "7"
        } else {
            ""
        };
        assert_eq!(answer.header("x-answer"), mapped);
    }
    assert_eq!(upstream.seen().requests, 1);
}
