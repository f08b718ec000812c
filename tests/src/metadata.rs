//! What gives out credentials of AWS: the metadata of an instance, and the server of a container.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http::{Method, Request};
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::issuer::now;
use crate::upstream::{Reply, Upstream, reply};

/// What a container has to show.
pub const CONTAINER_TOKEN: &str = "a-container's-token";

const SESSION: &str = "a-session";
const ROLE: &str = "worker";

/// A server of both. Dropping it closes it.
#[derive(Debug)]
pub struct Metadata {
    upstream: Upstream,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// A key, and how long it is good.
    given: Option<(String, u64)>,
    asked: Vec<String>,
}

impl Metadata {
    /// A server that has no credentials yet.
    pub async fn start() -> Self {
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = Arc::clone(&state);
        let upstream = Upstream::http(move |request| {
            let answer = answer(&request, &mut lock(&shared));
            async move { answer }
        });
        Self {
            upstream: upstream.await,
            state,
        }
    }

    /// Its URL, as an instance is told.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.upstream.address)
    }

    /// The URL of its credentials, as a container is told.
    #[must_use]
    pub fn container_url(&self) -> String {
        format!("{}/container", self.url())
    }

    /// Gives out this key from now on, which ends so many seconds after it was asked for; its secret is
    /// `secret` and its session token `token`.
    pub fn give(&self, access_key_id: &str, seconds: u64) {
        lock(&self.state).given = Some((access_key_id.to_owned(), seconds));
    }

    /// Gives out nothing from now on, whoever asks.
    pub fn go_down(&self) {
        lock(&self.state).given = None;
    }

    /// What it was asked so far, as `GET /path`.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        lock(&self.state).asked.clone()
    }
}

fn answer(request: &Request<Incoming>, state: &mut State) -> Reply {
    let path = request.uri().path();
    state.asked.push(format!("{} {path}", request.method()));
    let header = |name: &str| request.headers().get(name).and_then(|it| it.to_str().ok());
    let Some((access_key_id, seconds)) = &state.given else {
        return reply(500, "down");
    };
    let document = document(access_key_id, *seconds);
    let role = format!("/latest/meta-data/iam/security-credentials/{ROLE}");
    let is_in_session = header("x-aws-ec2-metadata-token") == Some(SESSION);
    match (request.method(), path) {
        (&Method::PUT, "/latest/api/token")
            if header("x-aws-ec2-metadata-token-ttl-seconds").is_some() =>
        {
            reply(200, SESSION)
        }
        (&Method::GET, "/container") if header("authorization") == Some(CONTAINER_TOKEN) => {
            reply(200, document.to_string())
        }
        (&Method::GET, _) if !is_in_session => reply(401, "no session"),
        (&Method::GET, "/latest/meta-data/iam/security-credentials/") => reply(200, ROLE),
        (&Method::GET, path) if path == role => reply(200, document.to_string()),
        _ => reply(404, "there is no such page"),
    }
}

fn document(access_key_id: &str, seconds: u64) -> Value {
    let end = std::time::UNIX_EPOCH + Duration::from_secs(now() + seconds);
    json!({
        "Code": "Success",
        "Type": "AWS-HMAC",
        "AccessKeyId": access_key_id,
        "SecretAccessKey": "secret",
        "Token": "token",
        "Expiration": humantime::format_rfc3339_seconds(end).to_string(),
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics while holding it")
}
