//! Request and response bodies, within their bounds.

use bytes::Bytes;
use gateway_tests::client::{Client, get, pieces, request, whole};
use gateway_tests::gateway::Gateway;
use gateway_tests::raw::Raw;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::{Reply, Upstream, describe, empty, reply};
use gateway_tests::wait::within;
use http::Method;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

const MIB: usize = 1 << 20;
const LARGE: usize = 200 * MIB;
/// Far below the body, far above what a gateway of two workers needs.
const MEMORY_MAX: u64 = 80 << 20;

#[tokio::test]
async fn a_large_body_streams_in_without_being_held() {
    let upstream = Upstream::echo().await;
    let setup = Setup::forwarding(upstream.address).route("POST /in", json!({"body_max": "1GiB"}));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let (feed, body) = pieces();
    let feeding = tokio::spawn(async move {
        for _ in 0..LARGE / MIB {
            feed.send(Bytes::from(vec![7; MIB])).await.unwrap();
        }
    });
    let answer = client.post("/in", body).await;
    feeding.await.unwrap();
    assert_eq!(answer.json()["length"], LARGE);
    assert!(gateway.memory().1 < MEMORY_MAX, "{:?}", gateway.memory());
    assert_eq!(gateway.path("/in").await["request_bytes"], LARGE);
}

#[tokio::test]
async fn a_large_body_streams_out_without_being_held() {
    let upstream = Upstream::raw(|mut stream| async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut head = [0; 4096];
        assert_ne!(stream.read(&mut head).await.unwrap(), 0);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let piece = vec![7; MIB];
        for _ in 0..LARGE / MIB {
            stream.write_all(&piece).await.unwrap();
        }
    })
    .await;
    let gateway = Gateway::start(Setup::forwarding(upstream.address)).await;
    let client = Client::http1(gateway.address().await).await;
    let mut body = client.start(get("/out")).await.unwrap().into_body();
    let mut length = 0;
    while let Some(frame) = within("a piece", body.frame()).await {
        length += frame.unwrap().into_data().unwrap().len();
    }
    assert_eq!(length, LARGE);
    assert!(gateway.memory().1 < MEMORY_MAX, "{:?}", gateway.memory());
    assert_eq!(gateway.path("/out").await["response_bytes"], LARGE);
}

#[tokio::test]
async fn an_announced_length_over_the_limit_is_refused_before_the_upstream_is_contacted() {
    let upstream = Upstream::echo().await;
    let setup =
        Setup::forwarding(upstream.address).route("POST /small", json!({"body_max": "10B"}));
    let gateway = Gateway::start(setup).await;
    let address = gateway.address().await;
    for client in [Client::http1(address).await, Client::http2(address).await] {
        let answer = client.post("/small", whole("12345678901")).await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (413, r#"{"message":"Request Entity Too Large"}"#)
        );
    }
    assert_eq!(upstream.seen().connections, 0);
    assert_eq!(gateway.path("/small").await["reason"], "body_too_large");
    let exact = Client::http1(address)
        .await
        .post("/small", whole("1234567890"))
        .await;
    assert_eq!(exact.status, 200);
}

#[tokio::test]
async fn a_body_of_unknown_length_is_refused_at_the_byte_too_many() {
    let upstream = Upstream::echo().await;
    let setup = Setup::forwarding(upstream.address)
        .route("POST /stream", json!({"body_max": "10B"}))
        .route("POST /buffer", json!({"body_max": "10B", "body": "buffer"}));
    let gateway = Gateway::start(setup).await;
    let address = gateway.address().await;
    for path in ["/stream", "/buffer"] {
        for client in [Client::http1(address).await, Client::http2(address).await] {
            let (feed, body) = pieces();
            feed.send(Bytes::from_static(b"123456")).await.unwrap();
            feed.send(Bytes::from_static(b"78901")).await.unwrap();
            let answer = client.post(path, body).await;
            drop(feed);
            assert_eq!(answer.status, 413, "{path}");
        }
        assert_eq!(gateway.path(path).await["reason"], "body_too_large");
    }
    upstream
        .when("nothing whole", |seen| seen.requests >= seen.cancelled)
        .await;
}

/// An upstream that answers before it has read the request.
async fn hasty() -> Upstream {
    Upstream::http(|request| async move {
        let body = request.into_body();
        let (feed, reply_body) = pieces();
        drop(tokio::spawn(async move {
            let mut body = body;
            feed.send(Bytes::from_static(b"early ")).await.unwrap();
            while let Some(Ok(_)) = body.frame().await {}
            // Left hanging: whoever sent the request decides how this ends.
            feed.closed().await;
        }));
        Reply::new(reply_body.map_err(|never| match never {}).boxed_unsync())
    })
    .await
}

#[tokio::test]
async fn a_body_that_overruns_behind_the_answer_breaks_it_off_and_is_named_so() {
    let upstream = hasty().await;
    let setup = Setup::forwarding(upstream.address).route("POST /late", json!({"body_max": "10B"}));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let (feed, body) = pieces();
    feed.send(Bytes::from_static(b"12345")).await.unwrap();
    let response = client
        .start(request(Method::POST, "/late", body))
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    within("the early piece", body.frame())
        .await
        .unwrap()
        .unwrap();
    feed.send(Bytes::from_static(b"678901")).await.unwrap();
    assert!(within("the end", body.frame()).await.unwrap().is_err());
    let record = gateway.path("/late").await;
    assert_eq!(
        (&record["reason"], &record["status"]),
        (&json!("body_too_large"), &json!(200))
    );
}

#[tokio::test]
async fn a_body_that_stops_arriving_is_timed_out() {
    let upstream = Upstream::echo().await;
    let setup = Setup::forwarding(upstream.address)
        .route("POST /stream", json!({}))
        .route("POST /buffer", json!({"body": "buffer"}))
        .listener("timeouts", json!({"body": "200ms"}));
    let gateway = Gateway::start(setup).await;
    let address = gateway.address().await;
    for path in ["/stream", "/buffer"] {
        let mut raw = Raw::connect(address).await;
        raw.write(format!(
            "POST {path} HTTP/1.1\r\nhost: api.test\r\ncontent-length: 10\r\n\r\n1234"
        ))
        .await;
        let answer = raw.read_until("}").await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        let record = gateway.path(path).await;
        assert_eq!(
            (&record["reason"], &record["status"]),
            (&json!("body_timeout"), &json!(408))
        );
        assert_eq!(record["request_bytes"], 4);
    }
}

#[tokio::test]
async fn buffered_bodies_share_a_budget() {
    let upstream = Upstream::echo().await;
    let setup = Setup::forwarding(upstream.address)
        .route("POST /b", json!({"body": "buffer", "body_max": "1MiB"}))
        .set(&["body_memory_max"], json!("1MiB"));
    let gateway = Gateway::start(setup).await;
    let address = gateway.address().await;
    let holder = Client::http1(address).await;
    let (feed, body) = pieces();
    let first = tokio::spawn(async move { holder.post("/b", body).await });
    feed.send(Bytes::from(vec![1; MIB * 3 / 4])).await.unwrap();
    let used = |m: &gateway_tests::metrics::Metrics| m.get("gateway_body_memory_bytes");
    gateway
        .metrics_when("memory in use", |m| used(m) >= 786_432.0)
        .await;
    let second = Client::http1(address)
        .await
        .post("/b", whole(vec![2; MIB / 2]))
        .await;
    assert_eq!(
        (second.status, second.text().as_str()),
        (503, r#"{"message":"Service Unavailable"}"#)
    );
    assert_eq!(gateway.path("/b").await["reason"], "body_memory");
    drop(feed);
    assert_eq!(first.await.unwrap().json()["length"], MIB * 3 / 4);
    gateway
        .metrics_when("memory returned", |m| used(m) == 0.0)
        .await;
    let third = Client::http1(address)
        .await
        .post("/b", whole(vec![2; MIB / 2]))
        .await;
    assert_eq!(third.status, 200);
}

/// The budget is for memory, and a body that an upstream does not take is still memory.
#[tokio::test]
async fn a_buffered_body_counts_until_it_has_been_sent() {
    let upstream = Upstream::raw(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let setup = Setup::forwarding(upstream.address)
        .route(
            "POST /b",
            json!({"body": "buffer", "body_max": "32MiB", "integration": {"timeout": "20s"}}),
        )
        .set(&["body_memory_max"], json!("64MiB"));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let sending = tokio::spawn(async move {
        client
            .try_send(request(Method::POST, "/b", whole(vec![1; 32 * MIB])))
            .await
    });
    upstream
        .when("a connection", |seen| seen.connections == 1)
        .await;
    let used = gateway.metrics().await.get("gateway_body_memory_bytes");
    assert!(used >= 32.0 * 1024.0 * 1024.0, "{used}");
    sending.abort();
    gateway
        .metrics_when("memory returned", |m| {
            m.get("gateway_body_memory_bytes") == 0.0
        })
        .await;
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_upstream_call_and_is_recorded_once() {
    let upstream = Upstream::http(|_| async { std::future::pending::<Reply>().await }).await;
    let gateway = Gateway::start(Setup::forwarding(upstream.address)).await;
    let address = gateway.address().await;
    for (number, http2) in [(1, false), (2, true)] {
        let client = if http2 {
            Client::http2(address).await
        } else {
            Client::http1(address).await
        };
        let path = format!("/leave/{number}");
        let call = tokio::spawn(async move { client.start(get(&path)).await });
        upstream
            .when("the call", |seen| seen.requests == number)
            .await;
        call.abort();
        upstream
            .when("its end", |seen| seen.cancelled == number)
            .await;
    }
    for number in [1, 2] {
        let record = gateway.path(&format!("/leave/{number}")).await;
        assert_eq!(
            (&record["reason"], &record["status"]),
            (&json!("client_left"), &Value::Null)
        );
    }
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.get("gateway_requests_total{status=\"0\"}"), 2.0);
    assert_eq!(gateway.records().len(), 2);
}

#[tokio::test]
async fn a_client_that_leaves_within_the_answer_is_recorded_with_what_it_got() {
    let upstream = hasty().await;
    let gateway = Gateway::start(Setup::forwarding(upstream.address)).await;
    let address = gateway.address().await;
    for (path, http2) in [("/h1", false), ("/h2", true)] {
        let client = if http2 {
            Client::http2(address).await
        } else {
            Client::http1(address).await
        };
        let mut body = client.start(get(path)).await.unwrap().into_body();
        within("the early piece", body.frame())
            .await
            .unwrap()
            .unwrap();
        drop((body, client));
        let record = gateway.path(path).await;
        assert_eq!(
            (&record["reason"], &record["status"]),
            (&json!("client_left"), &json!(200))
        );
        assert_eq!(record["response_bytes"], 6);
    }
    assert_eq!(gateway.records().len(), 2);
}

/// Whatever happens to requests, each is in the log once.
#[tokio::test]
async fn every_request_yields_one_record() {
    let upstream = Upstream::http(|request| async {
        match request.uri().path() {
            "/slow" => std::future::pending().await,
            "/large" => reply(200, vec![1; MIB]),
            "/none" => empty(204),
            _ => describe(request).await,
        }
    })
    .await;
    let setup = Setup::forwarding(upstream.address)
        .route("GET /limited", json!({"throttle": {"rate": 1, "burst": 3}}))
        .route("GET /slow", json!({"integration": {"timeout": "100ms"}}));
    let gateway = Gateway::start(setup).await;
    let address = gateway.address().await;
    let mut sent = 0;
    for http2 in [false, true] {
        let client = if http2 {
            Client::http2(address).await
        } else {
            Client::http1(address).await
        };
        for path in ["/limited", "/large", "/none", "/slow", "/x/../y"] {
            for _ in 0..4 {
                client.try_send(get(path)).await.unwrap();
                sent += 1;
            }
        }
    }
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("gateway_requests_total"), f64::from(sent));
    assert_eq!(
        gateway.all_records().await.len(),
        usize::try_from(sent).unwrap()
    );
}

/// Bytes behind a request hide the end behind them, so such a client is not seen to leave; the
/// integration's time-out bounds what it can hold.
#[tokio::test]
async fn a_client_that_pipelines_and_leaves_holds_a_call_no_longer_than_its_time_out() {
    let upstream = Upstream::http(|_| async { std::future::pending::<Reply>().await }).await;
    let setup = Setup::forwarding(upstream.address)
        .route("GET /{any+}", json!({"integration": {"timeout": "300ms"}}));
    let gateway = Gateway::start(setup).await;
    let mut raw = Raw::connect(gateway.address().await).await;
    let request = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: api.test\r\n\r\n");
    raw.write(request("/one") + &request("/two")).await;
    upstream.when("the call", |seen| seen.requests == 1).await;
    drop(raw);
    upstream.when("its end", |seen| seen.cancelled >= 1).await;
    gateway.path("/one").await;
    gateway
        .metrics_when("none", |m| m.get("gateway_connections_open") == 0.0)
        .await;
}
