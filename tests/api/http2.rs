//! HTTP/2 connections that attack.

use gateway_tests::client::Client;
use gateway_tests::gateway::Gateway;
use gateway_tests::h2::{END_HEADERS, END_STREAM, Http2, field, get, kind};
use gateway_tests::setup::Setup;
use gateway_tests::upstream::{Reply, Upstream, reply};
use serde_json::json;

/// Error codes of RFC 9113, section 7.
const REFUSED_STREAM: u8 = 7;
const ENHANCE_YOUR_CALM: u8 = 11;

async fn silent() -> Upstream {
    Upstream::http(|_| async { std::future::pending::<Reply>().await }).await
}

/// CVE-2023-44487: streams that are opened and reset at once cost the server more than the client.
#[tokio::test]
async fn streams_reset_in_a_row_end_the_connection() {
    let upstream = silent().await;
    let gateway = Gateway::start(Setup::forwarding(upstream.address)).await;
    let mut attacker = Http2::connect(gateway.address().await, &[]).await;
    let mut flood = Vec::new();
    for stream in (1..4_000).step_by(2) {
        flood.extend(gateway_tests::h2::frame(
            kind::HEADERS,
            END_HEADERS | END_STREAM,
            stream,
            &get("/r"),
        ));
        flood.extend(gateway_tests::h2::frame(
            kind::RST_STREAM,
            0,
            stream,
            &[0, 0, 0, 8],
        ));
    }
    attacker.raw.write(flood).await;
    assert_eq!(attacker.goaway().await, Some(ENHANCE_YOUR_CALM));
    let record = gateway.reason("bad_request").await;
    assert_eq!(record["kind"], "connection");
    assert!(upstream.seen().requests < 200, "{:?}", upstream.seen());
    assert_eq!(
        Client::http2(gateway.address().await)
            .await
            .try_send(gateway_tests::client::get("/%00"))
            .await
            .unwrap()
            .status,
        400
    );
}

#[tokio::test]
async fn streams_beyond_the_limit_are_refused() {
    let upstream = silent().await;
    let setup =
        Setup::forwarding(upstream.address).listener("limits", json!({"http2_streams_max": 3}));
    let gateway = Gateway::start(setup).await;
    let mut client = Http2::connect(gateway.address().await, &[]).await;
    for stream in [1, 3, 5, 7] {
        client
            .write(kind::HEADERS, END_HEADERS | END_STREAM, stream, &get("/s"))
            .await;
    }
    let reset = client
        .read_kind(kind::RST_STREAM)
        .await
        .expect("the fourth is refused");
    assert_eq!(
        (reset.stream, reset.payload.last()),
        (7, Some(&REFUSED_STREAM))
    );
    upstream
        .when("three requests", |seen| seen.requests == 3)
        .await;
}

/// CVE-2024-27316: header blocks that never end.
#[tokio::test]
async fn a_header_block_without_end_ends_the_connection() {
    let upstream = silent().await;
    let gateway = Gateway::start(Setup::forwarding(upstream.address)).await;
    let (before, _) = gateway.memory();
    let mut attacker = Http2::connect(gateway.address().await, &[]).await;
    attacker
        .write(kind::HEADERS, END_STREAM, 1, &get("/c"))
        .await;
    let piece = field("x-filler", &"a".repeat(16_000));
    for _ in 0..2_000 {
        attacker.write(kind::CONTINUATION, 0, 1, &piece).await;
    }
    assert_eq!(attacker.goaway().await, Some(ENHANCE_YOUR_CALM));
    gateway.reason("bad_request").await;
    assert!(
        gateway.memory().1 < before + (16 << 20),
        "{:?}",
        gateway.memory()
    );
}

#[tokio::test]
async fn a_header_list_over_the_limit_is_refused() {
    let upstream = silent().await;
    let setup =
        Setup::forwarding(upstream.address).listener("limits", json!({"header_bytes_max": "8KiB"}));
    let gateway = Gateway::start(setup).await;
    let client = Client::http2(gateway.address().await).await;
    let answer = client
        .get_with("/large", &[("x-large", &"a".repeat(12_000))])
        .await;
    assert_eq!(answer.status, 431);
    assert_eq!(upstream.seen().requests, 0);
}

#[tokio::test]
async fn more_header_fields_than_allowed_are_refused() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(Setup::forwarding(upstream.address)).await;
    let client = Client::http2(gateway.address().await).await;
    let names: Vec<String> = (0..150).map(|number| format!("x-{number}")).collect();
    let fields: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
    assert_eq!(client.get_with("/many", &fields).await.status, 431);
    assert_eq!(gateway.path("/many").await["reason"], "too_many_headers");
    assert_eq!(upstream.seen().requests, 0);
}

#[tokio::test]
async fn frames_that_are_wrong_end_the_connection() {
    let upstream = silent().await;
    let gateway = Gateway::start(Setup::forwarding(upstream.address)).await;
    let address = gateway.address().await;
    let rows: [(&str, u8, u32, Vec<u8>); 4] = [
        ("DATA on no stream", kind::DATA, 0, vec![0; 4]),
        ("a PING of seven bytes", kind::PING, 0, vec![0; 7]),
        (
            "HEADERS that do not decode",
            kind::HEADERS,
            1,
            vec![0xff; 64],
        ),
        ("an even stream", kind::HEADERS, 2, get("/even")),
    ];
    for (name, kind, stream, payload) in rows {
        let mut client = Http2::connect(address, &[]).await;
        client
            .write(kind, END_HEADERS | END_STREAM, stream, &payload)
            .await;
        assert!(client.goaway().await.is_some(), "{name}");
    }
    gateway
        .metrics_when("four", |m| m.connections("bad_request") == 4.0)
        .await;
    assert_eq!(upstream.seen().requests, 0);
}

#[tokio::test]
async fn hop_by_hop_and_smuggled_fields_are_refused() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(Setup::forwarding(upstream.address)).await;
    let address = gateway.address().await;
    let fields = [
        ("transfer-encoding", "chunked"),
        ("connection", "close"),
        ("x", "a\r\nb"),
        ("X-Upper", "1"),
        ("te", "gzip"),
    ];
    for (name, value) in fields {
        let mut client = Http2::connect(address, &[]).await;
        let mut block = get("/smuggle");
        block.extend(field(name, value));
        client
            .write(kind::HEADERS, END_HEADERS | END_STREAM, 1, &block)
            .await;
        assert!(client.refused().await, "{name}");
    }
    assert_eq!(upstream.seen().requests, 0);
}

/// A client that opens no window keeps an answer, and with it the upstream's connection.
#[tokio::test]
async fn a_client_that_opens_no_window_is_cut_off() {
    let upstream = Upstream::http(|_| async { reply(200, vec![0; 1 << 20]) }).await;
    let setup = Setup::forwarding(upstream.address)
        .listener("timeouts", json!({"body": "300ms", "idle": "300ms"}));
    let gateway = Gateway::start(setup).await;
    // SETTINGS_INITIAL_WINDOW_SIZE = 0
    let mut client = Http2::connect(gateway.address().await, &[0, 4, 0, 0, 0, 0]).await;
    client
        .write(kind::HEADERS, END_HEADERS | END_STREAM, 1, &get("/stuck"))
        .await;
    let record = gateway.path("/stuck").await;
    assert_eq!(record["reason"], "client_left");
    gateway
        .metrics_when("it is counted", |m| m.connections("client_stalled") == 1.0)
        .await;
    while client.read().await.is_some() {}
}
