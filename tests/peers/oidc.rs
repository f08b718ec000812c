//! oidc-provider: an issuer of tokens that is certified for OpenID Connect.
//!
//! It is fetched from npm as its lock file says, without running any script of a package.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, LazyLock, Mutex};

use anyhow::{Context as _, anyhow, ensure};
use gateway_tests::authority::Authority;
use gateway_tests::capability::or_skip;
use gateway_tests::client::Client;
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::AUDIENCE;
use gateway_tests::setup::Setup;
use gateway_tests::steady::{Callers, made_up_keys};
use gateway_tests::upstream::{Upstream, reply};
use gateway_tests::wait::until;
use serde_json::{Value, json};
use tokio::time::Instant;

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
    lines: Lines<BufReader<ChildStdout>>,
}

impl Issuer {
    fn start(node: &Path, directory: &Path, certificate: &Value) -> Self {
        let file = |name: &str| certificate[name].as_str().unwrap().to_owned();
        let mut process = Command::new(node)
            .arg("issuer.mjs")
            .args([&file("chain"), &file("key"), AUDIENCE, CLIENT, SECRET])
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let url = lines.next().expect("it says where it is").unwrap();
        Self {
            process,
            url,
            lines,
        }
    }

    /// Gives an order, and its answer.
    fn order(&mut self, order: &str) -> String {
        let input = self.process.stdin.as_mut().unwrap();
        writeln!(input, "{order}").unwrap();
        let answers = self.lines.by_ref().map(Result::unwrap);
        // The provider says things of its own there.
        let mut answers = answers.filter_map(|line| {
            let answer = line.strip_prefix(order)?.strip_prefix(": ")?;
            Some(answer.to_owned())
        });
        answers.next().expect("it answers")
    }

    /// How often its keys were asked for.
    fn fetches(&mut self) -> u64 {
        self.order("fetches").parse().unwrap()
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

/// The programs that a test of the issuer needs, and the issuer's packages; `None` is a skip.
fn needed() -> Option<[PathBuf; 3]> {
    // Once for all tests: each would take away what the other has there.
    static INSTALLED: LazyLock<Result<PathBuf, String>> = LazyLock::new(|| {
        let npm = program("npm").ok_or("`npm` is not installed")?;
        installed(&npm).map_err(|error| format!("{error:#}"))
    });
    let (node, curl) = (program("node")?, program("curl")?);
    let directory = INSTALLED.as_ref().map_err(|error| anyhow!("{error}"));
    Some([node, curl, or_skip(directory)?.clone()])
}

#[tokio::test]
async fn its_tokens_are_judged_by_the_keys_that_discovery_finds() {
    let Some([node, curl, directory]) = needed() else {
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

/// The gateway itself is a client of the issuer: it gets tokens to show to a server that it asks.
#[tokio::test]
async fn the_gateway_gets_tokens_of_its_own() {
    let Some([node, _curl, directory]) = needed() else {
        return;
    };
    let (upstream, authority) = (Upstream::echo().await, Authority::new());
    let shown: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = Arc::clone(&shown);
    let engine = Upstream::http(move |request| {
        let token = request.headers().get("authorization");
        let token = token.map_or("", |it| it.to_str().unwrap()).to_owned();
        noted.lock().unwrap().push(token);
        async { reply(200, r#"{"result": true}"#) }
    });
    let engine = engine.await;
    let setup = Setup::new().upstream("main", upstream.address);
    let certificate = authority.write_certificate(setup.directory(), "issuer", &["127.0.0.1"]);
    let root = authority.write_root(setup.directory());
    let issuer = Issuer::start(&node, &directory, &certificate);
    let secret = setup.file("secret", &format!("{SECRET}\n"));
    let wrong = setup.file("wrong", "of-somebody-else\n");
    let mut setup = setup.environment("SSL_CERT_FILE", &root.display().to_string());
    for (name, authentication, secret) in [
        ("basic", "basic", &secret),
        ("post", "post", &secret),
        ("wrong", "basic", &wrong),
    ] {
        let client = json!({
            "token_url": format!("{}/token", issuer.url), "client_id": CLIENT,
            "client_secret_file": secret, "authentication": authentication,
        });
        let set = json!({
            "type": "http", "url": format!("http://{}", engine.address), "request": {},
            "allow": {"at": "result"}, "decision_ttl": "0s", "oauth_client": name,
        });
        setup = setup
            .set(&["oauth_clients", name], client)
            .set(&["policies", name], set)
            .route(&format!("GET /{name}"), json!({"policies": name}));
    }
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    for path in ["/basic", "/basic", "/post"] {
        assert_eq!(client.get(path).await.status, 200, "{path}");
    }
    let shown = shown.lock().unwrap().clone();
    assert_eq!(shown.len(), 3);
    assert_eq!(shown[0], shown[1]);
    assert_ne!(shown[0], shown[2], "each client has a token of its own");
    let token = shown[0].strip_prefix("Bearer ").unwrap();
    assert!(token.len() > 20, "{}", token.len());
    assert_eq!(client.get("/wrong").await.status, 500);
    let refused = gateway.errors.find("a refusal of the issuer", |line| {
        let is_it = line.contains("token of the client `wrong` not renewed");
        is_it.then(|| line.to_owned())
    });
    let refused = refused.await;
    assert!(refused.contains("`invalid_client`"), "{refused}");
    let told = gateway.errors.all();
    assert!(!told.iter().any(|line| line.contains(SECRET)), "{told:?}");
}

/// Keys of a real issuer change under load, without a flood and with one; then it is gone.
#[tokio::test]
async fn its_keys_change_and_it_goes_while_two_hundred_call_each_second() {
    const PER_SECOND: u32 = 200;
    const FETCH_SECONDS: u64 = 5;
    let Some([node, curl, directory]) = needed() else {
        return;
    };
    let (upstream, authority) = (Upstream::echo().await, Authority::new());
    let setup = Setup::new().upstream("main", upstream.address);
    let certificate = authority.write_certificate(setup.directory(), "issuer", &["127.0.0.1"]);
    let root = authority.write_root(setup.directory());
    let root = root.display().to_string();
    let mut issuer = Issuer::start(&node, &directory, &certificate);
    let authorizer = json!({
        "type": "jwt", "issuer": issuer.url, "audiences": [AUDIENCE], "algorithms": ["RS256"],
        "jwks": {"url": format!("{}/jwks", issuer.url), "refresh": "5s"}, "decision_ttl": "0s",
    });
    let setup = setup
        .set(&["authorizers", "main"], authorizer)
        .environment("SSL_CERT_FILE", &root)
        .route("GET /{any+}", json!({"authorizer": "main"}));
    let gateway = Gateway::start(setup).await;
    let started = Instant::now();
    let address = gateway.address().await;
    let token = async |issuer: &Issuer| {
        let resource = "https://rsa.test";
        issuer.token(&curl, &root, resource, "read").await
    };
    let callers = Callers::start(address, PER_SECOND, "/a", token(&issuer).await).await;
    // A key that signs as soon as it is published: who has its token waits for the next fetch.
    drop((issuer.order("publish"), issuer.order("sign")));
    let before = issuer.fetches();
    callers.give(token(&issuer).await);
    fetched(&mut issuer, before + 1).await;
    drop(issuer.order("withdraw"));
    callers.were_let_in().await;
    // Others make keys up; this one was published one refresh before.
    let callers = Callers::start(address, PER_SECOND, "/b", token(&issuer).await).await;
    let flood = made_up_keys(address, "/flood", "RS256", json!({"iss": issuer.url})).await;
    drop(issuer.order("publish"));
    let before = issuer.fetches();
    fetched(&mut issuer, before + 2).await;
    drop(issuer.order("sign"));
    callers.give(token(&issuer).await);
    drop(issuer.order("withdraw"));
    let before = issuer.fetches();
    fetched(&mut issuer, before + 1).await;
    let (found, allowed) = (
        issuer.fetches(),
        2 + started.elapsed().as_secs() / FETCH_SECONDS,
    );
    assert!(found <= allowed, "{found} fetches, {allowed} allowed");
    // Keys that are known stay so.
    let last = token(&issuer).await;
    drop(issuer);
    callers.give(last);
    let failed = r#"gateway_key_set_fetches_total{authorizer="main",outcome="failed"}"#;
    gateway
        .metrics_when("a fetch that failed", |metrics| metrics.get(failed) >= 1.0)
        .await;
    callers.were_let_in().await;
    drop(flood);
}

/// Waits until the issuer's keys were asked for so often.
async fn fetched(issuer: &mut Issuer, count: u64) {
    let issuer = Mutex::new(issuer);
    until("a fetch", || async {
        let seen = issuer.lock().unwrap().fetches();
        (seen >= count).then_some(())
    })
    .await;
}
