//! curl: the client that most people try first.

use std::path::PathBuf;

use gateway_tests::authority::Authority;
use gateway_tests::client::HOST_NAME;
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::{Key, authorize, claims};
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use serde_json::{Value, json};

use crate::program;

/// Runs curl and gives its output, without blocking the backend.
pub(crate) async fn curl(program: &PathBuf, arguments: &[&str]) -> String {
    let mut command = std::process::Command::new(program);
    command
        .args(["--silent", "--show-error", "--max-time", "20"])
        .args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn its_proxy_header_is_understood_and_asked_for() {
    let Some(program) = program("curl") else {
        return;
    };
    let (upstream, authority) = (Upstream::echo().await, Authority::new());
    let setup = Setup::forwarding(upstream.address);
    let certificate = authority.write_certificate(setup.directory(), "api", &[HOST_NAME]);
    let root = authority
        .write_root(setup.directory())
        .display()
        .to_string();
    let asked = json!({"from": ["127.0.0.9"]});
    let setup = setup.listener("proxy_protocol", asked.clone()).set(
        &["listeners", "secure"],
        json!({
            "address": "127.0.0.1:0", "proxy_protocol": asked,
            "tls": {"certificates": [certificate]},
        }),
    );
    let gateway = Gateway::start(setup).await;
    let (plain, secure) = (gateway.address().await, gateway.listener("secure").await);
    let resolve = format!("{HOST_NAME}:{}:127.0.0.1", secure.port());
    for url in [
        format!("http://{plain}/plain"),
        format!("https://{HOST_NAME}:{}/secure", secure.port()),
    ] {
        let common = [
            "--interface",
            "127.0.0.9",
            "--cacert",
            &root,
            "--resolve",
            &resolve,
            &url,
        ];
        let mut with_header = common.to_vec();
        with_header.push("--haproxy-protocol");
        let seen: Value = serde_json::from_str(&curl(&program, &with_header).await).unwrap();
        // It announces the connection that it has itself.
        assert_eq!(seen["headers"]["x-forwarded-for"], "127.0.0.9");
        let mut without = std::process::Command::new(&program);
        without.args(["--silent", "--max-time", "20"]).args(common);
        let refused = tokio::task::spawn_blocking(move || without.status()).await;
        assert!(!refused.unwrap().unwrap().success(), "{url}");
    }
    let metrics = gateway
        .metrics_when("both refusals", |metrics| {
            metrics.connections("proxy_header_invalid") == 2.0
        })
        .await;
    assert_eq!(metrics.connections("proxy_header_timeout"), 0.0);
}

#[tokio::test]
async fn it_gets_through_in_every_protocol_with_a_token_and_not_without() {
    let Some(program) = program("curl") else {
        return;
    };
    let (upstream, authority, key) = (Upstream::echo().await, Authority::new(), Key::ec("key"));
    let setup = authorize(Setup::new().upstream("main", upstream.address), &[&key])
        .route("ANY /{any+}", json!({"authorizer": "main"}));
    let certificate = authority.write_certificate(setup.directory(), "api", &[HOST_NAME]);
    let root = authority
        .write_root(setup.directory())
        .display()
        .to_string();
    let setup = setup.set(
        &["listeners", "secure"],
        json!({"address": "127.0.0.1:0", "tls": {"certificates": [certificate]}}),
    );
    let gateway = Gateway::start(setup).await;
    let (plain, secure) = (gateway.address().await, gateway.listener("secure").await);
    let resolve = format!("{HOST_NAME}:{}:127.0.0.1", secure.port());
    let bearer = format!("Authorization: Bearer {}", key.token(&claims(json!({}))));
    let rows = [
        (
            "--http1.1",
            format!("https://{HOST_NAME}:{}/tls1", secure.port()),
            "HTTP/1.1",
        ),
        (
            "--http2",
            format!("https://{HOST_NAME}:{}/tls2", secure.port()),
            "HTTP/2.0",
        ),
        ("--http1.1", format!("http://{plain}/plain1"), "HTTP/1.1"),
        (
            "--http2-prior-knowledge",
            format!("http://{plain}/plain2"),
            "HTTP/2.0",
        ),
    ];
    for (version, url, protocol) in &rows {
        let common = [*version, "--cacert", &root, "--resolve", &resolve, url];
        let mut with_token = common.to_vec();
        with_token.extend(["--header", &bearer, "--data", "from curl"]);
        let seen: Value = serde_json::from_str(&curl(&program, &with_token).await).unwrap();
        assert_eq!(
            (&seen["method"], &seen["body"]),
            (&json!("POST"), &json!("from curl"))
        );
        let mut status_only = common.to_vec();
        status_only.extend(["--output", "/dev/null", "--write-out", "%{http_code}"]);
        assert_eq!(curl(&program, &status_only).await, "401");
        let path = format!("/{}", url.rsplit('/').next().unwrap());
        assert_eq!(gateway.path(&path).await["protocol"], *protocol);
    }
}
