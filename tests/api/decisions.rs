//! What is remembered of callers: counted, forgotten on demand, never beyond an acknowledged change.

use gateway_tests::client::Client;
use gateway_tests::command::{ask, told};
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::{Key, authorize, claims};
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use serde_json::{Value, json};

fn protected(upstream: &Upstream, keys: &[&Key]) -> Setup {
    let setup = Setup::new().upstream("main", upstream.address);
    authorize(setup, keys).route("GET /{any+}", json!({"authorizer": "main"}))
}

async fn call(client: &Client, token: &str) -> u16 {
    let headers = [("authorization", token)];
    client.get_with("/a", &headers).await.status
}

/// Hits, refusals, misses, and what is held.
async fn counts(gateway: &Gateway) -> [f64; 4] {
    let metrics = gateway.metrics().await;
    let counter = |name| metrics.get(&format!("gateway_decisions_{name}{{authorizer=\"main\"}}"));
    ["hits_total", "refusals_total", "misses_total", "held"].map(counter)
}

#[tokio::test]
async fn decisions_are_forgotten_on_demand_and_made_anew() {
    let upstream = Upstream::echo().await;
    let key = Key::ec("ec");
    let gateway = Gateway::start(protected(&upstream, &[&key])).await;
    let client = Client::http1(gateway.address().await).await;
    let tokens = ["ann", "bob"].map(|who| key.token(&claims(json!({"sub": who}))));
    let call_both = async || {
        for token in &tokens {
            assert_eq!(call(&client, token).await, 200);
        }
    };
    call_both().await;
    call_both().await;
    assert_eq!(counts(&gateway).await, [2.0, 0.0, 2.0, 2.0]);

    let flush = async |whose: &[&str]| {
        let arguments = [&["cache", "flush"], whose].concat();
        ask(&gateway, &arguments).await
    };
    assert_eq!(
        told(&flush(&["--principal", "ann"]).await),
        "1 remembered decisions about `ann` are forgotten"
    );
    call_both().await;
    assert_eq!(counts(&gateway).await, [3.0, 0.0, 3.0, 2.0]);
    assert_eq!(
        told(&flush(&["--authorizer", "main"]).await),
        "2 remembered decisions of authorizer `main` are forgotten"
    );
    assert_eq!(counts(&gateway).await[3], 0.0);
    call_both().await;
    assert_eq!(counts(&gateway).await, [3.0, 0.0, 5.0, 2.0]);

    let slip = flush(&["--authorizer", "mian"]).await;
    assert_eq!(slip.status.code(), Some(1));
    let said = String::from_utf8_lossy(&slip.stderr).into_owned();
    assert!(
        said.contains("no authorizer is called `mian`: there are `main`"),
        "{said}"
    );
    let nobody = gateway.admin(r#"{"do":"cache_flush"}"#).await;
    assert_eq!(nobody["answer"], "refused");
    assert_eq!(flush(&[]).await.status.code(), Some(2));
}

#[tokio::test]
async fn a_wrong_signature_is_not_verified_again_within_seconds() {
    let upstream = Upstream::echo().await;
    let (key, other) = (Key::ec("ec"), Key::ec("ec"));
    let gateway = Gateway::start(protected(&upstream, &[&key])).await;
    let client = Client::http1(gateway.address().await).await;
    let forged = other.token(&claims(json!({})));
    for _ in 0..3 {
        assert_eq!(call(&client, &forged).await, 401);
    }
    let [hits, refusals, misses, held] = counts(&gateway).await;
    assert_eq!((hits, misses, held), (0.0, 3.0, 1.0));
    assert!(refusals >= 1.0, "{refusals}");
    let refused: Vec<Value> = gateway.all_records().await;
    assert_eq!(refused.len(), 3);
    for record in refused {
        assert_eq!(record["reason"], "token_signature");
    }
}

/// Changes the authorizer of `setup`.
fn authorizer(setup: Setup, key: &str, value: Value) -> Setup {
    setup.set(&["authorizers", "main", key], value)
}

#[tokio::test]
async fn a_guard_refuses_before_anything_is_verified() {
    let upstream = Upstream::echo().await;
    let key = Key::ec("ec");
    let guard = json!({"per_source": {"rate": 0.001, "burst": 2}});
    let setup = authorizer(protected(&upstream, &[&key]), "guard", guard);
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let token = |who: &str| key.token(&claims(json!({"sub": who})));
    let known = token("ann");
    assert_eq!(call(&client, &known).await, 200);
    assert_eq!(call(&client, &token("bob")).await, 200);
    let headers = [("authorization", &*token("eve"))];
    let refused = client.get_with("/a", &headers).await;
    assert_eq!(refused.status, 429);
    let seconds: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((990..=1000).contains(&seconds), "{seconds}");
    assert_eq!(
        call(&client, "Bearer nonsense").await,
        429,
        "whatever it is"
    );
    assert_eq!(
        call(&client, "").await,
        401,
        "without a token nothing is found out"
    );
    assert_eq!(
        call(&client, &known).await,
        200,
        "who is known is not held up"
    );
    assert_eq!(gateway.reason("authorizer_throttled").await["status"], 429);
}

#[tokio::test]
async fn an_authorizer_in_monitor_mode_says_what_it_would_do_and_lets_pass() {
    let upstream = Upstream::echo().await;
    let key = Key::ec("ec");
    let setup = authorizer(protected(&upstream, &[&key]), "monitor", json!(true));
    let mut gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let get = async |path: &'static str, token: &str| {
        let answer = client.get_with(path, &[("authorization", token)]).await;
        answer.status
    };
    let good = key.token(&claims(json!({})));
    let forged = Key::ec("ec").token(&claims(json!({})));
    assert_eq!(get("/good", &good).await, 200);
    assert_eq!(get("/forged", &forged).await, 200);
    assert_eq!(get("/none", "").await, 200);
    for (path, would) in [
        ("/good", "allow"),
        ("/forged", "token_signature"),
        ("/none", "token_missing"),
    ] {
        let record = gateway.path(path).await;
        assert_eq!(record["monitored"], would, "{path}");
        assert_eq!(
            (&record["status"], &record["reason"]),
            (&json!(200), &Value::Null)
        );
    }
    let metrics = gateway.metrics().await;
    let watched = |outcome: &str| {
        let labels = format!("{{authorizer=\"main\",outcome=\"{outcome}\"}}");
        metrics.get(&format!(
            "gateway_authorizer_watched_requests_total{labels}"
        ))
    };
    assert_eq!((watched("allowed"), watched("refused")), (1.0, 2.0));

    // Once it is meant, it holds at once.
    gateway
        .setup()
        .change(&["authorizers", "main", "monitor"], json!(false));
    assert_eq!(gateway.reload().await["answer"], "done");
    assert_eq!(get("/good", &good).await, 200);
    assert_eq!(get("/forged", &forged).await, 401);
}
