//! oidc-provider: an issuer of tokens that is certified for OpenID Connect.
//!
//! It is fetched from npm as its lock file says, without running any script of a package.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, ensure};
use gateway_tests::authority::Authority;
use gateway_tests::capability::or_skip;
use gateway_tests::client::Client;
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::AUDIENCE;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use serde_json::{Value, json};

use crate::curl::curl;
use crate::program;

const CLIENT: &str = "shop";
const SECRET: &str = "only-this-test-knows";

/// The packages, where tests may write.
fn installed(npm: &Path) -> anyhow::Result<PathBuf> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("oidc");
    std::fs::create_dir_all(&directory)?;
    for (name, text) in [
        ("package.json", include_str!("oidc/package.json")),
        ("package-lock.json", include_str!("oidc/package-lock.json")),
        ("issuer.mjs", include_str!("oidc/issuer.mjs")),
    ] {
        std::fs::write(directory.join(name), text)?;
    }
    let output = Command::new(npm)
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(&directory)
        .output()
        .context("npm")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "oidc-provider is not installed: {said}"
    );
    Ok(directory)
}

/// A running issuer. Dropping it ends it.
struct Issuer {
    process: Child,
    url: String,
}

impl Issuer {
    fn start(node: &Path, directory: &Path, certificate: &Value) -> Self {
        let file = |name: &str| certificate[name].as_str().unwrap().to_owned();
        let mut process = Command::new(node)
            .arg("issuer.mjs")
            .args([&file("chain"), &file("key"), AUDIENCE, CLIENT, SECRET])
            .current_dir(directory)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let url = lines.next().expect("it says where it is").unwrap();
        Self { process, url }
    }

    /// An access token for `resource`, as the issuer's own client gets one.
    async fn token(&self, program: &PathBuf, root: &str, resource: &str, scope: &str) -> String {
        let url = format!("{}/token", self.url);
        let (user, scope) = (format!("{CLIENT}:{SECRET}"), format!("scope={scope}"));
        let resource = format!("resource={resource}");
        let arguments = [
            ["--cacert", root],
            ["--user", &user],
            ["--data", "grant_type=client_credentials"],
            ["--data-urlencode", &resource],
            ["--data-urlencode", &scope],
            ["--url", &url],
        ];
        let answer = curl(program, arguments.as_flattened()).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let token = answer.get("access_token").and_then(Value::as_str);
        token.expect("the answer holds a token").to_owned()
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[tokio::test]
async fn its_tokens_are_judged_by_the_keys_that_discovery_finds() {
    let (Some(node), Some(npm), Some(curl)) = (program("node"), program("npm"), program("curl"))
    else {
        return;
    };
    let Some(directory) = or_skip(installed(&npm)) else {
        return;
    };
    let (upstream, authority) = (Upstream::echo().await, Authority::new());
    let setup = Setup::new().upstream("main", upstream.address);
    let certificate = authority.write_certificate(setup.directory(), "issuer", &["127.0.0.1"]);
    let root = authority.write_root(setup.directory());
    let root = root.display().to_string();
    let issuer = Issuer::start(&node, &directory, &certificate);
    let authorizer = json!({"type": "jwt", "issuer": issuer.url, "audiences": [AUDIENCE]});
    let setup = setup
        .set(&["authorizers", "main"], authorizer)
        .environment("SSL_CERT_FILE", &root)
        .route(
            "GET /{any+}",
            json!({"authorizer": "main", "scopes": ["read"]}),
        );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    for (path, resource, scope, status, reason) in [
        ("/good", "https://rsa.test", "read write", 200, Value::Null),
        (
            "/narrow",
            "https://rsa.test",
            "write",
            403,
            json!("insufficient_scope"),
        ),
        (
            "/ec",
            "https://ec.test",
            "read",
            401,
            json!("token_algorithm"),
        ),
    ] {
        let token = issuer.token(&curl, &root, resource, scope).await;
        let bearer = format!("Bearer {token}");
        let answer = client.get_with(path, &[("authorization", &bearer)]).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(gateway.path(path).await["reason"], reason, "{path}");
    }
    assert_eq!(gateway.path("/good").await["subject"], CLIENT);
}
