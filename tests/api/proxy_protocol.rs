//! Connections that a balancer passes on, with the PROXY protocol in front of them.

use std::net::SocketAddr;

use gateway_tests::abuse::{ask, hammer, limited};
use gateway_tests::authority::Authority;
use gateway_tests::client::{Answer, Client, HOST_NAME, connect_from, get, tls_over, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::raw::Raw;
use gateway_tests::setup::Setup;
use gateway_tests::site::Site;
use gateway_tests::upstream::Upstream;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// The balancer of all tests.
const BALANCER: &str = "127.0.0.9";
/// Whose connections it passes on.
const CLIENT: &str = "198.51.100.7";

const REQUEST: &str = "GET /raw HTTP/1.1\r\nhost: api.test\r\nconnection: close\r\n\r\n";

fn line(client: &str) -> Vec<u8> {
    format!("PROXY TCP4 {client} 203.0.113.1 40000 443\r\n").into()
}

/// The same in version 2, with an addition that nobody knows.
fn block(client: [u8; 4]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x12".to_vec();
    header.extend(client);
    header.extend([203, 0, 113, 1, 0x9c, 0x40, 0x01, 0xbb]);
    header.extend([0xee, 0, 3, 1, 2, 3]);
    header
}

fn setup(upstream: &Upstream) -> Setup {
    let asked = json!({"from": [BALANCER], "timeout": "500ms"});
    Setup::forwarding(upstream.address).listener("proxy_protocol", asked)
}

/// A connection of the balancer that begins with these bytes.
async fn opened(address: SocketAddr, header: &[u8]) -> TcpStream {
    let mut stream = connect_from(BALANCER, address).await;
    stream.write_all(header).await.unwrap();
    stream
}

async fn get_with(address: SocketAddr, header: &[u8], path: &str) -> Answer {
    let client = Client::http1_over(opened(address, header).await).await;
    client.get(path).await
}

/// What becomes of a connection of the balancer that begins with these bytes.
async fn ended(address: SocketAddr, bytes: &[u8]) -> String {
    let mut raw = Raw::connect_from(BALANCER, address).await;
    raw.write(bytes).await;
    raw.read_to_end().await
}

async fn deny(gateway: &Gateway, prefix: &str) {
    let line = json!({"do": "list_add", "list": "deny", "prefix": prefix, "for_seconds": null});
    let answer = gateway.admin(&line.to_string()).await;
    assert_eq!(answer["answer"], "done", "{answer}");
}

fn of_connection(reason: &'static str) -> impl Fn(&Value) -> bool {
    move |record| record["kind"] == "connection" && record["reason"] == reason
}

#[tokio::test]
async fn whom_a_balancer_announces_is_the_client_in_every_respect() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(setup(&upstream)).await;
    let address = gateway.address().await;
    let headers = [line(CLIENT), block([198, 51, 100, 7])];
    for (header, path) in headers.iter().zip(["/one", "/two"]) {
        let answer = get_with(address, header, path).await;
        let seen = &answer.json()["headers"];
        assert_eq!(seen["x-forwarded-for"], CLIENT);
        assert_eq!(seen["x-forwarded-port"], "443");
        let forwarded = format!("for={CLIENT};host=\"api.test\";proto=http");
        assert_eq!(seen["forwarded"], forwarded);
        let record = gateway.path(path).await;
        assert_eq!(record["client"], CLIENT);
        assert_eq!(record["announced"], format!("{CLIENT}:40000"));
        let peer = record["peer"].as_str().unwrap();
        assert!(peer.starts_with("127.0.0.9:"), "{peer}");
    }
}

#[tokio::test]
async fn an_announced_ipv6_client_is_told_as_one() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(setup(&upstream)).await;
    let header = b"PROXY TCP6 2001:db8::7 2001:db8::1 40000 443\r\n";
    let answer = get_with(gateway.address().await, header, "/six").await;
    let seen = &answer.json()["headers"];
    assert_eq!(seen["x-forwarded-for"], "2001:db8::7");
    let forwarded = "for=\"[2001:db8::7]\";host=\"api.test\";proto=http";
    assert_eq!(seen["forwarded"], forwarded);
    let record = gateway.path("/six").await;
    assert_eq!(record["announced"], "[2001:db8::7]:40000");
}

#[tokio::test]
async fn a_connection_of_the_balancers_own_is_that_of_its_address() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(setup(&upstream)).await;
    let address = gateway.address().await;
    let own = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";
    for (header, path) in [
        (&own[..], "/local"),
        (b"PROXY UNKNOWN\r\n", "/unknown"),
        (
            b"PROXY UNKNOWN 198.51.100.7 203.0.113.1 1 2\r\n",
            "/ignored",
        ),
    ] {
        let answer = get_with(address, header, path).await;
        assert_eq!(answer.json()["headers"]["x-forwarded-for"], BALANCER);
        let record = gateway.path(path).await;
        assert_eq!(record["client"], BALANCER);
        assert_eq!(record["announced"], Value::Null);
    }
}

#[tokio::test]
async fn a_header_may_come_byte_by_byte_and_what_follows_is_not_touched() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(setup(&upstream)).await;
    let address = gateway.address().await;
    for header in [line(CLIENT), block([198, 51, 100, 7])] {
        let mut raw = Raw::connect_from(BALANCER, address).await;
        for byte in &header {
            raw.write([*byte]).await;
            tokio::task::yield_now().await;
        }
        raw.write(REQUEST).await;
        let answer = raw.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains(CLIENT), "{answer}");
        // All in one piece as well.
        let mut raw = Raw::connect_from(BALANCER, address).await;
        raw.write([&header, REQUEST.as_bytes()].concat()).await;
        let answer = raw.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

#[tokio::test]
async fn it_stands_in_front_of_tls_and_of_both_versions_of_http() {
    let (upstream, authority) = (Upstream::echo().await, Authority::new());
    let setup = setup(&upstream);
    let certificate = authority.write_certificate(setup.directory(), "main", &[HOST_NAME]);
    let gateway =
        Gateway::start(setup.listener("tls", json!({"certificates": [certificate]}))).await;
    let address = gateway.address().await;
    for (protocol, path) in [("http/1.1", "/tls1"), ("h2", "/tls2")] {
        let stream = opened(address, &line(CLIENT)).await;
        let config = authority.client(&[protocol]);
        let stream = tls_over(stream, &config, HOST_NAME).await.unwrap();
        let answer = Client::over_tls(stream).await.get(path).await;
        assert_eq!(answer.json()["headers"]["x-forwarded-for"], CLIENT);
        assert_eq!(gateway.path(path).await["tls"], "TLSv1.3");
    }
    // TLS without the header is no header.
    let stream = connect_from(BALANCER, address).await;
    let config = authority.client(&["http/1.1"]);
    assert!(tls_over(stream, &config, HOST_NAME).await.is_err());
    let record = gateway
        .record("the refusal", of_connection("proxy_header_invalid"))
        .await;
    assert!(record["peer"].as_str().unwrap().starts_with(BALANCER));
}

#[tokio::test]
async fn a_balancer_that_sends_no_whole_header_in_time_is_not_served() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(setup(&upstream)).await;
    let address = gateway.address().await;
    let mut waiting = Raw::connect_from(BALANCER, address).await;
    waiting.write(b"PROXY TCP4 198.51.100.7 203.").await;
    assert_eq!(waiting.read_to_end().await, "");
    let mut silent = Raw::connect_from(BALANCER, address).await;
    assert_eq!(silent.read_to_end().await, "");
    let timeouts = gateway
        .metrics_when("two time-outs", |metrics| {
            metrics.connections("proxy_header_timeout") == 2.0
        })
        .await;
    assert_eq!(timeouts.connections("proxy_header_invalid"), 0.0);
    assert_eq!(
        gateway.reason("proxy_header_timeout").await["kind"],
        "connection"
    );
    assert_eq!(upstream.seen().requests, 0);
}

#[tokio::test]
async fn what_is_no_header_is_refused_with_what_is_wrong_with_it() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(setup(&upstream)).await;
    let address = gateway.address().await;
    let too_long = format!("PROXY UNKNOWN {}\r\n", "f".repeat(92));
    let mut long_block = b"\r\n\r\n\0\r\nQUIT\n\x21\x11".to_vec();
    long_block.extend(4_081_u16.to_be_bytes());
    let rows: [(&[u8], &str); 5] = [
        (REQUEST.as_bytes(), "begins with something else"),
        (b"PROXY TCP4 a b 1 2\r\n", "an address"),
        (too_long.as_bytes(), "more than 107 bytes"),
        (&long_block, "4097 bytes: at most 4096"),
        (b"PROXY TCP4 198.51.100.7 203.0.113.1 1 2\n", "CR and LF"),
    ];
    for (bytes, wrong) in rows {
        assert_eq!(ended(address, bytes).await, "", "{wrong}");
        let found = |record: &Value| {
            let detail = record["detail"].as_str().unwrap_or_default();
            of_connection("proxy_header_invalid")(record) && detail.contains(wrong)
        };
        drop(gateway.record(wrong, found).await);
    }
    let mut half = Raw::connect_from(BALANCER, address).await;
    half.write(b"PROXY TCP4").await;
    half.finish().await;
    assert_eq!(half.read_to_end().await, "");
    let metrics = gateway
        .metrics_when("six of them", |metrics| {
            metrics.connections("proxy_header_invalid") == 6.0
        })
        .await;
    // Who only looks whether anybody listens has done nothing wrong.
    let mut look = Raw::connect_from(BALANCER, address).await;
    look.finish().await;
    assert_eq!(look.read_to_end().await, "");
    assert_eq!(metrics.connections("proxy_header_timeout"), 0.0);
    assert_eq!(
        gateway.metrics().await.connections("proxy_header_invalid"),
        6.0
    );
    assert_eq!(upstream.seen().requests, 0);
}

#[tokio::test]
async fn from_anybody_else_the_header_is_nonsense() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(setup(&upstream)).await;
    let address = gateway.address().await;
    for header in [line(CLIENT), block([198, 51, 100, 7])] {
        let mut raw = Raw::connect_from("127.0.0.10", address).await;
        raw.write([&header, REQUEST.as_bytes()].concat()).await;
        let answer = raw.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    assert_eq!(upstream.seen().requests, 0);
    let answer = Client::http1_from("127.0.0.10", address)
        .await
        .get("/own")
        .await;
    assert_eq!(answer.json()["headers"]["x-forwarded-for"], "127.0.0.10");
}

#[tokio::test]
async fn lists_caps_and_rates_are_for_the_announced_source() {
    let upstream = Upstream::echo().await;
    let rate = json!({"rate": 0.001, "burst": 3, "aggregate": {"rate": 1000, "burst": 1000}});
    let setup = setup(&upstream)
        .listener("limits", json!({"connections_per_source_max": 2}))
        .set(&["xdp", "connections_per_source"], rate);
    let gateway = Gateway::start(setup).await;
    let address = gateway.address().await;
    deny(&gateway, "198.51.100.0/30").await;
    // Nothing of this is for the balancer, whatever the lists say of it.
    deny(&gateway, BALANCER).await;
    assert_eq!(ended(address, &line("198.51.100.1")).await, "");
    let record = gateway.record("the denial", of_connection("denied")).await;
    assert_eq!(record["announced"], "198.51.100.1:40000");

    let open = Client::http1_over(opened(address, &line(CLIENT)).await).await;
    assert_eq!(open.get("/1").await.status, 200);
    let second = Client::http1_over(opened(address, &line(CLIENT)).await).await;
    assert_eq!(second.get("/2").await.status, 200);
    assert_eq!(ended(address, &line(CLIENT)).await, "");
    let record = gateway
        .record("the cap", of_connection("source_full"))
        .await;
    assert_eq!(record["announced"], format!("{CLIENT}:40000"));
    drop(second);
    // The burst is used up: that attempt was charged as well.
    assert_eq!(ended(address, &line(CLIENT)).await, "");
    let record = gateway
        .record("the rate", of_connection("rate_limited"))
        .await;
    assert_eq!(record["announced"], format!("{CLIENT}:40000"));

    // Many others come the same way at once.
    let mut others = Vec::new();
    for last in 10..20 {
        let header = line(&format!("198.51.100.{last}"));
        let other = Client::http1_over(opened(address, &header).await).await;
        assert_eq!(other.get("/other").await.status, 200);
        others.push(other);
    }
    // Who is denied later is served no more on a connection that is open.
    assert_eq!(open.get("/before").await.status, 200);
    deny(&gateway, CLIENT).await;
    assert!(open.try_send(get("/after")).await.is_err());
    let other = others.first().unwrap();
    assert_eq!(other.get("/still").await.status, 200);
}

#[tokio::test]
async fn a_proxy_behind_the_balancer_is_believed_by_its_announced_address() {
    let upstream = Upstream::echo().await;
    let setup = setup(&upstream)
        .listener("trusted_proxies", json!(["198.51.100.0/24"]))
        .listener("limits", json!({"connections_per_source_max": 1}));
    let gateway = Gateway::start(setup).await;
    let address = gateway.address().await;
    let claim = [("x-forwarded-for", "192.0.2.33")];
    // Nor is the proxy one source: it may have many connections.
    let first = Client::http1_over(opened(address, &line(CLIENT)).await).await;
    let second = Client::http1_over(opened(address, &line(CLIENT)).await).await;
    for (client, path) in [(&first, "/1"), (&second, "/2")] {
        let seen = client.get_with(path, &claim).await.json();
        let hops = format!("192.0.2.33, {CLIENT}");
        assert_eq!(seen["headers"]["x-forwarded-for"], hops);
        let record = gateway.path(path).await;
        assert_eq!(record["client"], "192.0.2.33");
        assert_eq!(record["announced"], format!("{CLIENT}:40000"));
    }
    // The balancer's own header is not that of a proxy.
    let client = Client::http1_over(opened(address, &line("203.0.113.200")).await).await;
    let answer = client.send(with(get("/3"), &claim)).await;
    assert_eq!(answer.json()["headers"]["x-forwarded-for"], "203.0.113.200");
}

#[tokio::test]
async fn a_reload_that_asks_for_another_beginning_ends_open_connections() {
    let upstream = Upstream::echo().await;
    let mut gateway = Gateway::start(setup(&upstream)).await;
    let address = gateway.address().await;
    let announced = Client::http1_over(opened(address, &line(CLIENT)).await).await;
    let direct = Client::http1_from("127.0.0.10", address).await;
    for client in [&announced, &direct] {
        assert_eq!(client.get("/before").await.status, 200);
    }
    let from = &["listeners", "main", "proxy_protocol", "from"];
    gateway.setup().change(from, json!(["127.0.0.10"]));
    assert_eq!(gateway.reload().await["answer"], "done");
    for client in [&announced, &direct] {
        assert!(client.try_send(get("/after")).await.is_err());
    }
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.connections("proxy_header_invalid"), 2.0);
    let answer = Client::http1_from(BALANCER, address)
        .await
        .get("/own")
        .await;
    assert_eq!(answer.json()["headers"]["x-forwarded-for"], BALANCER);
    assert_eq!(upstream.seen().requests, 3);
}

/// What a client writes behind the balancer's header is the client's.
#[tokio::test]
async fn a_second_header_is_nonsense_and_announces_nobody() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(setup(&upstream)).await;
    let address = gateway.address().await;
    for forged in [line("6.6.6.6"), block([6, 6, 6, 6])] {
        let sent = [&line(CLIENT), &forged, REQUEST.as_bytes()].concat();
        let answer = ended(address, &sent).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    let record = gateway.reason("bad_request").await;
    assert_eq!(record["announced"], format!("{CLIENT}:40000"));
    assert_eq!(upstream.seen().requests, 0);
}

#[tokio::test]
async fn throttles_and_variables_are_about_the_client_behind_balancer_and_proxy() {
    let upstream = Upstream::echo().await;
    let each = json!({"key": "$context.identity.sourceIp", "rate": 0.001, "burst": 1});
    let setup = setup(&upstream)
        .listener("trusted_proxies", json!(["203.0.113.200"]))
        .route(
            "GET /each",
            json!({
                "caller_throttles": [each],
                "integration": {
                    "request_parameters": {"overwrite:header.x-from": "$context.identity.sourceIp"},
                },
            }),
        );
    let gateway = Gateway::start(setup).await;
    let address = gateway.address().await;
    let named = |client: &'static str| [("x-forwarded-for", client)];
    for (announced, claim, client, status) in [
        (CLIENT, named("6.6.6.6"), CLIENT, 200),
        ("198.51.100.8", named("6.6.6.6"), "198.51.100.8", 200),
        ("203.0.113.200", named("192.0.2.33"), "192.0.2.33", 200),
        ("203.0.113.200", named("192.0.2.34"), "192.0.2.34", 200),
        // Each has had its one, whatever it claims and whichever way it comes.
        (CLIENT, named("6.6.6.7"), CLIENT, 429),
        ("203.0.113.200", named("192.0.2.33"), "192.0.2.33", 429),
        ("203.0.113.200", named(CLIENT), CLIENT, 429),
    ] {
        let stream = opened(address, &line(announced)).await;
        let answer = Client::http1_over(stream)
            .await
            .get_with("/each", &claim)
            .await;
        assert_eq!(answer.status, status, "{announced} {claim:?}");
        if status == 200 {
            assert_eq!(answer.json()["headers"]["x-from"], client);
        }
    }
    for client in [CLIENT, "192.0.2.33"] {
        let refused =
            |record: &Value| record["reason"] == "source_throttled" && record["client"] == client;
        drop(gateway.record(client, refused).await);
    }
}

#[tokio::test]
async fn whom_a_balancer_announces_is_penalised_by_its_own_address() {
    let penalties = json!({
        "mode": "enforce", "offences": {"rate": 0.1, "burst": 2}, "first": "5m", "most": "5m",
    });
    let asked = json!({"from": [BALANCER], "timeout": "500ms"});
    let further = |new| limited(new, penalties).listener("proxy_protocol", asked);
    let site = Site::start(further).await;
    let address = site.gateway.address().await;
    let [abuser, honest] = ["abuser", "honest"].map(|subject| site.bearer(json!({"sub": subject})));
    let of = async |client: &str| Client::http1_over(opened(address, &line(client)).await).await;
    drop(hammer(&of(CLIENT).await, &abuser).await);
    drop(
        site.gateway
            .record("its end", of_connection("penalised"))
            .await,
    );
    let listed = site.gateway.admin(r#"{"do":"penalties"}"#).await;
    assert_eq!(listed["penalties"][0]["source"], CLIENT, "{listed}");
    // But for its trickle it opens no other one, and others behind the balancer do.
    drop(of(CLIENT).await.try_send(get("/")).await);
    assert!(of(CLIENT).await.try_send(get("/")).await.is_err());
    let other = of("198.51.100.8").await;
    assert_eq!(ask(&other, "/limited", &honest).await.unwrap().status, 200);
}
