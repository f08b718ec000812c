//! A stage that serves something else than the file says tells so, and follows it in what no
//! deployment freezes.

use gateway_tests::client::Client;
use gateway_tests::command::{ask, told};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::{Setup, mock};
use serde_json::{Value, json};

async fn changed(gateway: &mut Gateway, path: &[&str], value: Value) {
    gateway.setup().change(path, value);
    drop(gateway.setup().write());
    let answer = gateway.reload().await;
    assert_eq!(answer["answer"], "done", "{answer}");
}

async fn done(gateway: &Gateway, arguments: &[&str]) {
    assert!(!told(&ask(gateway, arguments).await).is_empty());
}

/// What the metrics say of both stages, which is what the status says.
async fn differ(gateway: &Gateway) -> [bool; 2] {
    let metrics = gateway.metrics().await;
    let status = told(&ask(gateway, &["status", "--json"]).await);
    let status: Value = serde_json::from_str(&status).unwrap();
    let stages = status[0]["stages"].as_array().unwrap();
    ["prod", "held"].map(|name| {
        let sample = format!("gateway_stage_differs_from_file{{api=\"main\",stage=\"{name}\"}} ");
        let mut lines = metrics.text.lines();
        let value = lines.find_map(|line| line.strip_prefix(&sample));
        let told = stages.iter().find(|stage| stage["stage"] == name).unwrap();
        let is_told = told["differs_from_file"].as_bool().unwrap();
        assert_eq!(value, Some(if is_told { "1" } else { "0" }), "{name}");
        is_told
    })
}

#[tokio::test]
async fn metrics_say_which_stage_serves_something_else_than_the_file_says() {
    let mut gateway = Gateway::start(Setup::saying("one")).await;
    let route = ["apis", "main", "routes"];
    assert_eq!(differ(&gateway).await, [false, false]);
    changed(&mut gateway, &route, json!({"GET /say": mock("two")})).await;
    assert_eq!(differ(&gateway).await, [false, true]);
    // A file that is refused changes nothing, and no start forgets.
    gateway.setup().change(&route, json!(7));
    drop(gateway.setup().write());
    assert_eq!(gateway.reload().await["answer"], "refused");
    assert_eq!(differ(&gateway).await, [false, true]);
    gateway
        .setup()
        .change(&route, json!({"GET /say": mock("two")}));
    let mut gateway = Gateway::start(gateway.kill().await).await;
    assert_eq!(differ(&gateway).await, [false, true]);
    let rollback = ["rollback", "main", "--stage", "prod", "--to", "1"];
    done(&gateway, &rollback).await;
    assert_eq!(differ(&gateway).await, [true, true]);
    // Its canary may serve what the file says: the others get something else.
    let deploy = ["deploy", "main", "--stage", "held", "--canary", "100"];
    done(&gateway, &deploy).await;
    assert_eq!(differ(&gateway).await, [true, true]);
    done(&gateway, &["canary", "promote", "main", "--stage", "held"]).await;
    assert_eq!(differ(&gateway).await, [true, false]);
    // Back to what is served elsewhere.
    changed(&mut gateway, &route, json!({"GET /say": mock("one")})).await;
    assert_eq!(differ(&gateway).await, [false, true]);
}

#[tokio::test]
async fn what_no_deployment_freezes_takes_effect_with_a_reload_and_is_no_difference() {
    let mut gateway = Gateway::start(Setup::saying("one")).await;
    let client = Client::http1(gateway.address().await).await;
    let diff = ["diff", "main", "--stage", "held"];
    let long = format!("/held/say?{}", "x".repeat(2_000));
    assert_eq!(client.get(&long).await.status, 200);
    let limits = json!({"url_bytes_max": "1KiB"});
    changed(&mut gateway, &["apis", "main", "limits"], limits).await;
    assert_eq!(client.get(&long).await.status, 414);

    let throttle = json!({"rate": 0.01, "burst": 1});
    let stage = ["apis", "main", "stages", "held", "throttle"];
    changed(&mut gateway, &stage, throttle).await;
    assert_eq!(client.get("/held/say").await.status, 200);
    assert_eq!(client.get("/held/say").await.status, 429);
    assert_eq!(client.get("/prod/say").await.status, 200);

    let private = json!({"prefixes": ["192.0.2.0/24"]});
    changed(&mut gateway, &["apis", "main", "private"], private).await;
    assert_eq!(client.get("/held/say").await.status, 404);
    let found = told(&ask(&gateway, &diff).await);
    assert_eq!(found, "deployment 1 and the configuration say the same");
    assert_eq!(differ(&gateway).await, [false, false]);
}
