//! TLS: whom it serves with what, and whom not.

use gateway_tests::authority::Authority;
use gateway_tests::client::{Client, HOST_NAME, connect, tls};
use gateway_tests::gateway::Gateway;
use gateway_tests::raw::{Raw, exchange};
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use rustls::HandshakeKind;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

fn secured(upstream: &Upstream, authority: &Authority) -> Setup {
    let setup = Setup::forwarding(upstream.address);
    let certificates = [
        authority.write_certificate(setup.directory(), "first", &["first.test", HOST_NAME]),
        authority.write_certificate(setup.directory(), "second", &["second.test"]),
        authority.write_certificate(setup.directory(), "wild", &["*.wild.test"]),
    ];
    setup.listener("tls", json!({"certificates": certificates}))
}

/// Common name of the certificate that was presented.
fn served(stream: &TlsStream<TcpStream>) -> &'static str {
    let chain = stream
        .get_ref()
        .1
        .peer_certificates()
        .expect("a server has one");
    let leaf = String::from_utf8_lossy(&chain[0]).into_owned();
    ["first", "second", "wild", "renewed"]
        .into_iter()
        .find(|name| {
            leaf.contains(&format!(
                "\x0c{}{name}",
                char::from(u8::try_from(name.len()).unwrap())
            ))
        })
        .expect("it carries a name")
}

#[tokio::test]
async fn the_server_name_picks_the_certificate() {
    let (upstream, authority) = (Upstream::echo().await, Authority::new());
    let gateway = Gateway::start(secured(&upstream, &authority)).await;
    let address = gateway.address().await;
    let client = authority.client(&["http/1.1"]);
    for (name, certificate) in [
        ("first.test", "first"),
        ("second.test", "second"),
        ("SECOND.test", "second"),
        ("a.wild.test", "wild"),
    ] {
        let stream = tls(address, &client, name).await.unwrap();
        assert_eq!(served(&stream), certificate, "{name}");
    }
    // The first serves every other name, which the client then refuses.
    for name in ["other.test", "wild.test", "a.b.wild.test"] {
        let error = tls(address, &client, name).await.unwrap_err().to_string();
        assert!(error.contains("first.test"), "{name}: {error}");
    }
    assert_eq!(
        gateway.reason("handshake_failed").await["kind"],
        "connection"
    );
}

#[tokio::test]
async fn the_record_tells_what_was_spoken() {
    let (upstream, authority) = (Upstream::echo().await, Authority::new());
    let gateway = Gateway::start(secured(&upstream, &authority)).await;
    let address = gateway.address().await;
    for (path, version, name) in [
        ("/12", &rustls::version::TLS12, "TLSv1.2"),
        ("/13", &rustls::version::TLS13, "TLSv1.3"),
    ] {
        let client = Client::tls(address, &authority.client_of(&["h2"], &[version])).await;
        assert_eq!(client.get(path).await.status, 200);
        let record = gateway.path(path).await;
        assert_eq!(
            (&record["tls"], &record["server_name"]),
            (&json!(name), &json!(HOST_NAME))
        );
    }
}

#[tokio::test]
async fn versions_and_protocols_that_are_not_offered_are_refused() {
    let (upstream, authority) = (Upstream::echo().await, Authority::new());
    let gateway = Gateway::start(secured(&upstream, &authority)).await;
    let address = gateway.address().await;
    assert!(
        tls(address, &authority.client(&["spdy/3"]), HOST_NAME)
            .await
            .is_err()
    );
    let record = gateway.reason("handshake_failed").await;
    assert!(
        record["detail"]
            .as_str()
            .is_some_and(|detail| !detail.is_empty()),
        "{record}"
    );
    // A ClientHello of TLS 1.1: no library here still writes one.
    let answer = exchange_bytes(address, &hello_of_tls_1_1()).await;
    assert_eq!(
        (answer.first(), answer.get(3..6)),
        (Some(&0x15), Some(&[0, 2, 2][..])),
        "a fatal alert"
    );
    gateway
        .metrics_when("both", |m| m.connections("handshake_failed") == 2.0)
        .await;
}

#[tokio::test]
async fn a_lowest_version_of_1_3_refuses_1_2() {
    let (upstream, authority) = (Upstream::echo().await, Authority::new());
    let setup = secured(&upstream, &authority)
        .set(&["listeners", "main", "tls", "version_min"], json!("1.3"));
    let gateway = Gateway::start(setup).await;
    let old = authority.client_of(&[], &[&rustls::version::TLS12]);
    assert!(tls(gateway.address().await, &old, HOST_NAME).await.is_err());
    let new = authority.client_of(&[], &[&rustls::version::TLS13]);
    assert!(tls(gateway.address().await, &new, HOST_NAME).await.is_ok());
}

#[tokio::test]
async fn what_is_not_a_handshake_is_cut_and_recorded() {
    let (upstream, authority) = (Upstream::echo().await, Authority::new());
    let setup = secured(&upstream, &authority).listener("timeouts", json!({"handshake": "200ms"}));
    let gateway = Gateway::start(setup).await;
    let address = gateway.address().await;
    let plain = exchange(address, "GET / HTTP/1.1\r\nhost: api.test\r\n\r\n").await;
    assert!(!plain.starts_with("HTTP/"), "{plain}");
    exchange(address, vec![0xff; 600]).await;
    gateway
        .metrics_when("both", |m| m.connections("handshake_failed") == 2.0)
        .await;
    let mut silent = Raw::connect(address).await;
    assert_eq!(silent.read_to_end().await, "");
    let mut slow = Raw::connect(address).await;
    slow.write([0x16, 3, 1, 2, 0, 1]).await;
    assert_eq!(slow.read_to_end().await, "");
    gateway
        .metrics_when("both", |m| m.connections("handshake_timeout") == 2.0)
        .await;
    gateway.reason("handshake_timeout").await;
    assert_eq!(
        Client::tls(address, &authority.client(&["h2"]))
            .await
            .get("/")
            .await
            .status,
        200
    );
}

/// One request on a connection of its own; how its handshake went.
async fn visit(
    address: std::net::SocketAddr,
    config: &std::sync::Arc<rustls::ClientConfig>,
) -> HandshakeKind {
    let mut stream = tls(address, config, HOST_NAME).await.unwrap();
    // Tickets of TLS 1.3 come with the answer.
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: api.test\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    stream.get_ref().1.handshake_kind().unwrap()
}

#[tokio::test]
async fn sessions_resume_across_a_reload_that_renews_the_certificate() {
    let (upstream, authority) = (Upstream::echo().await, Authority::new());
    let mut gateway = Gateway::start(secured(&upstream, &authority)).await;
    let address = gateway.address().await;
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let client = authority.client_of(&["http/1.1"], &[version]);
        assert_eq!(visit(address, &client).await, HandshakeKind::Full);
        assert_eq!(visit(address, &client).await, HandshakeKind::Resumed);
        let renewed =
            authority.write_certificate(gateway.setup().directory(), "renewed", &[HOST_NAME]);
        gateway.setup().change(
            &["listeners", "main", "tls", "certificates"],
            json!([renewed]),
        );
        assert_eq!(gateway.reload().await["answer"], "done");
        assert_eq!(visit(address, &client).await, HandshakeKind::Resumed);
        let stranger = authority.client(&["http/1.1"]);
        assert_eq!(
            served(&tls(address, &stranger, HOST_NAME).await.unwrap()),
            "renewed"
        );
    }
}

async fn exchange_bytes(address: std::net::SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(address).await;
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    gateway_tests::wait::within("an alert", stream.read_to_end(&mut answer))
        .await
        .unwrap();
    answer
}

fn hello_of_tls_1_1() -> Vec<u8> {
    // version, random, no session, one suite (RSA with AES-128-CBC-SHA), no compression
    let mut body = vec![3, 2];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0, 0x2f, 1, 0]);
    let length = u8::try_from(body.len()).unwrap();
    let mut record = vec![0x16, 3, 1, 0, length + 4, 1, 0, 0, length];
    record.extend(body);
    record
}
