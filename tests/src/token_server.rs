//! A token endpoint of an authorization server, on loopback.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use http::Request;
use hyper::body::Incoming;
use serde_json::json;

use crate::upstream::{Reply, Upstream, reply, sent};

/// The server. It calls its tokens `token-1`, `token-2` and so on. Dropping it closes it.
#[derive(Debug)]
pub struct TokenServer {
    upstream: Upstream,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    lifetime_seconds: Option<u64>,
    asked: Vec<TokenQuestion>,
}

/// What it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenQuestion {
    /// Path and query.
    pub uri: String,
    /// `Authorization`; empty where there is none.
    pub authorization: String,
    /// The members of the form.
    pub form: HashMap<String, String>,
}

impl TokenServer {
    /// A server whose tokens are good for so many seconds.
    pub async fn start(lifetime_seconds: u64) -> Self {
        let state = Arc::new(Mutex::new(State {
            lifetime_seconds: Some(lifetime_seconds),
            asked: Vec::new(),
        }));
        let shared = Arc::clone(&state);
        let upstream = Upstream::http(move |request| {
            let state = Arc::clone(&shared);
            async move { answer(request, &state).await }
        });
        Self {
            upstream: upstream.await,
            state,
        }
    }

    /// Its token endpoint.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/oauth2/token", self.upstream.address)
    }

    /// Gives out nothing from now on.
    pub fn go_down(&self) {
        lock(&self.state).lifetime_seconds = None;
    }

    /// What it was asked so far.
    #[must_use]
    pub fn asked(&self) -> Vec<TokenQuestion> {
        lock(&self.state).asked.clone()
    }
}

async fn answer(request: Request<Incoming>, state: &Mutex<State>) -> Reply {
    let authorization = request.headers().get("authorization");
    let authorization = authorization.and_then(|value| value.to_str().ok());
    let (uri, authorization) = (
        request.uri().to_string(),
        authorization.unwrap_or_default().to_owned(),
    );
    let body = sent(request).await;
    let form = form_urlencoded::parse(&body).into_owned().collect();
    let mut state = lock(state);
    state.asked.push(TokenQuestion {
        uri,
        authorization,
        form,
    });
    let Some(seconds) = state.lifetime_seconds else {
        return reply(503, json!({"error": "temporarily_unavailable"}).to_string());
    };
    let token = format!("token-{}", state.asked.len());
    let answer = json!({"access_token": token, "token_type": "bearer", "expires_in": seconds});
    reply(200, answer.to_string())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics while holding it")
}
