//! A steady load: so many requests a second, whatever becomes of those before, and what was answered.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Request;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::client::{Client, Outgoing, get, with};
use crate::issuer::forged;

/// Connections that the requests share, in turns: together they carry more streams at once than wait
/// for the keys of an issuer in the worst case.
const CONNECTIONS: usize = 12;

/// A load that goes on until it is ended.
#[derive(Debug)]
pub struct Steady {
    stop: Arc<Notify>,
    sending: JoinHandle<BTreeMap<u16, u64>>,
}

impl Steady {
    /// Sends what `request` makes to `address` over HTTP/2, `per_second` times.
    pub async fn start(
        address: SocketAddr,
        per_second: u32,
        request: impl Fn() -> Request<Outgoing> + Send + 'static,
    ) -> Self {
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            clients.push(Arc::new(Client::http2(address).await));
        }
        let mut ticks = interval(Duration::from_secs(1) / per_second);
        // A machine that was busy elsewhere catches up.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let sending = tokio::spawn(async move {
            let mut answers = JoinSet::new();
            for client in clients.iter().cycle() {
                tokio::select! {
                    () = stopped.notified() => break,
                    _ = ticks.tick() => {}
                }
                let (client, request) = (Arc::clone(client), request());
                answers.spawn(async move { client.send(request).await.status });
            }
            let mut counted = BTreeMap::new();
            for status in answers.join_all().await {
                *counted.entry(status).or_default() += 1;
            }
            counted
        });
        Self { stop, sending }
    }

    /// Sends no more, and gives how often which status was answered once all are.
    ///
    /// # Panics
    /// Where a request was not answered.
    pub async fn ended(self) -> BTreeMap<u16, u64> {
        self.stop.notify_one();
        self.sending.await.expect("every request is answered")
    }
}

/// Callers who all have the token that is there now.
#[derive(Debug)]
pub struct Callers {
    token: Arc<Mutex<String>>,
    load: Steady,
    started: Instant,
    per_second: u32,
}

impl Callers {
    /// Callers of `path` who begin with `token`, `per_second` of them.
    pub async fn start(
        address: SocketAddr,
        per_second: u32,
        path: &'static str,
        token: String,
    ) -> Self {
        let token = Arc::new(Mutex::new(token));
        let used = Arc::clone(&token);
        let request = move || {
            let token = used.lock().expect("nobody panics while holding it");
            with(get(path), &[("authorization", token.as_str())])
        };
        Self {
            token,
            started: Instant::now(),
            load: Steady::start(address, per_second, request).await,
            per_second,
        }
    }

    /// Gives them another token.
    pub fn give(&self, token: String) {
        *self.token.lock().expect("nobody panics while holding it") = token;
    }

    /// Ends the load, and checks that it was one and that everybody was let in.
    pub async fn were_let_in(self) {
        let counted = self.load.ended().await;
        let sent: u64 = counted.values().sum();
        assert_eq!(counted, BTreeMap::from([(200, sent)]));
        let expected = self.started.elapsed().as_secs() * u64::from(self.per_second) / 2;
        assert!(sent >= expected, "{sent} requests, and not even {expected}");
    }
}

/// Clients whose tokens name another key each time, each with one request at a time. Dropping it ends
/// them.
///
/// # Panics
/// Its tasks do, where one of them is answered otherwise than with 401.
pub async fn made_up_keys(
    address: SocketAddr,
    path: &'static str,
    algorithm: &'static str,
    claims: Value,
) -> JoinSet<()> {
    let mut flood = JoinSet::new();
    let mut clients = Vec::new();
    for _ in 0..FLOODING.div_ceil(STREAMS) {
        clients.push(Arc::new(Client::http2(address).await));
    }
    for (number, client) in clients.iter().cycle().take(FLOODING).enumerate() {
        let (client, claims) = (Arc::clone(client), claims.clone());
        flood.spawn(async move {
            for count in 0_u64.. {
                let header = json!({"alg": algorithm, "kid": format!("made-up-{number}-{count}")});
                let token = forged(&header, &claims, |_| vec![1; 64]);
                let answer = client.get_with(path, &[("authorization", &token)]).await;
                assert_eq!(answer.status, 401);
            }
        });
    }
    flood
}

/// How many make keys up, and how many of them share a connection.
const FLOODING: usize = 400;
const STREAMS: usize = 100;
