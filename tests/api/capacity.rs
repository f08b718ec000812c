//! What becomes of callers beyond the room that there is for them.

use gateway_tests::client::Client;
use gateway_tests::command::{ask, told};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::{Setup, mock};
use serde_json::{Value, json};

/// Callers, of whom there is room for 1,024.
const CALLERS: usize = 1_500;

/// Buckets of which nothing comes back while a test runs: two requests for each caller, and one for all
/// together for whom there is no room.
fn crowded(callers: u64) -> Setup {
    let mut route = mock("whole");
    route["caller_throttles"] = json!([{
        "key": "$request.header.x-who", "rate": 0.0001, "burst": 2,
        "overflow": {"rate": 0.0001, "burst": 1},
    }]);
    Setup::new()
        .set(
            &["buckets"],
            json!({"throttles": 1_024, "callers": callers}),
        )
        .set(&["apis", "main", "type"], json!("rest"))
        .set(&["apis", "main", "stages"], json!({"prod": {}}))
        .set(&["apis", "main", "routes", "GET /a"], route)
}

async fn status(client: &Client, caller: usize) -> u16 {
    let who = format!("caller-{caller}");
    client.get_with("/prod/a", &[("x-who", &who)]).await.status
}

async fn stats(gateway: &Gateway) -> Value {
    let said = told(&ask(gateway, &["stats", "--json"]).await);
    serde_json::from_str(&said).unwrap()
}

#[tokio::test]
async fn whoever_finds_no_room_shares_what_is_left_and_pushes_nobody_out() {
    let gateway = Gateway::start(crowded(1_024)).await;
    let client = Client::http1(gateway.address().await).await;
    let mut owners = Vec::new();
    let (mut shed, mut shared) = (0, 0);
    for caller in 0..CALLERS {
        match (status(&client, caller).await, status(&client, caller).await) {
            (200, 200) => owners.push(caller),
            (200, 429) => {
                shared += 1;
                shed += 2;
            }
            (429, 429) => shed += 2,
            other => panic!("{other:?}"),
        }
    }
    // Lines fill unevenly, but no more than all of them find room; the others together have one request.
    assert!((900..=1_024).contains(&owners.len()), "{}", owners.len());
    assert_eq!(shared, 1);
    // Those who owe still do, each its own.
    for &caller in owners.iter().step_by(10) {
        assert_eq!(status(&client, caller).await, 429);
    }
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.get("gateway_callers_shed_total"), f64::from(shed));
    let said = stats(&gateway).await;
    assert_eq!(said["callers"], json!({"owing": owners.len(), "of": 1_024}));
    assert_eq!(said["slots"]["of"], 1_024);
    assert_eq!(said["slots"]["shed"], shed);
}

#[tokio::test]
async fn what_is_owed_goes_over_into_tables_of_another_size() {
    let mut gateway = Gateway::start(crowded(1_024)).await;
    let client = Client::http1(gateway.address().await).await;
    for caller in 0..50 {
        assert_eq!(status(&client, caller).await, 200);
        assert_eq!(status(&client, caller).await, 200);
    }
    // Only a restart changes it.
    gateway
        .setup()
        .change(&["buckets", "callers"], json!(65_536));
    gateway
        .setup()
        .change(&["buckets", "throttles"], json!(2_048));
    let refused = gateway.reload().await["message"].to_string();
    assert!(
        refused.contains("buckets.throttles, buckets.callers"),
        "{refused}"
    );
    for sizes in [(2_048, 65_536), (1_024, 1_024)] {
        let mut setup = gateway.kill().await;
        setup.change(&["buckets", "throttles"], json!(sizes.0));
        setup.change(&["buckets", "callers"], json!(sizes.1));
        gateway = Gateway::start(setup).await;
        let client = Client::http1(gateway.address().await).await;
        for caller in 0..50 {
            assert_eq!(status(&client, caller).await, 429, "{caller}");
        }
        let said = stats(&gateway).await;
        assert_eq!(said["callers"], json!({"owing": 50, "of": sizes.1}));
        assert_eq!(said["slots"]["of"], sizes.0);
        let said = "what was owed is owed still";
        let is_said = |line: &str| line.contains(said).then_some(());
        gateway
            .errors
            .find("that it was carried over", is_said)
            .await;
    }
}

/// Requests that found no room, of callers of whom each sends one.
async fn shed(setup: Setup) -> f64 {
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    for caller in 0..CALLERS {
        status(&client, caller).await;
    }
    let metrics = gateway.metrics().await;
    metrics.get("gateway_callers_shed_total")
}

#[tokio::test]
async fn who_may_be_replaced_is_decided_by_the_fastest_limit_in_force() {
    let mut fast = mock("whole");
    fast["caller_throttles"] = json!([{"key": "$request.header.x-other", "rate": 100, "burst": 2}]);
    let alone = shed(crowded(1_024)).await;
    let beside = shed(crowded(1_024).set(&["apis", "main", "routes", "GET /b"], fast)).await;
    // One request makes room for another of the same limit, and is a debt of hours by a fast one.
    assert!(alone * 3.0 < beside, "{alone} and {beside}");
}
