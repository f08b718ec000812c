//! What happens when something runs out: descriptors, connections, patience.

use std::time::Duration;

use gateway_tests::client::{Client, get, nothing, request};
use gateway_tests::gateway::Gateway;
use gateway_tests::raw::{Raw, exchange};
use gateway_tests::setup::Setup;
use gateway_tests::upstream::{ECHO_END, Upstream, reply};
use http::Method;
use serde_json::json;

#[tokio::test]
async fn without_descriptors_accept_backs_off_and_recovers() {
    let upstream = Upstream::echo().await;
    let setup = Setup::forwarding(upstream.address)
        .set(&["workers"], json!(1))
        .descriptors_max(48);
    let gateway = Gateway::start(setup).await;
    let address = gateway.address().await;
    // A scraper that is connected already: later ones would find no descriptor either.
    let scraper = Client::http1(gateway.metrics_address().await).await;
    let failed = || async {
        let page = scraper.get("/metrics").await.text();
        let line = page
            .lines()
            .find(|line| line.contains("event=\"accept_failed\""))
            .unwrap();
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    let mut idle = Vec::new();
    for _ in 0..64 {
        idle.push(Raw::connect(address).await);
    }
    gateway_tests::wait::until("a failure", || async {
        (failed().await > 0.0).then_some(())
    })
    .await;
    let (before, failures) = (gateway.processor_ticks(), failed().await);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (spent, retries) = (
        gateway.processor_ticks() - before,
        failed().await - failures,
    );
    // A loop that spins takes all hundred ticks of a second and fails many thousand times.
    assert!(spent < 50, "{spent} ticks in a second");
    assert!(retries < 60.0, "{retries} retries in a second");
    drop(idle);
    assert_eq!(Client::http1(address).await.get("/after").await.status, 200);
    let told = gateway
        .errors
        .all()
        .iter()
        .filter(|line| line.contains("cannot accept"))
        .count();
    assert!((1..20).contains(&told), "said {told} times");
}

#[tokio::test]
async fn a_full_listener_closes_further_connections() {
    let upstream = Upstream::echo().await;
    let setup =
        Setup::forwarding(upstream.address).listener("limits", json!({"connections_max": 2}));
    let gateway = Gateway::start(setup).await;
    let address = gateway.address().await;
    let (one, two) = (Client::http1(address).await, Client::http1(address).await);
    assert_eq!(
        (one.get("/1").await.status, two.get("/2").await.status),
        (200, 200)
    );
    assert_eq!(
        exchange(address, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await,
        ""
    );
    assert_eq!(gateway.reason("listener_full").await["kind"], "connection");
    drop(one);
    gateway
        .metrics_when("room", |m| m.get("gateway_connections_open") == 1.0)
        .await;
    assert_eq!(Client::http1(address).await.get("/3").await.status, 200);
    assert_eq!(gateway.metrics().await.connections("listener_full"), 1.0);
}

#[tokio::test]
async fn a_source_with_too_many_connections_shuts_out_only_itself() {
    let upstream = Upstream::echo().await;
    let setup = Setup::forwarding(upstream.address)
        .listener("limits", json!({"connections_per_source_max": 2}));
    let gateway = Gateway::start(setup).await;
    let address = gateway.address().await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let client = Client::http1_from("127.0.0.2", address).await;
        assert_eq!(client.get("/in").await.status, 200);
        held.push(client);
    }
    let mut third = Raw::connect_from("127.0.0.2", address).await;
    assert_eq!(third.read_to_end().await, "");
    let record = gateway.reason("source_full").await;
    assert!(
        record["peer"].as_str().unwrap().starts_with("127.0.0.2:"),
        "{record}"
    );
    assert_eq!(
        Client::http1_from("127.0.0.3", address)
            .await
            .get("/other")
            .await
            .status,
        200
    );
    held.pop();
    gateway
        .metrics_when("room", |m| m.get("gateway_connections_open") <= 2.0)
        .await;
    assert_eq!(
        Client::http1_from("127.0.0.2", address)
            .await
            .get("/again")
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_order() {
    let upstream = Upstream::echo().await;
    let setup = Setup::forwarding(upstream.address).listener("timeouts", json!({"idle": "200ms"}));
    let gateway = Gateway::start(setup).await;
    let address = gateway.address().await;
    let mut raw = Raw::connect(address).await;
    raw.write("GET /a HTTP/1.1\r\nhost: api.test\r\n\r\n").await;
    raw.read_until(ECHO_END).await;
    assert_eq!(raw.read_to_end().await, "", "the end, and not a reset");
    let mut http2 = gateway_tests::h2::Http2::connect(address, &[]).await;
    assert_eq!(http2.goaway().await, Some(0), "NO_ERROR");
    gateway
        .metrics_when("none", |m| m.get("gateway_connections_open") == 0.0)
        .await;
    assert_eq!(
        gateway.records().len(),
        1,
        "nothing went wrong, so nothing is said"
    );
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let upstream = Upstream::http(|_| async { reply(200, vec![7; 64 << 20]) }).await;
    let setup = Setup::forwarding(upstream.address).listener("timeouts", json!({"body": "300ms"}));
    let gateway = Gateway::start(setup).await;
    let mut raw = Raw::connect(gateway.address().await).await;
    raw.write("GET /stuck HTTP/1.1\r\nhost: api.test\r\n\r\n")
        .await;
    let record = gateway.path("/stuck").await;
    assert_eq!(
        (&record["status"], &record["reason"]),
        (&json!(200), &json!("client_left"))
    );
    assert_eq!(gateway.reason("client_stalled").await["kind"], "connection");
    assert_eq!(gateway.metrics().await.connections("client_stalled"), 1.0);
    assert!(raw.read_to_end().await.len() < 64 << 20);
}

/// A slow reader that reads at all is not cut off.
#[tokio::test]
async fn a_client_that_reads_slowly_is_served_to_the_end() {
    let upstream = Upstream::http(|_| async { reply(200, vec![7; 8 << 20]) }).await;
    let setup = Setup::forwarding(upstream.address).listener("timeouts", json!({"body": "500ms"}));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let mut body = client.start(get("/slow")).await.unwrap().into_body();
    let (mut length, mut paused) = (0, 0);
    while let Some(frame) = http_body_util::BodyExt::frame(&mut body).await {
        length += frame.unwrap().into_data().unwrap().len();
        if length / (1 << 20) > paused {
            paused = length / (1 << 20);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    assert_eq!(length, 8 << 20);
    assert_eq!(gateway.path("/slow").await["reason"], json!(null));
}

/// Time-outs concern what a client does; an upstream that takes its time has its own.
#[tokio::test]
async fn a_slow_upstream_is_no_idle_client() {
    let upstream = Upstream::http(|_| async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        reply(200, "late")
    })
    .await;
    let short = json!({"idle": "100ms", "headers": "100ms", "body": "100ms"});
    let gateway =
        Gateway::start(Setup::forwarding(upstream.address).listener("timeouts", short)).await;
    let address = gateway.address().await;
    for http2 in [false, true] {
        let client = if http2 {
            Client::http2(address).await
        } else {
            Client::http1(address).await
        };
        assert_eq!(
            client
                .send(request(Method::DELETE, "/late", nothing()))
                .await
                .text(),
            "late"
        );
    }
}

#[tokio::test]
async fn over_tls_a_client_that_does_not_read_is_cut_off_too() {
    let upstream = Upstream::http(|_| async { reply(200, vec![7; 64 << 20]) }).await;
    let authority = gateway_tests::authority::Authority::new();
    let setup = Setup::forwarding(upstream.address);
    let name = gateway_tests::client::HOST_NAME;
    let certificate = authority.write_certificate(setup.directory(), "api", &[name]);
    let setup = setup
        .listener("tls", json!({"certificates": [certificate]}))
        .listener(
            "timeouts",
            json!({"body": "300ms", "idle": "300ms", "headers": "300ms"}),
        );
    let gateway = Gateway::start(setup).await;
    let address = gateway.address().await;
    for (count, protocol) in [(1.0, "http/1.1"), (2.0, "h2")] {
        let client = Client::tls(address, &authority.client(&[protocol])).await;
        // The response is never read: hyper stops taking bytes off the socket.
        let response = client.start(get("/stuck")).await.unwrap();
        gateway
            .metrics_when("a cut", |m| m.connections("client_stalled") == count)
            .await;
        drop(response);
    }
    let records = gateway.all_records().await;
    let left = records.iter().filter(|r| r["reason"] == "client_left");
    assert_eq!(left.count(), 2, "{records:?}");
}
