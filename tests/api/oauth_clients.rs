//! Tokens that the gateway gets for itself, and shows to the servers that it asks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use gateway::clock::{Clock, unix_seconds};
use gateway::model::{
    ClientAuthentication, OAuthClient, OAuthClientName, Remote, SecretText, UpstreamTarget,
};
use gateway::oauth::{ANSWER_BYTES_MAX, Client as TokenClient, Shown, TIMEOUT};
use gateway_tests::aws::plan;
use gateway_tests::client::Client;
use gateway_tests::gateway::Gateway;
use gateway_tests::metrics::Metrics;
use gateway_tests::setup::Setup;
use gateway_tests::token_server::TokenServer;
use gateway_tests::upstream::{Upstream, reply};
use gateway_tests::wait::until;
use http::HeaderMap;
use serde_json::{Value, json};
use tokio::task::LocalSet;
use tokio::time::Instant;

/// A server that says yes to whom it knows, and 401 to others.
pub(crate) struct Engine {
    pub(crate) server: Upstream,
    /// What it knows; `None` for everything.
    pub(crate) known: Arc<Mutex<Option<String>>>,
    shown: Arc<Mutex<Vec<String>>>,
}

impl Engine {
    pub(crate) async fn start() -> Self {
        let known = Arc::new(Mutex::new(None::<String>));
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (knows, notes) = (Arc::clone(&known), Arc::clone(&shown));
        let server = Upstream::http(move |request| {
            let token = request.headers().get("authorization");
            let token = token.map_or("", |it| it.to_str().unwrap()).to_owned();
            let known = knows.lock().unwrap().clone();
            let is_known = known.is_none_or(|known| known == token);
            notes.lock().unwrap().push(token);
            async move {
                if is_known {
                    reply(200, r#"{"result": true}"#)
                } else {
                    reply(401, "")
                }
            }
        });
        Self {
            server: server.await,
            known,
            shown,
        }
    }

    /// What it was shown so far, each once in a row.
    pub(crate) fn shown(&self) -> Vec<String> {
        let mut shown = self.shown.lock().unwrap().clone();
        shown.dedup();
        shown
    }
}

/// A route that asks `engine`, which is shown the tokens of a client of `tokens`.
fn setup(tokens: &TokenServer, engine: &Engine, backend: &Upstream, client: Value) -> Setup {
    let setup = Setup::new().upstream("main", backend.address);
    let mut settings = json!({
        "token_url": tokens.url(),
        "client_id": "gateway",
        "client_secret_file": setup.file("secret", "s3cret+word\n"),
    });
    for (key, value) in client.as_object().unwrap() {
        settings[key] = value.clone();
    }
    let set = json!({
        "type": "http",
        "url": format!("http://{}/", engine.server.address),
        "request": {"path": "$request.path"},
        "allow": {"at": "result"},
        "oauth_client": "people",
        "decision_ttl": "0s",
    });
    setup
        .set(&["oauth_clients", "people"], settings)
        .set(&["policies", "engine"], set)
        .route("GET /{any+}", json!({"policies": "engine"}))
}

#[tokio::test]
async fn a_server_is_shown_the_token_of_a_client_which_is_fetched_once() {
    let (tokens, engine) = (TokenServer::start(3600).await, Engine::start().await);
    let backend = Upstream::echo().await;
    let client = json!({
        "scopes": ["people.read", "people.list"], "audience": "https://people.example.com",
    });
    let gateway = Gateway::start(setup(&tokens, &engine, &backend, client)).await;
    let client = Client::http1(gateway.address().await).await;
    for path in ["/a", "/b", "/c"] {
        assert_eq!(client.get(path).await.status, 200);
    }
    // Reading the same again changes nothing.
    gateway.reload().await;
    assert_eq!(client.get("/d").await.status, 200);
    assert_eq!(engine.shown(), ["Bearer token-1"]);
    let asked = tokens.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(asked[0].uri, "/oauth2/token");
    // `gateway:s3cret%2Bword`
    assert_eq!(asked[0].authorization, "Basic Z2F0ZXdheTpzM2NyZXQlMkJ3b3Jk");
    let expected = [
        ("grant_type", "client_credentials"),
        ("scope", "people.read people.list"),
        ("audience", "https://people.example.com"),
    ];
    let form = |members: &[(&str, &str)]| -> HashMap<String, String> {
        let members = members.iter();
        members
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    };
    assert_eq!(asked[0].form, form(&expected));

    // Another secret is another client.
    let secret = gateway.config_path().with_file_name("secret");
    std::fs::write(&secret, "another").unwrap();
    gateway.reload().await;
    assert_eq!(client.get("/e").await.status, 200);
    assert_eq!(engine.shown(), ["Bearer token-1", "Bearer token-2"]);

    let succeeded = r#"gateway_oauth_token_fetches_total{client="people",outcome="succeeded"}"#;
    assert_eq!(gateway.metrics().await.get(succeeded), 1.0);
    let said = [gateway.log.all(), gateway.errors.all()].concat();
    assert!(!said.is_empty());
    let told = said
        .iter()
        .find(|line| line.contains("token-") || line.contains("s3cret"));
    assert_eq!(told, None);
}

#[tokio::test]
async fn id_and_secret_stand_in_the_body_where_the_server_wants_them_there() {
    let (tokens, engine) = (TokenServer::start(3600).await, Engine::start().await);
    let backend = Upstream::echo().await;
    let client = json!({"authentication": "post"});
    let _gateway = Gateway::start(setup(&tokens, &engine, &backend, client)).await;
    let asked = tokens.asked();
    assert_eq!(asked[0].authorization, "");
    let members = [
        ("grant_type", "client_credentials"),
        ("client_id", "gateway"),
        ("client_secret", "s3cret+word"),
    ];
    let members = members.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(asked[0].form, HashMap::from(members));
}

#[tokio::test]
async fn a_token_is_renewed_before_its_end_and_the_last_one_serves_until_its_own() {
    let (tokens, engine) = (TokenServer::start(6).await, Engine::start().await);
    let backend = Upstream::echo().await;
    let gateway = Gateway::start(setup(&tokens, &engine, &backend, json!({}))).await;
    let client = Client::http1(gateway.address().await).await;
    until("the second token", || async {
        assert_eq!(client.get("/a").await.status, 200);
        (engine.shown().len() == 2).then_some(())
    })
    .await;
    tokens.go_down();
    let warned = gateway.errors.find("a failed question", |line| {
        line.contains("token of the client `people` not renewed")
            .then(|| line.to_owned())
    });
    let warned = warned.await;
    assert!(warned.contains("usable=true"), "{warned}");
    assert!(warned.contains("status 503"), "{warned}");
    assert_eq!(client.get("/a").await.status, 200);
    until("the end of the last token", || async {
        (client.get("/ended").await.status == 500).then_some(())
    })
    .await;
    let record = gateway.reason("decision_unavailable").await;
    assert_eq!(
        record["detail"],
        "the last token of the client `people` has ended, and there is no other yet"
    );
    let failed = r#"gateway_oauth_token_fetches_total{client="people",outcome="failed"}"#;
    let is_counted = |metrics: &Metrics| metrics.get(failed) >= 1.0;
    gateway.metrics_when("the failure", is_counted).await;
    // Nobody was asked without one.
    assert_eq!(engine.shown(), ["Bearer token-1", "Bearer token-2"]);
}

#[tokio::test]
async fn without_a_token_the_gateway_starts_and_asks_nobody() {
    let (tokens, engine) = (TokenServer::start(6).await, Engine::start().await);
    let backend = Upstream::echo().await;
    tokens.go_down();
    let gateway = Gateway::start(setup(&tokens, &engine, &backend, json!({}))).await;
    let client = Client::http1(gateway.address().await).await;
    assert_eq!(client.get("/a").await.status, 500);
    let record = gateway.reason("decision_unavailable").await;
    assert_eq!(
        record["detail"],
        "the client `people` has been given no token yet"
    );
    assert_eq!(engine.shown(), [""; 0]);
}

#[tokio::test]
async fn a_token_that_the_server_refuses_is_replaced_once_within_five_seconds() {
    let (tokens, engine) = (TokenServer::start(3600).await, Engine::start().await);
    let backend = Upstream::echo().await;
    let gateway = Gateway::start(setup(&tokens, &engine, &backend, json!({}))).await;
    let started = Instant::now();
    let client = Client::http1(gateway.address().await).await;
    let known = |token: &str| *engine.known.lock().unwrap() = Some(token.to_owned());
    known("Bearer token-2");
    assert_eq!(client.get("/refused").await.status, 500);
    let record = gateway.path("/refused").await;
    assert_eq!(record["reason"], "decision_unavailable");
    assert_eq!(record["detail"], "the server answered 401 Unauthorized");
    // Nobody is kept waiting for the other.
    for _ in 0..10 {
        let asked = Instant::now();
        client.get("/meanwhile").await;
        let took = asked.elapsed().as_millis();
        assert!(took < 3_000, "{took}");
    }
    until("the second token", || async {
        (client.get("/again").await.status == 200).then_some(())
    })
    .await;
    let waited = started.elapsed().as_secs();
    assert!(waited >= 4, "{waited}");
    assert_eq!(tokens.asked().len(), 2);
    assert_eq!(engine.shown(), ["Bearer token-1", "Bearer token-2"]);
    // One that never likes any costs no more than that.
    known("nothing");
    let started = Instant::now();
    until("the fourth token", || async {
        assert_eq!(client.get("/never").await.status, 500);
        (tokens.asked().len() == 4).then_some(())
    })
    .await;
    let waited = started.elapsed().as_secs();
    assert!(waited >= 4, "{waited}");
}

/// A client of the server at `upstream`.
fn client_of(upstream: &Upstream) -> Arc<TokenClient> {
    let origin = UpstreamTarget {
        tls: None,
        host: upstream.address.ip().to_string(),
        port: upstream.address.port(),
        base_path: String::new(),
    };
    let plan = plan(&origin);
    let settings = OAuthClient {
        name: OAuthClientName::new("people"),
        token_url: Remote {
            origin,
            path: "/token".to_owned(),
        },
        client_id: "gateway".to_owned(),
        secret: SecretText::new("secret".to_owned()),
        scopes: Vec::new(),
        audience: None,
        authentication: ClientAuthentication::Basic,
    };
    Arc::new(TokenClient::new(settings, plan, Clock::system()))
}

/// What is shown once the server at `upstream` has answered.
async fn shown(upstream: &Upstream) -> Result<HeaderMap, String> {
    let client = client_of(upstream);
    let tasks = LocalSet::new();
    tasks.spawn_local(Arc::clone(&client).refresh());
    tasks.run_until(client.first_answer()).await;
    let mut headers = HeaderMap::new();
    match Shown::Client(client).put(&mut headers, unix_seconds()) {
        Ok(_presented) => Ok(headers),
        Err(none) => Err(none.to_string()),
    }
}

#[tokio::test]
async fn an_odd_answer_gives_no_token() {
    let good = json!({"access_token": "abc", "token_type": "Bearer", "expires_in": 60});
    let with = |key: &str, value: Value| {
        let mut answer = good.clone();
        answer[key] = value;
        answer.to_string()
    };
    let elsewhere = TokenServer::start(60).await;
    for (what, status, body) in [
        ("created", 201, good.to_string()),
        ("redirect", 307, good.to_string()),
        ("no JSON", 200, "token".to_owned()),
        ("a list", 200, json!([good]).to_string()),
        ("another type", 200, with("token_type", json!("MAC"))),
        ("two headers", 200, with("access_token", json!("a\r\nb: c"))),
        ("long", 200, with("access_token", json!("a".repeat(16_385)))),
        ("ended", 200, with("expires_in", json!(0))),
        ("large", 200, with("x", json!("a".repeat(ANSWER_BYTES_MAX)))),
    ] {
        let location = elsewhere.url();
        let server = Upstream::http(move |_| {
            let mut answer = reply(status, body.clone());
            let location = location.parse().unwrap();
            answer.headers_mut().insert("location", location);
            async move { answer }
        });
        let none = shown(&server.await).await.unwrap_err();
        assert_eq!(
            none, "the client `people` has been given no token yet",
            "{what}"
        );
    }
    assert_eq!(elsewhere.asked(), []);
    let server = Upstream::http(move |_| {
        let answer = reply(200, good.to_string());
        async move { answer }
    });
    let headers = shown(&server.await).await.unwrap();
    assert_eq!(headers["authorization"], "Bearer abc");
    assert!(headers["authorization"].is_sensitive());
}

#[tokio::test]
async fn a_server_that_says_nothing_is_not_waited_for() {
    let server = Upstream::raw(|stream| async move {
        let _open = stream;
        std::future::pending::<()>().await;
    });
    let server = server.await;
    let started = Instant::now();
    shown(&server).await.unwrap_err();
    assert!(started.elapsed() >= TIMEOUT);
}
