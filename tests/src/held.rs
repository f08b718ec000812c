//! Limits that are asked for more than they give while their gateway is reloaded, stopped, killed and started.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::client::Client;
use crate::gateway::Gateway;
use crate::setup::Setup;
use crate::wait::fail;

/// What each of them gives.
const RATE: u32 = 10;
const BURST: u32 = 40;
/// Workers of the gateway, of which each may admit one request more or less.
const WORKERS: f64 = 2.0;

/// Reloads, stops and kills. `GATEWAY_SOAK_RESTARTS` says otherwise.
const CHANGES: u32 = 9;

/// The paths of a REST API: limited as a route, by caller, and by the plan of an API key.
const PATHS: [&str; 3] = ["/prod/route", "/prod/caller", "/prod/key"];

/// What one limit has admitted, and what it could.
#[derive(Clone, Copy, Debug)]
struct Book {
    admitted: u32,
    /// Before the first request was sent, and when it was answered.
    first: [Instant; 2],
    /// Before the last one that was refused was sent, and when it was answered: less than one was left.
    refused: [Instant; 2],
    /// Requests for which the bucket has had room since then. At first it is full.
    room: f64,
    /// Requests that may not have fitted, because nobody asked for so long.
    missed: f64,
}

impl Book {
    /// Asks until the limit refuses.
    async fn ask(
        before: Option<Self>,
        client: &Client,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Self {
        let mut book = before;
        loop {
            let sent = Instant::now();
            let status = client.get_with(path, headers).await.status;
            let answered = Instant::now();
            let book = book.get_or_insert(Self {
                admitted: 0,
                first: [sent, answered],
                refused: [sent, answered],
                room: 0.0,
                missed: 0.0,
            });
            match status {
                200 => book.admitted += 1,
                429 => {
                    let since = given(answered - book.refused[0]);
                    book.missed += (since - book.room).max(0.0);
                    book.room = f64::from(BURST - 1);
                    book.refused = [sent, answered];
                    return *book;
                }
                other => fail(&format!("{path}: {other}")),
            }
        }
    }

    /// Compares what was admitted with what one bucket gives that nobody touches meanwhile, and says it.
    fn check(&self, path: &str) -> String {
        let most = f64::from(BURST) + given(self.refused[1] - self.first[0]) + WORKERS;
        let least =
            f64::from(BURST) + given(self.refused[0] - self.first[1]) - self.missed - WORKERS;
        let admitted = f64::from(self.admitted);
        let said = format!("{path}: {admitted} admitted, {least:.1} to {most:.1} were to be");
        assert!((least..=most).contains(&admitted), "{said}");
        said
    }
}

/// What a limit gives in that time.
fn given(time: Duration) -> f64 {
    f64::from(RATE) * time.as_secs_f64()
}

/// Runs a gateway of `setup`, whose upstream is `main`, with such limits and no other API, and has them hold
/// through all that. Says what each has admitted.
///
/// # Panics
/// Where a limit admits more than it may, or less.
pub async fn through_changes(
    setup: Setup,
    start: impl AsyncFn(Setup) -> Gateway,
    connect: impl AsyncFn(&Gateway) -> Client,
) -> String {
    let changes = std::env::var("GATEWAY_SOAK_RESTARTS");
    let changes = changes.map_or(CHANGES, |text| {
        text.parse().expect("GATEWAY_SOAK_RESTARTS is a number")
    });
    let mut gateway = start(limited(setup)).await;
    let order = json!({"order": "create", "plans": ["held"], "disabled": false});
    let order = json!({"do": "key_order", "order": order});
    let made = gateway.admin(&order.to_string()).await;
    let key = made.get("value").and_then(Value::as_str);
    let key = key.expect("the key is shown once");
    let headers = [("x-who", "somebody"), ("x-api-key", key)];
    let mut books = [None; PATHS.len()];
    for change in 0..=changes {
        let client = connect(&gateway).await;
        for (path, book) in PATHS.iter().zip(&mut books) {
            *book = Some(Book::ask(*book, &client, path, &headers).await);
        }
        gateway = match change % 3 {
            0 => {
                let answer = gateway.reload().await;
                assert_eq!(answer.get("answer"), Some(&json!("done")), "{answer}");
                gateway
            }
            1 => start(gateway.stop().await).await,
            _ => {
                gateway.signal(Signal::KILL);
                gateway.ended().await;
                start(std::mem::take(gateway.setup())).await
            }
        };
    }
    let books = PATHS.iter().zip(books);
    let said = books.map(|(path, book)| book.expect("each was asked").check(path));
    let said: Vec<String> = said.collect();
    format!("{changes} changes; {}", said.join("; "))
}

fn limited(setup: Setup) -> Setup {
    let limit = json!({"rate": RATE, "burst": BURST});
    let route = |setting: &str, value: Value| {
        let to = json!({"upstream": "main"});
        json!({"authorizer": "none", "integration": to, setting: value})
    };
    let by_caller = json!([{"key": "$request.header.x-who", "rate": RATE, "burst": BURST}]);
    setup
        .set(
            &["apis"],
            json!({"held": {
                "type": "rest",
                "stages": {"prod": {}},
                "routes": {
                    "GET /route": route("throttle", limit.clone()),
                    "GET /caller": route("caller_throttles", by_caller),
                    "GET /key": route("api_key_required", json!(true)),
                },
            }}),
        )
        .set(
            &["usage_plans", "held"],
            json!({"stages": [{"api": "held", "stage": "prod"}], "throttle": limit}),
        )
}
