//! Certificates as OpenSSL makes them, the way most people do, and its client.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use gateway_tests::authority::Authority;
use gateway_tests::client::{Client, HOST_NAME};
use gateway_tests::gateway::Gateway;
use gateway_tests::lines::Lines;
use gateway_tests::setup::Setup;
use serde_json::json;

use crate::curl::curl;
use crate::program;

/// Runs `openssl` in a directory with these words.
fn openssl(program: &Path, directory: &Path, words: &str) {
    let mut command = Command::new(program);
    command.current_dir(directory).args(words.split(' '));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{words}: {said}");
}

/// A root with an RSA key, and a client's certificate with one, as guides tell to make them.
fn make_certificates(program: &Path, directory: &Path) {
    for words in [
        "genrsa -out RootCA.key 4096",
        "req -new -x509 -days 3650 -key RootCA.key -out RootCA.pem -subj /C=CH/O=Pets/CN=Root",
        "genrsa -out client.key 2048",
        "req -new -key client.key -out client.csr -subj /C=CH/O=Pets/OU=Cats/CN=client",
        "x509 -req -in client.csr -CA RootCA.pem -CAkey RootCA.key -set_serial 4711 \
         -out client.pem -days 3650 -sha256 -extfile client.ext",
    ] {
        openssl(program, directory, words);
    }
}

/// Its server. Dropping it ends it.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The command of the guide that makes a certificate for backends.
fn documented() -> String {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let mut lines = guide.lines();
    let line = lines.find_map(|line| line.strip_prefix("openssl req "));
    format!("req {}", line.unwrap())
}

#[tokio::test]
async fn a_certificate_that_it_made_is_shown_to_its_server() {
    let Some(openssl_program) = program("openssl") else {
        return;
    };
    let authority = Authority::new();
    let setup = Setup::new();
    let directory = setup.directory().to_owned();
    openssl(&openssl_program, &directory, &documented());
    drop(authority.write_certificate(&directory, "server", &["127.0.0.1"]));
    let root = authority.write_root(&directory).display().to_string();
    let mut command = Command::new(&openssl_program);
    command
        .current_dir(&directory)
        .args([
            "s_server",
            "-accept",
            "127.0.0.1:0",
            "-www",
            "-naccept",
            "2",
        ])
        .args(["-cert", "server.pem", "-key", "server.key"])
        .args([
            "-CAfile",
            "to-backends.pem",
            "-Verify",
            "1",
            "-verify_return_error",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut server = Server(command.spawn().unwrap());
    let output = Lines::read(server.0.stdout.take().unwrap());
    let address = output
        .find("where it listens", |line| {
            line.strip_prefix("ACCEPT ").map(str::to_owned)
        })
        .await;
    let setup = setup.environment("SSL_CERT_FILE", &root).set(
        &["apis", "main"],
        json!({
            "type": "rest",
            "stages": {
                "prod": {"client_certificate": {"chain": "to-backends.pem", "key": "to-backends.key"}},
                "none": {},
            },
            "routes": {"GET /": {"authorizer": "none", "integration": {
                "uri": format!("https://{address}/"),
            }}},
        }),
    );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    assert_eq!(client.get("/none").await.status, 504);
    assert_eq!(gateway.path("/none").await["reason"], "upstream_tls");
    let answer = client.get("/prod").await;
    assert_eq!(answer.status, 200);
    let told = answer.text();
    assert!(
        told.contains("Subject: CN = gateway") || told.contains("Subject: CN=gateway"),
        "{told}"
    );
}

#[tokio::test]
async fn its_client_certificates_are_accepted_by_mutual_tls() {
    let (Some(openssl), Some(program)) = (program("openssl"), program("curl")) else {
        return;
    };
    let authority = Authority::new();
    let setup = Setup::new().set(
        &["apis", "main"],
        json!({
            "type": "rest",
            "hosts": ["main.internal"],
            "default_endpoint": false,
            "stages": {"prod": {}},
            "gateway_responses": {"MISSING_AUTHENTICATION_TOKEN": {"templates": {"text/plain":
                "$context.identity.clientCert.subjectDN $context.identity.clientCert.serialNumber",
            }}},
            "routes": {"GET /never": {"authorizer": "none", "integration": {
                "type": "mock",
                "request_templates": {"application/json": "{\"statusCode\": 200}"},
                "responses": {"default": {"status": 200}},
            }}},
        }),
    );
    drop(setup.file("client.ext", "extendedKeyUsage = clientAuth\n"));
    make_certificates(&openssl, setup.directory());
    let certificate = authority.write_certificate(setup.directory(), "api", &[HOST_NAME]);
    let root = authority
        .write_root(setup.directory())
        .display()
        .to_string();
    let setup = setup
        .listener("tls", json!({"certificates": [certificate]}))
        .set(
            &["domains", HOST_NAME],
            json!({
                "mutual_tls": {"truststore": "RootCA.pem"},
                "mappings": {"/": {"api": "main", "stage": "prod"}},
            }),
        );
    let at = |name: &str| setup.directory().join(name).display().to_string();
    let (chain, key) = (at("client.pem"), at("client.key"));
    let gateway = Gateway::start(setup).await;
    let port = gateway.address().await.port();
    let resolve = format!("{HOST_NAME}:{port}:127.0.0.1");
    let url = format!("https://{HOST_NAME}:{port}/who");
    for versions in [
        ["--tlsv1.2", "--tls-max", "1.2"],
        ["--tlsv1.3", "--tls-max", "1.3"],
    ] {
        let common = ["--cacert", &root, "--resolve", &resolve, &url];
        let with = [&versions[..], &["--cert", &chain, "--key", &key], &common].concat();
        let told = curl(&program, &with).await;
        assert_eq!(told, "CN=client,OU=Cats,O=Pets,C=CH 12:67", "{versions:?}");
        let without = [&versions[..], &common].concat();
        let told = curl(&program, &without).await;
        assert_eq!(told, r#"{"message":"Forbidden"}"#, "{versions:?}");
    }
}
