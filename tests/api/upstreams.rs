//! Upstreams that fail, each in its way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gateway_tests::client::{Client, get, request, whole};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::{Reply, Upstream};
use gateway_tests::wait::within;
use http::Method;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return String::new(),
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// An upstream that answers every request head with these bytes and closes.
async fn saying(bytes: &'static str) -> Upstream {
    Upstream::raw(move |mut stream| async move {
        if !read_head(&mut stream).await.is_empty() {
            stream.write_all(bytes.as_bytes()).await.unwrap();
        }
    })
    .await
}

#[track_caller]
fn expect(record: &Value, status: u16, reason: &str) {
    assert_eq!(
        (&record["status"], &record["reason"]),
        (&json!(status), &json!(reason)),
        "{record}"
    );
}

/// Whatever it is that fails, clients of HTTP APIs read the same.
async fn fails(setup: Setup, reason: &str) {
    let gateway = Gateway::start(setup).await;
    let answer = Client::http1(gateway.address().await).await.get("/x").await;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (503, r#"{"message":"Service Unavailable"}"#)
    );
    assert_eq!(answer.header("content-length"), "33");
    expect(&gateway.path("/x").await, 503, reason);
    assert_eq!(gateway.metrics().await.rejections(reason), 1.0);
}

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    fails(Setup::forwarding(address), "upstream_refused").await;
}

#[tokio::test]
async fn nobody_accepts() {
    // A backlog that is full: the kernel answers no further SYN.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut filling = Vec::new();
    while let Ok(stream) = tokio::time::timeout(
        std::time::Duration::from_millis(300),
        TcpStream::connect(address),
    )
    .await
    {
        filling.push(stream.unwrap());
        assert!(filling.len() < 64, "the backlog never fills");
    }
    let setup =
        Setup::forwarding(address).set(&["upstreams", "main", "connect_timeout"], json!("200ms"));
    fails(setup, "upstream_connect_timeout").await;
}

#[tokio::test]
async fn no_answer_in_time() {
    let upstream = Upstream::http(|_| async { std::future::pending::<Reply>().await }).await;
    let setup = Setup::forwarding(upstream.address)
        .route("GET /x", json!({"integration": {"timeout": "100ms"}}));
    fails(setup, "upstream_timeout").await;
    upstream
        .when("the call's end", |seen| seen.cancelled == 1)
        .await;
}

#[tokio::test]
async fn a_reset_instead_of_an_answer() {
    let upstream = Upstream::raw(|mut stream| async move {
        read_head(&mut stream).await;
        stream.set_zero_linger().unwrap();
    })
    .await;
    fails(Setup::forwarding(upstream.address), "upstream_reset").await;
}

#[tokio::test]
async fn the_end_instead_of_an_answer() {
    let upstream = saying("").await;
    fails(Setup::forwarding(upstream.address), "upstream_reset").await;
}

#[tokio::test]
async fn the_end_within_the_head() {
    let upstream = saying("HTTP/1.1 200 OK\r\nx-half: ").await;
    fails(Setup::forwarding(upstream.address), "upstream_reset").await;
}

#[tokio::test]
async fn garbage() {
    let upstream = saying("220 mail.test ESMTP ready\r\n\r\n").await;
    fails(Setup::forwarding(upstream.address), "upstream_invalid").await;
}

#[tokio::test]
async fn two_lengths() {
    let upstream =
        saying("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab").await;
    fails(Setup::forwarding(upstream.address), "upstream_invalid").await;
}

#[tokio::test]
async fn a_switch_of_protocols_that_nobody_asked_for() {
    let upstream =
        saying("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n")
            .await;
    fails(Setup::forwarding(upstream.address), "upstream_invalid").await;
}

#[tokio::test]
async fn a_name_that_does_not_resolve() {
    let setup = Setup::new()
        .set(
            &["upstreams", "main", "url"],
            json!("http://nobody.invalid:80"),
        )
        .route("$default", json!({}));
    fails(setup, "upstream_refused").await;
}

#[tokio::test]
async fn a_certificate_that_nobody_trusts() {
    let authority = gateway_tests::authority::Authority::new();
    let acceptor = tokio_rustls::TlsAcceptor::from(authority.server(&["127.0.0.1"]));
    let upstream = Upstream::raw(move |stream| {
        let acceptor = acceptor.clone();
        async move { drop(acceptor.accept(stream).await) }
    })
    .await;
    let setup = Setup::new()
        .set(
            &["upstreams", "main", "url"],
            json!(format!("https://{}", upstream.address)),
        )
        .route("$default", json!({}));
    fails(setup, "upstream_tls").await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_breaks_off_for_the_client_too() {
    let rows = [
        (
            "/length",
            "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this",
        ),
        (
            "/chunked",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nonly this\r\n",
        ),
    ];
    for (path, bytes) in rows {
        let upstream = saying(bytes).await;
        let gateway = Gateway::start(Setup::forwarding(upstream.address)).await;
        let address = gateway.address().await;
        for client in [Client::http1(address).await, Client::http2(address).await] {
            let mut body = client.start(get(path)).await.unwrap().into_body();
            let broken = loop {
                match within("a piece", body.frame()).await {
                    Some(Ok(_)) => {}
                    Some(Err(_)) => break true,
                    None => break false,
                }
            };
            assert!(broken, "{path}: a part looks like the whole");
        }
        expect(&gateway.path(path).await, 200, "upstream_broke_off");
        let records = gateway.all_records().await;
        assert_eq!(
            records
                .iter()
                .filter(|r| r["reason"] == "upstream_broke_off")
                .count(),
            2
        );
    }
}

#[tokio::test]
async fn an_answer_that_falls_silent_breaks_off() {
    let upstream = Upstream::raw(|mut stream| async move {
        read_head(&mut stream).await;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nonly")
            .await
            .unwrap();
        std::future::pending().await
    })
    .await;
    let setup = Setup::forwarding(upstream.address)
        .route("GET /x", json!({"integration": {"timeout": "100ms"}}));
    let gateway = Gateway::start(setup).await;
    assert!(
        Client::http1(gateway.address().await)
            .await
            .try_send(get("/x"))
            .await
            .is_err()
    );
    expect(&gateway.path("/x").await, 200, "upstream_broke_off");
}

/// An upstream that closes every connection once it is asked for the second time on it.
async fn forgetful(heads: Arc<AtomicU64>) -> Upstream {
    Upstream::raw(move |mut stream| {
        let heads = Arc::clone(&heads);
        async move {
            let head = read_head(&mut stream).await;
            heads.fetch_add(1, Ordering::Relaxed);
            let length = head
                .split("content-length: ")
                .nth(1)
                .and_then(|rest| rest.split('\r').next());
            let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
            stream.read_exact(&mut body).await.unwrap();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                .await
                .unwrap();
            if !read_head(&mut stream).await.is_empty() {
                heads.fetch_add(1, Ordering::Relaxed);
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_stale_connection_costs_a_safe_request_nothing() {
    let heads = Arc::new(AtomicU64::new(0));
    let upstream = forgetful(Arc::clone(&heads)).await;
    let gateway =
        Gateway::start(Setup::forwarding(upstream.address).set(&["workers"], json!(1))).await;
    let client = Client::http1(gateway.address().await).await;
    assert_eq!(client.get("/1").await.status, 200);
    assert_eq!(
        client.get("/2").await.status,
        200,
        "sent again over a fresh connection"
    );
    assert_eq!(upstream.seen().connections, 2);
    assert_eq!(heads.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_request_that_changes_something_is_never_sent_twice() {
    let heads = Arc::new(AtomicU64::new(0));
    let upstream = forgetful(Arc::clone(&heads)).await;
    let gateway =
        Gateway::start(Setup::forwarding(upstream.address).set(&["workers"], json!(1))).await;
    let client = Client::http1(gateway.address().await).await;
    assert_eq!(client.get("/1").await.status, 200);
    let answer = client
        .send(request(
            Method::DELETE,
            "/2",
            gateway_tests::client::nothing(),
        ))
        .await;
    assert_eq!(answer.status, 503);
    expect(&gateway.path("/2").await, 503, "upstream_reset");
    assert_eq!(
        client.post("/3", whole("x")).await.status,
        200,
        "over a fresh connection"
    );
    assert_eq!(client.post("/4", whole("x")).await.status, 503);
    expect(&gateway.path("/4").await, 503, "upstream_reset");
    assert_eq!(
        heads.load(Ordering::Relaxed),
        4,
        "every request arrived once"
    );
}

#[tokio::test]
async fn connections_are_kept_and_used_again() {
    let upstream = Upstream::echo().await;
    let gateway =
        Gateway::start(Setup::forwarding(upstream.address).set(&["workers"], json!(1))).await;
    let client = Client::http1(gateway.address().await).await;
    for _ in 0..20 {
        assert_eq!(client.get("/x").await.status, 200);
    }
    assert_eq!(
        (upstream.seen().connections, upstream.seen().requests),
        (1, 20)
    );
}

/// A connection whose request is still being sent is no idle one, though it was answered.
#[tokio::test]
async fn an_early_answer_holds_up_nobody_else() {
    let upstream = Upstream::raw(|mut stream| async move {
        if read_head(&mut stream).await.is_empty() {
            return;
        }
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .await
            .unwrap();
        // The rest of the request is read and forgotten.
        while stream.read_u8().await.is_ok() {}
    })
    .await;
    let setup = Setup::forwarding(upstream.address)
        .route("GET /next", json!({"integration": {"timeout": "5s"}}))
        .set(&["workers"], json!(1));
    let gateway = Gateway::start(setup).await;
    let address = gateway.address().await;
    let uploader = Client::http1(address).await;
    let (feed, body) = gateway_tests::client::pieces();
    feed.send("a part".into()).await.unwrap();
    let early = uploader
        .start(request(Method::POST, "/upload", body))
        .await
        .unwrap();
    assert_eq!(early.status(), 200);
    assert_eq!(Client::http1(address).await.get("/next").await.status, 200);
    drop(feed);
}

#[tokio::test]
async fn an_upstream_over_tls_is_verified_and_reached() {
    let authority = gateway_tests::authority::Authority::new();
    let acceptor = tokio_rustls::TlsAcceptor::from(authority.server(&["127.0.0.1"]));
    let upstream = Upstream::raw(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let mut stream = acceptor.accept(stream).await.unwrap();
            let mut start = [0; 18];
            stream.read_exact(&mut start).await.unwrap();
            assert_eq!(&start, b"GET /base/x?q HTTP");
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret";
            stream.write_all(answer).await.unwrap();
            std::future::pending().await
        }
    })
    .await;
    let setup = Setup::new();
    let root = authority.write_root(setup.directory());
    let url = format!("https://{}/base", upstream.address);
    let setup = setup
        .set(&["upstreams", "main", "url"], json!(url))
        .environment("SSL_CERT_FILE", root.to_str().unwrap())
        .route("$default", json!({}));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    assert_eq!(client.get("/x?q").await.text(), "secret");
}
