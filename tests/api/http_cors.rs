//! HTTP APIs tell browsers what pages of other origins may do.

use gateway_tests::client::{Answer, Client, get, nothing, request, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::{Key, authorize};
use gateway_tests::raw::exchange;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::{Upstream, reply};
use http::{HeaderValue, Method};
use serde_json::{Value, json};

const ORIGIN: (&str, &str) = ("origin", "https://app.test");

/// A backend with an opinion of its own.
async fn backend() -> Upstream {
    Upstream::http(|request| async move {
        let mut answer = reply(200, request.method().to_string());
        let headers = answer.headers_mut();
        for name in [
            "access-control-allow-origin",
            "access-control-allow-methods",
        ] {
            headers.insert(name, HeaderValue::from_static("theirs"));
        }
        headers.insert("vary", HeaderValue::from_static("Accept"));
        answer
    })
    .await
}

async fn start(upstream: &Upstream, cors: Option<Value>) -> (Gateway, Client) {
    let mut setup = authorize(Setup::new(), &[&Key::ec("ec")])
        .upstream("main", upstream.address)
        .route("GET /guarded", json!({"authorizer": "main"}))
        .route("GET /pets", json!({}))
        .route("ANY /any", json!({}))
        .route(
            "GET /limited",
            json!({"throttle": {"rate": 0.001, "burst": 1}}),
        );
    if let Some(cors) = cors {
        setup.change(&["apis", "main", "cors"], cors);
    }
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    (gateway, client)
}

fn cors() -> Value {
    json!({
        "allow_origins": ["https://app.test", "http://*"],
        "allow_methods": ["GET", "DELETE"],
        "allow_headers": ["authorization", "x-own"],
        "expose_headers": ["x-id"],
        "max_age": "10m",
    })
}

async fn preflight(client: &Client, path: &str, origin: &str) -> Answer {
    let asked = request(Method::OPTIONS, path, nothing());
    let headers = [
        ("origin", origin),
        ("access-control-request-method", "DELETE"),
    ];
    client.send(with(asked, &headers)).await
}

#[tokio::test]
async fn a_preflight_is_answered_before_any_route() {
    let upstream = backend().await;
    let (gateway, client) = start(&upstream, Some(cors())).await;
    for path in ["/pets", "/any", "/guarded", "/nowhere"] {
        let answer = preflight(&client, path, "https://app.test").await;
        assert_eq!((answer.status, answer.body.len()), (204, 0), "{path}");
        for (name, value) in [
            ("access-control-allow-origin", "https://app.test"),
            ("access-control-allow-methods", "GET,DELETE"),
            ("access-control-allow-headers", "authorization,x-own"),
            ("access-control-max-age", "600"),
            ("vary", "Origin"),
        ] {
            assert_eq!(answer.header(name), value, "{path} {name}");
        }
        assert!(!answer.headers.contains_key("access-control-expose-headers"));
        let record = gateway.path(path).await;
        assert_eq!(
            (&record["status"], &record["route"]),
            (&json!(204), &json!(null))
        );
    }
    let strange = preflight(&client, "/pets", "https://evil.test").await;
    assert_eq!(strange.status, 204);
    assert!(!strange.headers.contains_key("access-control-allow-origin"));
    assert!(!strange.headers.contains_key("access-control-allow-methods"));
    let plain = preflight(&client, "/pets", "http://evil.test").await;
    assert_eq!(
        plain.header("access-control-allow-origin"),
        "http://evil.test"
    );
    assert_eq!(upstream.seen().requests, 0);
    // OPTIONS that is no preflight is routed.
    let asked = || request(Method::OPTIONS, "/any", nothing());
    assert_eq!(
        client.send(with(asked(), &[ORIGIN])).await.text(),
        "OPTIONS"
    );
    let lacks_origin = with(asked(), &[("access-control-request-method", "GET")]);
    assert_eq!(client.send(lacks_origin).await.text(), "OPTIONS");
}

#[tokio::test]
async fn every_answer_says_who_may_read_it() {
    let upstream = backend().await;
    let (_gateway, client) = start(&upstream, Some(cors())).await;
    for (path, status) in [
        ("/pets", 200),
        ("/nowhere", 404),
        ("/a/../b", 400),
        ("/guarded", 401),
        ("/limited", 200),
        ("/limited", 429),
    ] {
        let answer = client.send(with(get(path), &[ORIGIN])).await;
        assert_eq!(answer.status, status, "{path}");
        let own: Vec<_> = answer
            .headers
            .get_all("access-control-allow-origin")
            .iter()
            .collect();
        assert_eq!(own, ["https://app.test"], "{path}");
        assert_eq!(answer.header("access-control-expose-headers"), "x-id");
        assert!(
            !answer.headers.contains_key("access-control-allow-methods"),
            "{path}"
        );
    }
    for origin in [Some("https://evil.test"), Some("null"), None] {
        let headers: Vec<_> = origin
            .map(|origin| ("origin", origin))
            .into_iter()
            .collect();
        let answer = client.send(with(get("/pets"), &headers)).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "GET"));
        assert!(
            !answer.headers.contains_key("access-control-allow-origin"),
            "{origin:?}"
        );
        let vary: Vec<_> = answer.headers.get_all("vary").iter().collect();
        assert_eq!(vary, ["Accept", "Origin"], "{origin:?}");
    }
}

#[tokio::test]
async fn credentials_and_wildcards() {
    let upstream = backend().await;
    let with_credentials = json!({
        "allow_origins": ["https://app.test"], "allow_credentials": true,
        "allow_methods": ["*"], "allow_headers": ["*"],
    });
    let (_gateway, client) = start(&upstream, Some(with_credentials)).await;
    for answer in [
        client.send(with(get("/pets"), &[ORIGIN])).await,
        preflight(&client, "/pets", "https://app.test").await,
    ] {
        assert_eq!(answer.header("access-control-allow-credentials"), "true");
        assert_eq!(
            answer.header("access-control-allow-origin"),
            "https://app.test"
        );
    }
    // With credentials a browser takes these for a method and a header of that name.
    let answer = preflight(&client, "/pets", "https://app.test").await;
    for name in ["methods", "headers"] {
        let name = format!("access-control-allow-{name}");
        assert_eq!(answer.header(&name), "*", "{name}");
    }
    let (_gateway, client) = start(&upstream, Some(json!({"allow_origins": ["*"]}))).await;
    let answer = client.send(with(get("/pets"), &[ORIGIN])).await;
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(answer.header("vary"), "Accept");
    assert!(
        !answer
            .headers
            .contains_key("access-control-allow-credentials")
    );
}

#[tokio::test]
async fn without_cors_the_backend_decides() {
    let upstream = backend().await;
    let (_gateway, client) = start(&upstream, None).await;
    let answer = client.send(with(get("/pets"), &[ORIGIN])).await;
    assert_eq!(answer.header("access-control-allow-origin"), "theirs");
    let routed = preflight(&client, "/any", "https://app.test").await;
    assert_eq!((routed.status, routed.text().as_str()), (200, "OPTIONS"));
    assert_eq!(
        preflight(&client, "/pets", "https://app.test").await.status,
        404
    );
}

/// Clients hide how the names are written, so that only bytes show it.
#[tokio::test]
async fn headers_have_names_in_lower_case() {
    let upstream = backend().await;
    let (gateway, _client) = start(&upstream, Some(cors())).await;
    let asked = "GET /pets HTTP/1.1\r\nhost: api.test\r\norigin: https://app.test\r\n\
                 connection: close\r\n\r\n";
    let answer = exchange(gateway.address().await, asked).await;
    let (head, _) = answer.split_once("\r\n\r\n").unwrap();
    let names = head
        .lines()
        .skip(1)
        .map(|line| line.split_once(':').unwrap().0);
    let names: Vec<&str> = names.collect();
    assert!(names.contains(&"access-control-allow-origin"), "{head}");
    for name in names {
        assert_eq!(name, name.to_lowercase(), "{head}");
    }
}
