//! Penalties of callers over HTTP/2, where one connection may carry several.

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

use gateway_tests::abuse::{ask, go_on, hammer, limited, penalties};
use gateway_tests::client::Client;
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::{Key, authorize};
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use serde_json::json;

const SOURCE: &str = "127.0.0.7";

async fn start(upstream: &Upstream, key: &Key) -> (Gateway, SocketAddr) {
    let setup = authorize(Setup::new().upstream("main", upstream.address), &[key]);
    let penalties = json!({
        "mode": "enforce", "offences": {"rate": 0.1, "burst": 2}, "first": "5s", "most": "5s",
    });
    let setup = limited(setup, penalties)
        .route("GET /mine", json!({"authorizer": "main"}))
        .route("GET /long", json!({"authorizer": "main"}));
    let gateway = Gateway::start(setup).await;
    let address = gateway.address().await;
    (gateway, address)
}

async fn overages(gateway: &Gateway) -> f64 {
    let metrics = gateway.metrics().await;
    metrics.get("gateway_offences_total{reason=\"overage\"}")
}

#[tokio::test]
async fn of_two_keys_on_one_connection_the_abusive_one_is_refused_and_nothing_befalls_the_other() {
    let (upstream, key) = (Upstream::echo().await, Key::ec("ec"));
    let (gateway, address) = start(&upstream, &key).await;
    let bearer = |subject: &str| key.bearer(json!({"sub": subject}));
    let (abuser, honest) = (bearer("abuser"), bearer("honest"));
    let client = Client::http2_from(SOURCE, address).await;
    let is_over = Cell::new(false);
    let behave = async {
        let mut answered = 0;
        // Long past everything that would have been done to a connection of the abuser's own.
        while overages(&gateway).await < 100.0 {
            let answer = ask(&client, "/mine", &honest).await.unwrap();
            assert_eq!(answer.status, 200);
            answered += 1;
        }
        is_over.set(true);
        answered
    };
    let ((admitted, refused), answered) =
        tokio::join!(go_on(&client, &abuser, || is_over.get()), behave);
    assert!(
        refused >= 100 && admitted >= 1 && answered >= 10,
        "{admitted} {refused} {answered}"
    );
    assert_eq!(penalties(&gateway), Vec::<String>::new());
    let metrics = gateway.metrics().await;
    assert!(metrics.sum("gateway_penalties_total") < 0.5);
    assert!(metrics.connections("penalised") < 0.5);
    // It goes on as if nothing had been, while a connection of the abuser alone is held at once.
    let alone = Client::http2_from(SOURCE, address).await;
    drop(hammer(&alone, &abuser).await);
    let is_it = |record: &serde_json::Value| record["penalty"].is_string();
    let step = gateway.record("a step", is_it).await;
    assert_eq!(step["subject"], "abuser");
    assert_eq!(ask(&client, "/mine", &honest).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_connection_whose_keys_all_go_on_is_cut_in_the_end() {
    let (upstream, key) = (Upstream::echo().await, Key::ec("ec"));
    let (gateway, address) = start(&upstream, &key).await;
    let [one, two] = ["one", "two"].map(|subject| key.bearer(json!({"sub": subject})));
    let client = Client::http2_from(SOURCE, address).await;
    // Both are admitted now and then, which speaks for neither.
    let (ones, twos) = tokio::join!(hammer(&client, &one), hammer(&client, &two));
    for statuses in [ones, twos] {
        assert_eq!(statuses.first(), Some(&200));
        assert!(statuses.iter().all(|status| [200, 429].contains(status)));
    }
    let is_cut = |record: &serde_json::Value| record["penalty"] == "cut";
    drop(gateway.record("the cut", is_cut).await);
    // Neither was slowed, for the other's sake.
    assert!(penalties(&gateway).iter().all(|step| step == "cut"));
    let metrics = gateway
        .metrics_when("its end", |it| it.connections("penalised") >= 1.0)
        .await;
    assert!(metrics.connections("penalised") < 1.5);
}

#[tokio::test]
async fn what_another_key_has_under_way_counts_before_its_answer_comes() {
    let ((upstream, gate), key) = (Upstream::gated().await, Key::ec("ec"));
    let (gateway, address) = start(&upstream, &key).await;
    let bearer = |subject: &str| key.bearer(json!({"sub": subject}));
    let (abuser, honest) = (bearer("abuser"), bearer("honest"));
    let client = Client::http2_from(SOURCE, address).await;
    let is_over = Cell::new(false);
    let waits = async {
        let answer = ask(&client, "/long", &honest).await.unwrap();
        assert_eq!(answer.status, 200);
        is_over.set(true);
    };
    let opens = async {
        // By now it would have been cut, were it alone.
        while overages(&gateway).await < 50.0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        gate.add_permits(1_000);
    };
    let abuse = async {
        let is_there = |seen: &gateway_tests::upstream::Seen| seen.requests >= 1;
        upstream.when("the other to be under way", is_there).await;
        go_on(&client, &abuser, || is_over.get()).await
    };
    let ((_, refused), (), ()) = tokio::join!(abuse, waits, opens);
    assert!(refused >= 50, "{refused}");
    assert_eq!(penalties(&gateway), Vec::<String>::new());
}

#[tokio::test]
async fn one_key_alone_is_slowed_and_told_to_go_away_then_cut_as_over_http1() {
    let (upstream, key) = (Upstream::echo().await, Key::ec("ec"));
    let (gateway, address) = start(&upstream, &key).await;
    let abuser = key.bearer(json!({"sub": "abuser"}));
    // It is told to go away, and so the first connection ends without having been broken off.
    let first = Client::http2_from(SOURCE, address).await;
    let statuses = hammer(&first, &abuser).await;
    assert_eq!(statuses.first(), Some(&200));
    assert!(statuses.iter().all(|status| [200, 429].contains(status)));
    gateway
        .record("the step", |record| record["penalty"] == "slowed")
        .await;
    assert!(gateway.metrics().await.connections("penalised") < 0.5);
    // On the next one it is cut.
    while gateway.metrics().await.connections("penalised") < 0.5 {
        let next = Client::http2_from(SOURCE, address).await;
        drop(hammer(&next, &abuser).await);
        // It is counted just behind its end.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(penalties(&gateway).last().unwrap(), "cut");
    assert!(!penalties(&gateway).contains(&"held".to_owned()));
}
