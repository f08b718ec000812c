//! Which headers cross the gateway, both ways, and what they become.

use bytes::Bytes;
use gateway_tests::client::{Client, get, pieces, request, whole, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::raw::{Raw, exchange};
use gateway_tests::setup::Setup;
use gateway_tests::upstream::{Upstream, describe, reply};
use gateway_tests::wait::within;
use http::{HeaderName, HeaderValue, Method};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

fn setup(upstream: &Upstream, kind: &str) -> Setup {
    let stages = match kind {
        "rest" => json!({"prod": {}}),
        _ => json!({"$default": {}, "prod": {}}),
    };
    Setup::forwarding(upstream.address)
        .set(&["apis", "main", "type"], json!(kind))
        .set(&["apis", "main", "stages"], stages)
        .set(&["apis", "main", "routes"], json!({}))
        .route("ANY /{proxy+}", json!({}))
}

async fn start(setup: Setup) -> (Gateway, Client) {
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    (gateway, client)
}

/// What becomes of a header on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Passed,
    Dropped,
    /// The client gets it under a name of the gateway's.
    Renamed,
    /// Renamed, and under its plain name the client gets the gateway's own.
    Both,
    /// The gateway says its own instead.
    Replaced,
}

use Way::{Both, Dropped, Passed, Renamed, Replaced};

/// Name, value, what becomes of it on the way to a backend, and on the way back.
const TABLE: &[(&str, &str, Way, Way)] = &[
    ("age", "7", Passed, Passed),
    ("accept", "text/plain", Passed, Passed),
    ("accept-charset", "utf-8", Passed, Passed),
    ("accept-encoding", "br", Passed, Passed),
    ("authorization", "Bearer abc", Passed, Renamed),
    ("content-encoding", "identity", Dropped, Passed),
    ("content-md5", "Q2hlY2s=", Dropped, Renamed),
    ("content-type", "text/css", Passed, Passed),
    ("date", "Thu, 01 Jan 1970 00:00:00 GMT", Passed, Both),
    ("expect", "nothing", Dropped, Dropped),
    ("host", "somebody.test", Replaced, Dropped),
    ("max-forwards", "3", Dropped, Renamed),
    ("pragma", "no-cache", Passed, Passed),
    ("proxy-authenticate", "Basic", Dropped, Dropped),
    ("range", "bytes=0-1", Passed, Passed),
    ("referer", "https://a.test/", Passed, Passed),
    ("server", "somebody/1", Dropped, Renamed),
    ("te", "trailers", Dropped, Dropped),
    ("trailer", "x-none", Dropped, Dropped),
    ("upgrade", "h2c", Dropped, Dropped),
    ("user-agent", "me/1", Passed, Renamed),
    ("via", "1.1 somebody", Replaced, Dropped),
    ("warn", "7", Passed, Passed),
    ("www-authenticate", "Basic", Dropped, Renamed),
    (
        "x-amzn-requestid",
        "0f8fad5b-d9cb-469f-a165-70867728950f",
        Passed,
        Both,
    ),
    ("x-own", "1", Passed, Passed),
];

#[tokio::test]
async fn a_rest_proxy_passes_drops_and_renames_as_the_table_says() {
    let upstream = Upstream::echo().await;
    let (_gateway, client) = start(setup(&upstream, "rest")).await;
    for &(name, value, way, _) in TABLE {
        // What is not in the coding that it names is refused, and this one is none to decode.
        if name == "content-encoding" || name == "expect" {
            continue;
        }
        let asked = request(Method::POST, "/prod/x", whole("body"));
        let answer = client.send(with(asked, &[(name, value)])).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        let seen = answer.json()["headers"].clone();
        match way {
            Passed => assert_eq!(seen[name], value, "{name}"),
            Replaced => assert!(seen[name] != value && seen[name].is_string(), "{name}"),
            Dropped => assert_eq!(seen[name], Value::Null, "{name}"),
            Renamed | Both => panic!("requests rename nothing: {name}"),
        }
        assert_eq!(seen["content-length"], "4", "{name}");
        assert_eq!(seen["host"], upstream.address.to_string(), "{name}");
    }
    let expecting = with(
        request(Method::POST, "/prod/x", whole("body")),
        &[
            ("expect", "100-continue"),
            ("connection", "x-mine"),
            ("x-mine", "1"),
        ],
    );
    let seen = client.send(expecting).await.json()["headers"].clone();
    for name in ["expect", "connection", "x-mine", "transfer-encoding"] {
        assert_eq!(seen[name], Value::Null, "{name}");
    }
    let packed = [("content-encoding", "deflate")];
    let body: &[u8] = &[
        0x78, 0x9c, 0x4b, 0x4c, 0x4a, 0x06, 0x00, 0x02, 0x4d, 0x01, 0x27,
    ];
    let asked = with(request(Method::POST, "/prod/x", whole(body)), &packed);
    let seen = client.send(asked).await.json();
    assert_eq!(seen["headers"]["content-encoding"], Value::Null);
    assert_eq!(seen["body"], "abc");

    let upstream = Upstream::http(|_request| async {
        let mut answer = reply(200, "body");
        for &(name, value, ..) in TABLE {
            let name: HeaderName = name.parse().unwrap();
            answer
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
        answer
    })
    .await;
    let (_gateway, client) = start(setup(&upstream, "rest")).await;
    let answer = client.get("/prod/x").await;
    assert_eq!(answer.text(), "body");
    for &(name, value, _, way) in TABLE {
        let renamed = answer.header(&format!("x-amzn-remapped-{name}"));
        let plain = answer.header(name);
        match way {
            Passed => assert_eq!((plain, renamed), (value, ""), "{name}"),
            Renamed => assert_eq!((plain, renamed), ("", value), "{name}"),
            Both => assert!(
                renamed == value && plain != value && !plain.is_empty(),
                "{name}"
            ),
            Dropped => assert_eq!((plain, renamed), ("", ""), "{name}"),
            Replaced => panic!("responses replace nothing: {name}"),
        }
    }
    assert_eq!(answer.header("content-length"), "4");
    assert_eq!(answer.header("x-amzn-remapped-content-length"), "4");
}

#[tokio::test]
async fn what_concerns_one_connection_ends_here() {
    let upstream = Upstream::http(|request| async {
        let mut answer = describe(request).await;
        let headers = answer.headers_mut();
        headers.insert(
            "connection",
            HeaderValue::from_bytes(b"X-Hop, \xff,keep-alive").unwrap(),
        );
        for name in ["x-hop", "keep-alive", "proxy-connection", "x-kept"] {
            let name = HeaderName::from_static(name);
            headers.insert(name, HeaderValue::from_static("backend"));
        }
        answer
    })
    .await;
    let hops = ["connection", "x-hop", "keep-alive", "proxy-connection"];
    for (kind, path) in [("rest", "/prod/x"), ("http", "/x")] {
        let (_gateway, client) = start(setup(&upstream, kind)).await;
        let mut asked = get(path);
        for name in &hops[1..] {
            let name = HeaderName::from_static(name);
            asked
                .headers_mut()
                .insert(name, HeaderValue::from_static("client"));
        }
        let named = HeaderValue::from_bytes(b"keep-alive, X-Hop,\xff").unwrap();
        asked.headers_mut().insert("connection", named);
        let answer = client.send(asked).await;
        let seen = answer.json()["headers"].clone();
        for name in hops {
            assert_eq!(seen[name], Value::Null, "{kind} {name}");
            let own = answer.headers.get(name);
            assert!(own.is_none_or(|own| own == "keep-alive"), "{kind} {name}");
        }
        assert_eq!(answer.header("x-kept"), "backend");
        let renamed = answer.headers.get("x-amzn-remapped-connection");
        let expected: Option<&[u8]> = match kind {
            "rest" => Some(b"X-Hop, \xff,keep-alive"),
            _ => None,
        };
        assert_eq!(renamed.map(HeaderValue::as_bytes), expected, "{kind}");
    }
}

#[tokio::test]
async fn an_http_proxy_tells_who_asked() {
    let upstream = Upstream::echo().await;
    let (_gateway, client) = start(setup(&upstream, "http")).await;
    let sent = [
        ("X-Own", "1"),
        ("x-forwarded-for", "192.0.2.1"),
        ("forwarded", "for=192.0.2.1"),
        ("via", "1.1 somebody"),
    ];
    let answer = client.send(with(get("/x"), &sent)).await;
    let seen = answer.json()["headers"].clone();
    for (name, value) in [
        ("x-own", "1"),
        ("forwarded", "for=127.0.0.1;host=\"api.test\";proto=http"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", "api.test"),
        ("x-forwarded-proto", "http"),
        ("via", "1.1 somebody | 1.1 gateway"),
    ] {
        assert_eq!(seen[name], value, "{name}");
    }
    assert_eq!(
        seen["content-type"],
        Value::Null,
        "there is nothing to name"
    );
    assert!(!answer.header("date").is_empty());
    assert_eq!(
        answer.header("content-length"),
        answer.body.len().to_string()
    );
    assert_eq!(answer.header("apigw-requestid").len(), 16);
}

/// Clients and backends hide how names are written, so that only bytes show it.
#[tokio::test]
async fn an_http_proxy_writes_names_in_lower_case_both_ways() {
    let (told, mut heard) = tokio::sync::mpsc::channel(1);
    let upstream = Upstream::raw(move |stream| {
        let told = told.clone();
        async move {
            let mut raw = Raw { stream };
            let head = raw.read_until("\r\n\r\n").await;
            raw.write("HTTP/1.1 200 OK\r\nX-Backend: One\r\nContent-Length: 2\r\n\r\nok")
                .await;
            told.send(head).await.expect("the test waits");
        }
    })
    .await;
    let (gateway, _client) = start(setup(&upstream, "http")).await;
    let asked = "GET /x HTTP/1.1\r\nHost: api.test\r\nX-Own: Two\r\nConnection: close\r\n\r\n";
    let answer = exchange(gateway.address().await, asked).await;
    let request = within("the request", heard.recv()).await.unwrap();
    for (message, field) in [(request, "x-own: Two"), (answer, "x-backend: One")] {
        let (head, _) = message.split_once("\r\n\r\n").unwrap();
        let fields: Vec<&str> = head.lines().skip(1).collect();
        assert!(fields.contains(&field), "{head}");
        for field in fields {
            let (name, _) = field.split_once(':').unwrap();
            assert_eq!(name, name.to_lowercase(), "{head}");
        }
    }
}

#[tokio::test]
async fn framing_is_of_one_connection() {
    let upstream = Upstream::echo().await;
    let (gateway, client) = start(setup(&upstream, "rest")).await;
    let address = gateway.address().await;
    // HTTP/2 has no such header: what the backend sees is the gateway's own.
    for client in [client, Client::http2(address).await] {
        let (feed, body) = pieces();
        feed.send(Bytes::from_static(b"abc")).await.unwrap();
        drop(feed);
        let seen = client.post("/prod/x", body).await.json();
        assert_eq!(seen["body"], "abc");
        assert_eq!(seen["headers"]["transfer-encoding"], "chunked");
        assert_eq!(seen["headers"]["content-length"], Value::Null);
        let seen = client.post("/prod/x", whole("abc")).await.json();
        assert_eq!(seen["headers"]["transfer-encoding"], Value::Null);
        assert_eq!(seen["headers"]["content-length"], "3");
    }
    let chunked = Upstream::raw(|stream| async move {
        let mut raw = Raw { stream };
        drop(raw.read_until("\r\n\r\n").await);
        raw.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\n")
            .await;
    })
    .await;
    let (gateway, _client) = start(setup(&chunked, "rest")).await;
    let client = Client::http2(gateway.address().await).await;
    let answer = client.get("/prod/x").await;
    assert_eq!(answer.text(), "abc");
    for name in ["transfer-encoding", "x-amzn-remapped-transfer-encoding"] {
        assert_eq!(answer.header(name), "", "{name}");
    }
}

#[tokio::test]
async fn a_proxy_passes_status_query_and_body() {
    let upstream = Upstream::http(|request| async {
        let code = request.uri().query().unwrap_or_default().split('&').next();
        let status = code.and_then(|code| code.parse().ok()).unwrap_or(200);
        let mut answer = describe(request).await;
        *answer.status_mut() = http::StatusCode::from_u16(status).unwrap();
        answer
    })
    .await;
    // Bytes that are no text in any coding.
    let bytes: Vec<u8> = (0..=255).cycle().take(600).collect();
    let echo = Upstream::http(|request| async {
        let mut body = request.into_body();
        let mut whole = Vec::new();
        while let Some(frame) = body.frame().await {
            whole.extend_from_slice(&frame.unwrap().into_data().unwrap_or_default());
        }
        reply(200, whole)
    })
    .await;
    for (kind, prefix) in [("rest", "/prod"), ("http", "")] {
        let (_gateway, client) = start(setup(&upstream, kind)).await;
        for status in [200, 201, 302, 404, 418, 500, 503] {
            let path = format!("{prefix}/x?{status}&a=b%20c+d&e");
            let answer = client.get(&path).await;
            assert_eq!(answer.status, status, "{kind}");
            assert_eq!(answer.json()["uri"], format!("/x?{status}&a=b%20c+d&e"));
        }
        let (_gateway, client) = start(setup(&echo, kind)).await;
        for media_type in ["application/json", "image/png", "text/plain; charset=utf-8"] {
            let path = format!("{prefix}/x");
            let asked = request(Method::POST, &path, whole(bytes.clone()));
            let answer = client
                .send(with(asked, &[("content-type", media_type)]))
                .await;
            assert!(answer.body == bytes, "{kind} {media_type}");
        }
    }
}

#[tokio::test]
async fn redirects_are_passed_on() {
    let upstream = Upstream::http(|_request| async {
        let mut answer = reply(302, "");
        let elsewhere = HeaderValue::from_static("https://elsewhere.test/");
        answer.headers_mut().insert("location", elsewhere);
        answer
    })
    .await;
    for (kind, path) in [("rest", "/prod/x"), ("http", "/x")] {
        let (_gateway, client) = start(setup(&upstream, kind)).await;
        let answer = client.get(path).await;
        assert_eq!(answer.status, 302, "{kind}");
        assert_eq!(answer.header("location"), "https://elsewhere.test/");
    }
    assert_eq!(upstream.seen().requests, 2);
}
