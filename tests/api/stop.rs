//! How it ends.

use std::net::SocketAddr;

use gateway_tests::authority::Authority;
use gateway_tests::client::{Client, HOST_NAME, get, tls};
use gateway_tests::gateway::Gateway;
use gateway_tests::h2::Http2;
use gateway_tests::issuer;
use gateway_tests::raw::Raw;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::{Reply, Upstream};
use gateway_tests::wait::within;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

#[tokio::test]
async fn requests_under_way_finish_and_nothing_new_begins() {
    for signal in [Signal::TERM, Signal::INT] {
        let (upstream, go) = Upstream::gated().await;
        let mut gateway = Gateway::start(Setup::forwarding(upstream.address)).await;
        let address = gateway.address().await;
        let mut idle = Raw::connect(address).await;
        idle.write("GET /short HTTP/1.1\r\nhost: api.test\r\n\r\n")
            .await;
        idle.read_until("whole").await;
        let mut http2 = Http2::connect(address, &[]).await;
        let client = Client::http1(address).await;
        let call = tokio::spawn(async move { client.get("/long").await });
        upstream.when("both calls", |seen| seen.requests == 2).await;
        gateway.signal(signal);
        assert_eq!(idle.read_to_end().await, "", "an idle connection is closed");
        assert_eq!(http2.goaway().await, Some(0));
        // It answers no ping either, so the gateway would wait for it as long as it may.
        drop(http2);
        gateway_tests::wait::until("closed doors", || async {
            tokio::net::TcpStream::connect(address)
                .await
                .is_err()
                .then_some(())
        })
        .await;
        assert!(!call.is_finished());
        go.add_permits(1);
        let answer = call.await.unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, "whole"));
        assert!(gateway.ended().await.success());
        let records = gateway.log.finish();
        let requests = records
            .iter()
            .filter(|line| line.contains(r#""kind":"request""#));
        assert_eq!(requests.count(), 2, "{records:?}");
        assert!(!gateway.setup().admin_socket().exists());
    }
}

#[tokio::test]
async fn connections_over_tls_that_wait_are_closed_in_order() {
    let (upstream, authority) = (Upstream::echo().await, Authority::new());
    let setup = Setup::forwarding(upstream.address).set(&["drain_timeout"], json!("1h"));
    let certificate = authority.write_certificate(setup.directory(), "main", &[HOST_NAME]);
    let setup = setup.listener("tls", json!({"certificates": [certificate]}));
    let mut gateway = Gateway::start(setup).await;
    let address = gateway.address().await;
    let mut idle = tls(address, &authority.client(&["http/1.1"]), HOST_NAME)
        .await
        .unwrap();
    let request = format!("GET / HTTP/1.1\r\nhost: {HOST_NAME}\r\n\r\n");
    idle.write_all(request.as_bytes()).await.unwrap();
    let record = gateway.path("/").await;
    assert_eq!(record["status"], 200, "{record}");
    gateway.signal(Signal::TERM);
    let mut read = Vec::new();
    // Without a `close_notify` this is an error.
    let closed = within("the peer's end", idle.read_to_end(&mut read)).await;
    closed.unwrap();
    let answer = String::from_utf8_lossy(&read);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(gateway.ended().await.success());
}

#[tokio::test]
async fn the_drain_time_out_cuts_what_is_left() {
    let upstream = Upstream::http(|_| async { std::future::pending::<Reply>().await }).await;
    let setup = Setup::forwarding(upstream.address).set(&["drain_timeout"], json!("300ms"));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let call = tokio::spawn(async move { client.try_send(get("/long")).await });
    upstream.when("the call", |seen| seen.requests == 1).await;
    let records = gateway.all_records().await;
    assert!(call.await.unwrap().is_err());
    upstream.when("its end", |seen| seen.cancelled == 1).await;
    assert_eq!(
        records.len(),
        1,
        "cut requests are recorded too: {records:?}"
    );
    assert_eq!(records[0]["path"], "/long");
}

#[tokio::test]
async fn a_second_signal_cuts_at_once() {
    let upstream = Upstream::http(|_| async { std::future::pending::<Reply>().await }).await;
    let setup = Setup::forwarding(upstream.address).set(&["drain_timeout"], json!("1h"));
    let mut gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let call = tokio::spawn(async move { client.try_send(get("/long")).await });
    upstream.when("the call", |seen| seen.requests == 1).await;
    let started = Instant::now();
    gateway.signal(Signal::TERM);
    gateway
        .errors
        .find("the first", |line| {
            line.contains("no new connections").then_some(())
        })
        .await;
    gateway.signal(Signal::TERM);
    assert!(gateway.ended().await.success());
    assert!(call.await.unwrap().is_err());
    assert!(started.elapsed() < gateway_tests::wait::DEADLINE);
    assert_eq!(gateway.log.finish().len(), 1);
}

#[tokio::test]
async fn a_killed_gateway_leaves_nothing_in_the_way_of_the_next() {
    let upstream = Upstream::echo().await;
    let mut gateway = Gateway::start(Setup::forwarding(upstream.address)).await;
    gateway.signal(Signal::KILL);
    assert!(!gateway.ended().await.success());
    let setup = std::mem::take(gateway.setup());
    assert!(setup.admin_socket().exists());
    let gateway = Gateway::start(setup).await;
    assert_eq!(
        Client::http1(gateway.address().await)
            .await
            .get("/")
            .await
            .status,
        200
    );
}

/// A client whose connection the kernel had taken is answered, however late it came.
#[tokio::test]
async fn nobody_who_got_in_is_turned_away_unanswered() {
    for http2 in [true, false] {
        let upstream = Upstream::echo().await;
        let setup = Setup::forwarding(upstream.address).listener("http2", json!(http2));
        let mut gateway = Gateway::start(setup).await;
        let address = gateway.address().await;
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..16 {
            clients.spawn(knock(address));
        }
        let flowing = upstream.when("a full flow", |seen| seen.requests > 500);
        flowing.await;
        gateway.signal(Signal::TERM);
        let unanswered: u32 = clients.join_all().await.iter().sum();
        assert!(gateway.ended().await.success());
        assert_eq!(unanswered, 0);
    }
}

/// Connects and asks until nobody listens; how often that was in vain.
async fn knock(address: SocketAddr) -> u32 {
    let mut unanswered = 0;
    while let Ok(stream) = TcpStream::connect(address).await {
        let mut raw = Raw { stream };
        raw.write("GET / HTTP/1.1\r\nhost: api.test\r\nconnection: close\r\n\r\n")
            .await;
        if !raw.read_to_end().await.starts_with("HTTP/1.1 200") {
            unanswered += 1;
        }
    }
    unanswered
}

/// An issuer that accepts connections and says nothing, for as long as keys may take.
async fn silent() -> (TcpListener, Value) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/keys", listener.local_addr().unwrap());
    let authorizer = issuer::authorizer(json!({"url": url, "timeout": "30s"}));
    (listener, authorizer)
}

/// Waits for somebody who comes for keys; the connection stays open as long as what is returned.
async fn asked(listener: &TcpListener) -> TcpStream {
    let accepted = gateway_tests::wait::within("a fetch of keys", listener.accept());
    accepted.await.unwrap().0
}

#[tokio::test]
async fn nobody_waits_for_keys_who_stops_the_gateway() {
    let upstream = Upstream::echo().await;
    let (listener, authorizer) = silent().await;
    let protected = |setup: Setup| {
        setup
            .set(&["authorizers", "main"], authorizer.clone())
            .route("GET /a", json!({"authorizer": "main"}))
    };
    // While it starts.
    let setup = protected(Setup::forwarding(upstream.address));
    let mut gateway = Gateway::spawn(setup);
    let fetch = asked(&listener).await;
    let told = Instant::now();
    gateway.signal(Signal::TERM);
    assert!(gateway.ended().await.success());
    assert!(told.elapsed().as_secs() < 20, "{:?}", told.elapsed());
    drop(fetch);

    // While it reloads, and whoever asked for that is told.
    let mut gateway = Gateway::start(Setup::forwarding(upstream.address)).await;
    let client = Client::http1(gateway.address().await).await;
    let setup = gateway.setup();
    setup.change(&["authorizers", "main"], authorizer);
    let route = json!({"authorizer": "main", "integration": {"upstream": "main"}});
    setup.change(&["apis", "main", "routes", "GET /a"], route);
    drop(setup.write());
    let (reload, fetch) = tokio::join!(gateway.reload(), async {
        let fetch = asked(&listener).await;
        assert_eq!(client.get("/a").await.status, 200, "what was runs on");
        gateway.signal(Signal::TERM);
        (fetch, Instant::now())
    });
    let (_fetch, told) = fetch;
    assert_eq!(reload["message"], "the gateway is stopping");
    assert!(gateway.ended().await.success());
    assert!(told.elapsed().as_secs() < 20, "{:?}", told.elapsed());
}
