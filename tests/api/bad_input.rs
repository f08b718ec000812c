//! HTTP/1 that is wrong, hostile or merely strange.

use gateway_tests::gateway::Gateway;
use gateway_tests::raw::{Raw, exchange};
use gateway_tests::setup::Setup;
use gateway_tests::upstream::{ECHO_END, Upstream};
use gateway_tests::wait::until;
use serde_json::json;

const HOST: &str = "host: api.test\r\n";

struct Row {
    name: &'static str,
    sent: Vec<u8>,
    status: &'static str,
    /// Reason in the log, of whichever kind of record.
    reason: &'static str,
}

fn row(
    name: &'static str,
    sent: impl Into<Vec<u8>>,
    status: &'static str,
    reason: &'static str,
) -> Row {
    Row {
        name,
        sent: sent.into(),
        status,
        reason,
    }
}

fn get(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\n{fields}connection: close\r\n\r\n")
}

/// Each is sent on a connection of its own, to a gateway of its own log.
async fn check(rows: Vec<Row>) {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(Setup::forwarding(upstream.address)).await;
    let address = gateway.address().await;
    for (number, row) in rows.into_iter().enumerate() {
        let answer = exchange(address, &row.sent).await;
        let status = answer.get(9..12).unwrap_or_default();
        assert_eq!(status, row.status, "{}: {answer:?}", row.name);
        let is_written = async || (gateway.records().len() > number).then_some(());
        until(row.name, is_written).await;
        let records = gateway.records();
        assert_eq!(records.len(), number + 1, "{}: one record each", row.name);
        assert_eq!(
            records[number]["reason"], row.reason,
            "{}: {}",
            row.name, records[number]
        );
    }
    assert_eq!(upstream.seen().requests, 0);
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    check(vec![
        row(
            "garbage",
            "\x01\x02\x03 nonsense\r\n\r\n",
            "400",
            "bad_request",
        ),
        row("binary", vec![0xff; 512], "400", "bad_request"),
        row("HTTP/0.9", "GET /\r\n\r\n", "400", "bad_request"),
        row(
            "HTTP/3.0",
            format!("GET / HTTP/3.0\r\n{HOST}\r\n"),
            "400",
            "bad_request",
        ),
        row(
            "TLS to a plaintext port",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
            "400",
            "bad_request",
        ),
        row(
            "NUL in the target",
            get("/a\0b", HOST),
            "400",
            "bad_request",
        ),
        row(
            "NUL in a value",
            get("/", "host: api.test\r\nx: a\0b\r\n"),
            "400",
            "bad_request",
        ),
        row(
            "space before the colon",
            get("/", "host : api.test\r\n"),
            "400",
            "bad_request",
        ),
        row(
            "folded line",
            get("/", "host: api.test\r\nx: a\r\n b\r\n"),
            "400",
            "bad_request",
        ),
        row(
            "bare CR in a value",
            get("/", "host: api.test\r\nx: a\rb\r\n"),
            "400",
            "bad_request",
        ),
        row(
            "no name",
            get("/", "host: api.test\r\n: x\r\n"),
            "400",
            "bad_request",
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let many: String = (0..101).map(|n| format!("x-{n}: 1\r\n")).collect();
    check(vec![
        row(
            "one large field",
            get("/", &format!("{HOST}x: {}\r\n", "a".repeat(40_000))),
            "431",
            "bad_request",
        ),
        row(
            "too many fields",
            get("/", &format!("{HOST}{many}")),
            "431",
            "bad_request",
        ),
        row(
            "a head without end",
            format!("GET / HTTP/1.1\r\n{}", "a: b\r\n".repeat(8_000)),
            "431",
            "bad_request",
        ),
        row(
            "a very long target",
            get(&format!("/{}", "a".repeat(70_000)), HOST),
            "431",
            "bad_request",
        ),
    ])
    .await;
}

#[tokio::test]
async fn framing_that_two_parsers_could_read_differently_is_refused() {
    let post = |fields: &str, body: &str| format!("POST / HTTP/1.1\r\n{HOST}{fields}\r\n{body}");
    check(vec![
        row(
            "two different lengths",
            post("content-length: 1\r\ncontent-length: 2\r\n", "ab"),
            "400",
            "bad_request",
        ),
        row(
            "list of lengths",
            post("content-length: 1, 1\r\n", "a"),
            "400",
            "bad_request",
        ),
        row(
            "signed length",
            post("content-length: +1\r\n", "a"),
            "400",
            "bad_request",
        ),
        row(
            "hexadecimal length",
            post("content-length: 0x1\r\n", "a"),
            "400",
            "bad_request",
        ),
        row(
            "unknown coding",
            post("transfer-encoding: magic\r\n", "0\r\n\r\n"),
            "400",
            "bad_request",
        ),
        row(
            "chunked not last",
            post("transfer-encoding: chunked, gzip\r\n", "0\r\n\r\n"),
            "400",
            "bad_request",
        ),
        row(
            "more than chunked",
            post("transfer-encoding: gzip, chunked\r\n", "0\r\n\r\n"),
            "400",
            "bad_framing",
        ),
        row(
            "chunked twice",
            post(
                "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
                "0\r\n\r\n",
            ),
            "400",
            "bad_framing",
        ),
        row(
            "chunked behind something",
            post(
                "transfer-encoding: x\r\ntransfer-encoding: chunked\r\n",
                "0\r\n\r\n",
            ),
            "400",
            "bad_framing",
        ),
        row(
            "chunked in HTTP/1.0",
            format!("POST / HTTP/1.0\r\n{HOST}transfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
            "400",
            "bad_request",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_host_that_is_none_or_two_is_refused() {
    check(vec![
        row("none", get("/", ""), "400", "bad_host"),
        row(
            "two",
            get("/", "host: api.test\r\nhost: api.test\r\n"),
            "400",
            "bad_host",
        ),
        row("empty", get("/", "host:\r\n"), "400", "bad_host"),
        row(
            "with a path",
            get("/", "host: api.test/x\r\n"),
            "400",
            "bad_host",
        ),
        row(
            "with a user",
            get("/", "host: me@api.test\r\n"),
            "400",
            "bad_host",
        ),
        row(
            "with a space",
            get("/", "host: api test\r\n"),
            "400",
            "bad_host",
        ),
        row(
            "not UTF-8",
            b"GET / HTTP/1.1\r\nhost: \xff\xfe\r\nconnection: close\r\n\r\n".to_vec(),
            "400",
            "bad_host",
        ),
        row(
            "another in the target",
            get("http://other.test/", HOST),
            "400",
            "bad_host",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_path_that_an_upstream_might_resolve_is_refused() {
    check(vec![
        row("dots", get("/a/../b", HOST), "400", "bad_path"),
        row("encoded dots", get("/a/%2e%2e/b", HOST), "400", "bad_path"),
        row("half encoded", get("/a/.%2E/b", HOST), "400", "bad_path"),
        row("one dot", get("/a/./b", HOST), "400", "bad_path"),
        row(
            "dots behind an encoded slash",
            get("/a%2f..%2fb", HOST),
            "400",
            "bad_path",
        ),
        row("encoded NUL", get("/a%00", HOST), "400", "bad_path"),
        row("encoded line feed", get("/a%0a", HOST), "400", "bad_path"),
        row("not UTF-8", get("/%ff%fe", HOST), "400", "bad_path"),
        row("half an escape", get("/%4", HOST), "400", "bad_path"),
        row("too deep", get(&"/a".repeat(300), HOST), "400", "bad_path"),
        row(
            "asterisk",
            format!("OPTIONS * HTTP/1.1\r\n{HOST}connection: close\r\n\r\n"),
            "400",
            "bad_path",
        ),
    ])
    .await;
}

/// RFC 9112, section 6.1: the chunked coding counts, and the connection must end, so that what
/// one of two lengths leaves over is never a request.
#[tokio::test]
async fn with_both_lengths_nothing_is_smuggled() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(Setup::forwarding(upstream.address)).await;
    let address = gateway.address().await;
    let hidden = format!("GET /smuggled HTTP/1.1\r\n{HOST}\r\n");
    let both = [
        "content-length: 4\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 4\r\n",
    ];
    for fields in both {
        let answer = exchange(
            address,
            format!("POST /front HTTP/1.1\r\n{HOST}{fields}\r\n0\r\n\r\n{hidden}"),
        )
        .await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        assert!(!answer.contains(r#""content-length":"4""#), "{answer}");
    }
    gateway.path("/front").await;
    assert!(
        gateway
            .records()
            .iter()
            .all(|record| record["path"] == "/front")
    );
}

#[tokio::test]
async fn a_head_that_breaks_off_or_dawdles_ends_the_connection() {
    let upstream = Upstream::echo().await;
    let setup = Setup::forwarding(upstream.address)
        .listener("timeouts", json!({"headers": "200ms", "idle": "20s"}));
    let gateway = Gateway::start(setup).await;
    let address = gateway.address().await;
    let mut half = Raw::connect(address).await;
    half.write("GET /half HTTP/1.1\r\nhost: a").await;
    half.finish().await;
    assert_eq!(half.read_to_end().await, "");
    // Nothing at all, a part of the HTTP/2 preface, and a part of a head.
    for (number, start) in ["", "PRI * HT", "GET / HTTP/1.1\r\nhost"]
        .iter()
        .enumerate()
    {
        let mut slow = Raw::connect(address).await;
        slow.write(start).await;
        assert_eq!(slow.read_to_end().await, "", "{start:?}");
        let expected = f64::from(u32::try_from(number).unwrap() + 1);
        gateway
            .metrics_when("a time-out", |m| {
                m.connections("header_timeout") == expected
            })
            .await;
    }
    gateway.reason("header_timeout").await;
    // The second request of a connection is timed as the first was.
    let mut second = Raw::connect(address).await;
    second
        .write(format!("GET /first HTTP/1.1\r\n{HOST}\r\n"))
        .await;
    second.read_until(ECHO_END).await;
    second.write("GET /second HT").await;
    assert_eq!(second.read_to_end().await, "");
    gateway
        .metrics_when("a time-out", |m| m.connections("header_timeout") == 4.0)
        .await;
    assert_eq!(upstream.seen().requests, 1);
}

#[tokio::test]
async fn strange_but_valid_requests_are_served() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(Setup::forwarding(upstream.address)).await;
    let address = gateway.address().await;
    let rows = [
        (
            "HTTP/1.0",
            format!("GET /one HTTP/1.0\r\n{HOST}\r\n"),
            r#""uri":"/one""#,
        ),
        (
            "absolute form",
            get("http://api.test/absolute?q", HOST),
            r#""uri":"/absolute?q""#,
        ),
        (
            "long target",
            get(&format!("/{}", "a".repeat(10_000)), HOST),
            r#""method":"GET""#,
        ),
        (
            "bytes that are no text",
            get("/text?caf\u{e9}", HOST),
            "uri",
        ),
        (
            "upgrade with bytes behind it",
            get("/up", &format!("{HOST}upgrade: websocket\r\n")) + "\x01\x02",
            r#""uri":"/up""#,
        ),
        (
            "empty lines first",
            format!("\r\n\r\n{}", get("/lines", HOST)),
            r#""uri":"/lines""#,
        ),
    ];
    for (name, sent, expected) in rows {
        let answer = exchange(address, sent).await;
        assert!(
            answer.starts_with("HTTP/1.") && answer.get(9..12) == Some("200"),
            "{name}: {answer}"
        );
        assert!(answer.contains(expected), "{name}: {answer}");
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(Setup::forwarding(upstream.address)).await;
    let two = format!("GET /first HTTP/1.1\r\n{HOST}\r\n{}", get("/second", HOST));
    let answer = exchange(gateway.address().await, two).await;
    let (first, second) = (
        answer.find("/first").unwrap(),
        answer.find("/second").unwrap(),
    );
    assert!(first < second, "{answer}");
}
