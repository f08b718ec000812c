//! What is asked of the certificates of backends.

use std::sync::Arc;

use gateway_tests::authority::Authority;
use gateway_tests::client::{Client, get, with};
use gateway_tests::command::{ask, told};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls_pki_types::PrivatePkcs8KeyDer;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

/// A backend that says to every request which name its client asked for by SNI, and keeps its
/// connections.
async fn backend(config: Arc<ServerConfig>) -> Upstream {
    let acceptor = TlsAcceptor::from(config);
    Upstream::raw(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            // A client that does not trust it ends the handshake.
            let Ok(mut stream) = acceptor.accept(stream).await else {
                return;
            };
            let name = stream.get_ref().1.server_name().unwrap_or("none");
            let length = name.len();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{name}");
            let mut last = [0; 4];
            while let Ok(byte) = stream.read_u8().await {
                last.rotate_left(1);
                last[3] = byte;
                if &last == b"\r\n\r\n" {
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    stream.flush().await.unwrap();
                }
            }
        }
    })
    .await
}

/// What a backend has whose certificate, for `name`, only itself vouches for.
fn self_signed(name: &str) -> Arc<ServerConfig> {
    let key = KeyPair::generate().unwrap();
    let made = CertificateParams::new(vec![name.to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let private = PrivatePkcs8KeyDer::from(key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.der().clone()], private.into())
        .unwrap();
    Arc::new(config)
}

fn rest() -> Setup {
    Setup::new()
        .set(&["apis", "main", "type"], json!("rest"))
        .set(&["apis", "main", "stages"], json!({"prod": {}}))
}

async fn status(client: &Client, path: &str) -> u16 {
    client.get(path).await.status
}

#[tokio::test]
async fn a_certificate_of_no_known_authority_is_accepted_only_where_that_is_written() {
    let upstream = backend(self_signed("127.0.0.1")).await;
    let other = backend(self_signed("other.test")).await;
    let to = |upstream: &Upstream, tls: Value| {
        let uri = format!("https://{}/", upstream.address);
        json!({"integration": {"uri": uri, "tls": tls}})
    };
    let insecure = json!({"insecure_skip_verification": true});
    let mut mapped = to(&upstream, insecure.clone());
    mapped["integration"]["type"] = json!("http");
    mapped["integration"]["responses"] = json!({"default": {"status": 200}});
    let setup = rest()
        .route("GET /open", to(&upstream, insecure.clone()))
        .route("GET /mapped", mapped)
        .route("GET /checked", to(&upstream, json!({})))
        .route(
            "GET /written",
            to(&upstream, json!({"insecure_skip_verification": false})),
        )
        .route("GET /other", to(&other, insecure))
        .set(&["workers"], json!(1));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    // Twice, so that connections wait in the pool when the others are refused.
    for _ in 0..2 {
        assert_eq!(status(&client, "/prod/open").await, 200);
        assert_eq!(status(&client, "/prod/mapped").await, 200);
        for path in ["/prod/checked", "/prod/written", "/prod/other"] {
            assert_eq!(status(&client, path).await, 504, "{path}");
        }
    }
    assert_eq!(
        gateway.path("/prod/checked").await["reason"],
        "upstream_tls"
    );
    assert_eq!(gateway.path("/prod/other").await["reason"], "upstream_tls");
    // One accepted connection serves all four; each refused request made one of its own.
    assert_eq!(upstream.seen().connections, 1 + 4);
}

#[tokio::test]
async fn the_name_that_is_written_is_sent_and_verified() {
    let authority = Authority::new();
    let upstream = backend(authority.server(&["pets.test"])).await;
    let setup = Setup::new();
    let root = authority.write_root(setup.directory());
    let uri = format!("https://{}/", upstream.address);
    let to = |tls: Value| json!({"integration": {"uri": uri, "tls": tls}});
    let setup = setup
        .environment("SSL_CERT_FILE", root.to_str().unwrap())
        .set(&["workers"], json!(1))
        .route("GET /right", to(json!({"server_name": "Pets.test"})))
        .route("GET /wrong", to(json!({"server_name": "other.test"})))
        .route("GET /none", to(json!({})));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    for _ in 0..2 {
        let answer = client.get("/right").await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "pets.test"));
        for path in ["/wrong", "/none"] {
            assert_eq!(status(&client, path).await, 503, "{path}");
        }
    }
    assert_eq!(gateway.path("/wrong").await["reason"], "upstream_tls");
}

#[tokio::test]
async fn an_upstream_says_both_for_all_that_it_serves() {
    let upstream = backend(self_signed("pets.test")).await;
    let url = format!("https://{}", upstream.address);
    let tls = json!({"insecure_skip_verification": true, "server_name": "pets.test"});
    let setup = Setup::new()
        .set(&["upstreams", "main"], json!({"url": url, "tls": tls}))
        .set(
            &["upstreams", "named"],
            json!({"url": url, "tls": {"server_name": "pets.test"}}),
        )
        .route("GET /both", json!({}))
        .route("GET /named", json!({"integration": {"upstream": "named"}}));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let answer = client.get("/both").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "pets.test"));
    assert_eq!(status(&client, "/named").await, 503);
}

/// A definition with one route, `GET /x`, to this backend.
fn definition(upstream: &Upstream, tls: &Value) -> String {
    let uri = format!("https://{}/", upstream.address);
    json!({
        "openapi": "3.0.1",
        "info": {"title": "t", "version": "1"},
        "paths": {"/x": {"get": {
            "responses": {},
            "x-amazon-apigateway-integration": {
                "type": "http_proxy",
                "httpMethod": "GET",
                "payloadFormatVersion": "1.0",
                "uri": uri,
                "tlsConfig": tls,
            },
        }}},
    })
    .to_string()
}

#[tokio::test]
async fn definitions_say_so_by_tls_config() {
    let upstream = backend(self_signed("127.0.0.1")).await;
    let authority = Authority::new();
    let named = backend(authority.server(&["pets.test"])).await;
    let setup = Setup::new();
    let root = authority.write_root(setup.directory());
    let insecure = json!({"insecureSkipVerification": true});
    let verified = json!({"serverNameToVerify": "pets.test"});
    for (name, text) in [
        ("rest.json", definition(&upstream, &insecure)),
        ("http.json", definition(&named, &verified)),
    ] {
        std::fs::write(setup.directory().join(name), text).unwrap();
    }
    let setup = setup
        .environment("SSL_CERT_FILE", root.to_str().unwrap())
        .set(
            &["apis"],
            json!({
                "rest": {"type": "rest", "definition": "rest.json", "stages": {"prod": {}}, "hosts": ["rest.test"]},
                "http": {"type": "http", "definition": "http.json", "hosts": ["http.test"]},
            }),
        );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    for (host, path) in [("rest.test", "/prod/x"), ("http.test", "/x")] {
        let asked = with(get(path), &[("host", host)]);
        assert_eq!(client.send(asked).await.status, 200, "{host}");
    }
    for (api, stage, expected) in [("rest", "prod", insecure), ("http", "$default", verified)] {
        let export = ["export", api, "--stage", stage, "--format", "json"];
        let exported = told(&ask(&gateway, &export).await);
        let exported: Value = serde_json::from_str(&exported).unwrap();
        let integration = &exported["paths"]["/x"]["get"]["x-amazon-apigateway-integration"];
        assert_eq!(integration["tlsConfig"], expected, "{api}");
    }
}
