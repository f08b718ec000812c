//! Callers who go on although they were told to wait.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Answer, Client, get, with};
use crate::gateway::Gateway;
use crate::issuer::{Key, claims, forged};
use crate::setup::Setup;
use crate::wait::fail;

/// Between two requests of somebody who goes on.
const BREATH: Duration = Duration::from_millis(20);

/// Requests of each kind that are no offence. `GATEWAY_SOAK_STRAYS` says otherwise.
const STRAYS: u32 = 500;

/// How many requests of each kind that are no offence a test sends.
///
/// # Panics
/// When `GATEWAY_SOAK_STRAYS` is no number.
#[must_use]
pub fn strays() -> u32 {
    let asked = std::env::var("GATEWAY_SOAK_STRAYS");
    asked.map_or(STRAYS, |text| {
        text.parse().expect("GATEWAY_SOAK_STRAYS is a number")
    })
}

/// A route `GET /limited` that gives each caller one request in two seconds, and these `xdp.penalties` for
/// those who want more. Unless they say otherwise, who is cut keeps one connection in all.
#[must_use]
pub fn limited(setup: Setup, mut penalties: Value) -> Setup {
    if let Some(penalties) = penalties.as_object_mut() {
        let trickle = penalties.entry("trickle");
        trickle.or_insert_with(|| json!({"rate": 0.001, "burst": 1}));
    }
    setup.set(&["xdp", "penalties"], penalties).route(
        "GET /limited",
        json!({
            "authorizer": "main",
            "caller_throttles":
                [{"key": "$context.authorizer.claims.sub", "rate": 0.5, "burst": 1}],
        }),
    )
}

/// What the caller of this name shows in `Authorization`.
#[must_use]
pub fn bearer(key: &Key, subject: &str) -> String {
    key.bearer(json!({"sub": subject}))
}

/// What names a caller in `Authorization`, and a key of the issuer that has never signed it.
#[must_use]
pub fn not_signed(key: &str, subject: &str) -> String {
    let header = json!({"alg": "ES256", "kid": key});
    let token = forged(&header, &claims(json!({"sub": subject})), |_| vec![1; 64]);
    format!("Bearer {token}")
}

/// One request of whoever shows this; `None` where the connection broke.
pub async fn ask(client: &Client, path: &str, bearer: &str) -> Option<Answer> {
    let request = with(get(path), &[("authorization", bearer)]);
    client.try_send(request).await.ok()
}

/// Asks on and on, whatever it is told, until its connection breaks: the statuses.
pub async fn hammer(client: &Client, bearer: &str) -> Vec<u16> {
    let mut statuses = Vec::new();
    while let Some(answer) = ask(client, "/limited", bearer).await {
        statuses.push(answer.status);
        tokio::time::sleep(BREATH).await;
    }
    statuses
}

/// Asks on and on over a connection that others use as well, which must not break: how often it was admitted,
/// and how often told to wait.
///
/// # Panics
/// When the connection breaks, or another answer comes.
pub async fn go_on(client: &Client, bearer: &str, is_over: impl Fn() -> bool) -> (u32, u32) {
    let (mut admitted, mut refused) = (0, 0);
    while !is_over() {
        let answer = ask(client, "/limited", bearer).await;
        match answer.map(|answer| answer.status) {
            Some(200) => admitted += 1,
            Some(429) => refused += 1,
            other => fail(&format!("{other:?}")),
        }
        tokio::time::sleep(BREATH).await;
    }
    (admitted, refused)
}

/// The record of a request of which this became, by a caller at this address.
pub async fn penalised(gateway: &Gateway, step: &'static str, source: &'static str) -> Value {
    let is_it = move |record: &Value| {
        let peer = record["peer"].as_str().unwrap_or_default();
        record["penalty"] == step && peer.contains(source)
    };
    gateway.record(step, is_it).await
}

/// What has become of requests so far, beside their answers.
#[must_use]
pub fn penalties(gateway: &Gateway) -> Vec<String> {
    let records = gateway.records();
    let named = records
        .iter()
        .filter_map(|record| record["penalty"].as_str());
    named.map(str::to_owned).collect()
}
