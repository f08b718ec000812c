//! Certificates that stages show backends which ask who calls.

use std::sync::Arc;

use gateway_tests::authority::Authority;
use gateway_tests::client::Client;
use gateway_tests::command::{ask, told};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

/// Common names of the certificates here.
const NAMES: [&str; 4] = ["shown-by-one", "shown-by-two", "renewed", "of-strangers"];

/// Whose certificate this is, in DER: its common name stands in it as it is.
fn name_in(certificate: &[u8]) -> &'static str {
    let has = |name: &&&str| {
        let mut windows = certificate.windows(name.len());
        windows.any(|window| window == name.as_bytes())
    };
    NAMES.iter().find(has).unwrap()
}

/// A backend that says to every request what it was shown, `none` for nothing. It keeps a connection
/// for as many requests as are said.
async fn backend(config: Arc<ServerConfig>, requests: usize) -> Upstream {
    let acceptor = TlsAcceptor::from(config);
    Upstream::raw(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            // A client that is not taken is told so, and has to see it.
            let Ok(mut stream) = acceptor.accept(stream).await else {
                return;
            };
            let shown = stream.get_ref().1.peer_certificates();
            let name = shown.map_or("none", |chain| name_in(&chain[0]));
            let length = name.len();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{name}");
            for _ in 0..requests {
                let mut last = [0; 4];
                while &last != b"\r\n\r\n" {
                    let Ok(byte) = stream.read_u8().await else {
                        return;
                    };
                    last.rotate_left(1);
                    last[3] = byte;
                }
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
            }
            // A client that has left needs no goodbye.
            drop(stream.shutdown().await);
        }
    })
    .await
}

/// A REST API whose backend is `upstream`, called by name, by URL and by an integration that maps, and
/// trusted because of `authority`. Two stages show certificates of `authority`, one that of a stranger,
/// and one nothing.
fn calling(upstream: &Upstream, authority: &Authority) -> Setup {
    let setup = Setup::new();
    let directory = setup.directory().to_owned();
    let root = authority.write_root(&directory);
    let one = authority.write_certificate(&directory, NAMES[0], &["one.test"]);
    let two = authority.write_certificate(&directory, NAMES[1], &["two.test"]);
    let other = Authority::new().write_certificate(&directory, NAMES[3], &["stranger.test"]);
    let url = format!("https://{}", upstream.address);
    let uri = format!("{url}/");
    let mapped = json!({"type": "http", "uri": uri, "responses": {"default": {"status": 200}}});
    setup
        .environment("SSL_CERT_FILE", root.to_str().unwrap())
        .set(&["workers"], json!(1))
        .set(&["upstreams", "main", "url"], json!(url))
        .set(&["apis", "main", "type"], json!("rest"))
        .set(
            &["apis", "main", "stages"],
            json!({
                "one": {"client_certificate": one},
                "two": {"client_certificate": two},
                "stranger": {"client_certificate": other},
                "none": {},
            }),
        )
        .route("GET /named", json!({}))
        .route("GET /url", json!({"integration": {"uri": uri}}))
        .route("GET /mapped", json!({"integration": mapped}))
}

/// Status and body.
async fn asked(client: &Client, path: &str) -> (u16, String) {
    let answer = client.get(path).await;
    (answer.status, answer.text())
}

/// What a request to `path` has to say: this certificate was shown.
fn shown(name: &str) -> (u16, String) {
    (200, name.to_owned())
}

async fn connects_by_stage(versions: &[&'static SupportedProtocolVersion]) {
    let authority = Authority::new();
    let upstream = backend(
        authority.server_asking(&["127.0.0.1"], &authority, versions),
        usize::MAX,
    )
    .await;
    let gateway = Gateway::start(calling(&upstream, &authority)).await;
    let address = gateway.address().await;
    let stages = [("one", NAMES[0]), ("two", NAMES[1])];
    // Both at once, so that each has connections which the other could take.
    let [one, two] = stages.map(|(stage, name)| async move {
        let client = Client::http1(address).await;
        for _ in 0..5 {
            for route in ["named", "url", "mapped"] {
                let path = format!("/{stage}/{route}");
                assert_eq!(asked(&client, &path).await, shown(name), "{path}");
            }
        }
    });
    tokio::join!(one, two);
    // What is shown something else goes by connections of its own, and keeps those.
    assert_eq!(upstream.seen().connections, 2 * 2);
    let client = Client::http1(address).await;
    for (stage, route) in [
        ("none", "named"),
        ("none", "url"),
        ("stranger", "url"),
        ("stranger", "mapped"),
    ] {
        let path = format!("/{stage}/{route}");
        assert_eq!(client.get(&path).await.status, 504, "{path}");
        let record = gateway.path(&path).await;
        assert_eq!(record["reason"], "upstream_tls", "{record}");
        let detail = record["detail"].as_str().unwrap();
        assert!(detail.contains("received fatal alert"), "{detail}");
    }
}

#[tokio::test]
async fn each_stage_shows_its_own_over_connections_of_its_own() {
    connects_by_stage(&[&TLS13]).await;
    connects_by_stage(&[&TLS12]).await;
}

#[tokio::test]
async fn no_session_of_one_stage_is_resumed_by_another() {
    for versions in [&[&TLS13], &[&TLS12]] {
        let authority = Authority::new();
        // Each request takes a connection of its own, which a session would shorten.
        let upstream = backend(
            authority.server_asking(&["127.0.0.1"], &authority, versions),
            1,
        )
        .await;
        let gateway = Gateway::start(calling(&upstream, &authority)).await;
        let client = Client::http1(gateway.address().await).await;
        for _ in 0..3 {
            for (stage, name) in [("one", NAMES[0]), ("two", NAMES[1])] {
                let path = format!("/{stage}/url");
                assert_eq!(asked(&client, &path).await, shown(name), "{path}");
            }
            for stage in ["none", "stranger"] {
                let path = format!("/{stage}/url");
                assert_eq!(client.get(&path).await.status, 504, "{path}");
            }
        }
    }
}

#[tokio::test]
async fn who_does_not_ask_is_shown_nothing() {
    let authority = Authority::new();
    let upstream = backend(authority.server(&["127.0.0.1"]), usize::MAX).await;
    let plain = Upstream::echo().await;
    let setup = calling(&upstream, &authority).route(
        "GET /plain",
        json!({"integration": {"uri": format!("http://{}/", plain.address)}}),
    );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    for stage in ["one", "none"] {
        let path = format!("/{stage}/url");
        assert_eq!(asked(&client, &path).await, shown("none"), "{path}");
        let path = format!("/{stage}/plain");
        assert_eq!(client.get(&path).await.status, 200, "{path}");
    }
    // Without TLS nothing tells the stages apart.
    assert_eq!(plain.seen().connections, 1);
}

#[tokio::test]
async fn a_backend_of_any_authority_is_shown_the_certificate_too() {
    let authority = Authority::new();
    let stranger = Authority::new();
    let upstream = backend(
        stranger.server_asking(&["127.0.0.1"], &authority, rustls::DEFAULT_VERSIONS),
        usize::MAX,
    )
    .await;
    let setup = calling(&upstream, &authority).route(
        "GET /unknown",
        json!({"integration": {
            "uri": format!("https://{}/", upstream.address),
            "tls": {"insecure_skip_verification": true},
        }}),
    );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    for _ in 0..2 {
        for (stage, name) in [("one", NAMES[0]), ("two", NAMES[1])] {
            let path = format!("/{stage}/unknown");
            assert_eq!(asked(&client, &path).await, shown(name), "{path}");
        }
        for path in ["/none/unknown", "/stranger/unknown", "/one/url"] {
            assert_eq!(client.get(path).await.status, 504, "{path}");
        }
    }
}

async fn reload(gateway: &Gateway) -> String {
    told(&ask(gateway, &["reload"]).await)
}

#[tokio::test]
async fn a_reload_shows_what_the_files_hold_then() {
    let authority = Authority::new();
    let upstream = backend(
        authority.server_asking(&["127.0.0.1"], &authority, rustls::DEFAULT_VERSIONS),
        usize::MAX,
    )
    .await;
    let mut gateway = Gateway::start(calling(&upstream, &authority)).await;
    let client = Client::http1(gateway.address().await).await;
    let directory = gateway.setup().directory().to_owned();
    let connections = || upstream.seen().connections;
    assert_eq!(asked(&client, "/one/url").await, shown(NAMES[0]));
    drop(reload(&gateway).await);
    assert_eq!(asked(&client, "/one/url").await, shown(NAMES[0]));
    assert_eq!(connections(), 1, "nothing changed, and connections stay");
    // The files of the stage hold another certificate, and its connection stays behind.
    let renewed = authority.write_certificate(&directory, NAMES[2], &["one.test"]);
    for (from, to) in [("chain", "pem"), ("key", "key")] {
        let to = directory.join(format!("{}.{to}", NAMES[0]));
        std::fs::copy(renewed[from].as_str().unwrap(), to).unwrap();
    }
    assert_eq!(asked(&client, "/one/url").await, shown(NAMES[0]));
    drop(reload(&gateway).await);
    assert_eq!(asked(&client, "/one/url").await, shown(NAMES[2]));
    assert_eq!(connections(), 2);
    // A key that is not that of the certificate changes nothing, and is not told.
    let key = directory.join(format!("{}.key", NAMES[0]));
    let wrong = std::fs::read_to_string(directory.join(format!("{}.key", NAMES[1]))).unwrap();
    std::fs::write(&key, &wrong).unwrap();
    let answer = gateway.reload().await.to_string();
    let said = "apis.main.stages.one.client_certificate.key: this key does not belong";
    assert!(answer.contains(said), "{answer}");
    assert!(!answer.contains(wrong.lines().nth(1).unwrap()), "{answer}");
    assert_eq!(asked(&client, "/one/url").await, shown(NAMES[2]));
    // It is the stage's, and no deployment has it.
    let stage = ["apis", "main", "stages", "one"];
    gateway.setup().change(&stage, json!({}));
    drop(gateway.setup().write());
    let answer = reload(&gateway).await;
    assert!(!answer.contains("deployment"), "{answer}");
    assert_eq!(client.get("/one/url").await.status, 504);
    assert_eq!(asked(&client, "/two/url").await, shown(NAMES[1]));
}

#[tokio::test]
async fn a_canary_shows_what_its_stage_shows() {
    let authority = Authority::new();
    let upstream = backend(
        authority.server_asking(&["127.0.0.1"], &authority, rustls::DEFAULT_VERSIONS),
        usize::MAX,
    )
    .await;
    let setup = calling(&upstream, &authority);
    let stage = ["apis", "main", "stages", "one", "auto_deploy"];
    let mut gateway = Gateway::start(setup.set(&stage, json!(false))).await;
    let client = Client::http1(gateway.address().await).await;
    let uri = format!("https://{}/", upstream.address);
    let new = ["apis", "main", "routes", "GET /new"];
    let route: Value = json!({"authorizer": "none", "integration": {"uri": uri}});
    gateway.setup().change(&new, route);
    drop(gateway.setup().write());
    let deploy = ["deploy", "main", "--stage", "one", "--canary", "100"];
    drop(told(&ask(&gateway, &deploy).await));
    assert_eq!(asked(&client, "/one/new").await, shown(NAMES[0]));
    assert_eq!(gateway.path("/one/new").await["canary"], true);
}
