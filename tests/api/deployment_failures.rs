//! Deployments that cannot be kept: the disk fails the store while the gateway serves.

use std::path::PathBuf;
use std::process::Command;

use gateway_tests::client::Client;
use gateway_tests::command::{ask, refused, told};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use serde_json::{Value, json};

/// Bytes of each route's answer: more than a page, so that a deployment makes the file grow.
const ANSWER_BYTES: usize = 100_000;
/// Routes; together they are larger than what the file has to spare.
const ROUTES: usize = 20;

/// A REST API of mocks whose answers begin with `text`. The gateway is told of a file that grows too
/// large by an error, and not by the signal that would end it.
fn setup(text: &str) -> Setup {
    let ignoring = r#"trap '' XFSZ; exec "$@""#;
    let mut setup = Setup::new()
        .set(&["apis", "main", "type"], json!("rest"))
        .set(&["apis", "main", "stages"], json!({"prod": {}}))
        .launcher(&["sh", "-c", ignoring, "sh"]);
    say(&mut setup, text);
    setup
}

fn say(setup: &mut Setup, text: &str) {
    let answer = format!("{text}{}", "x".repeat(ANSWER_BYTES));
    let routes = (0..ROUTES).map(|number| {
        let route = json!({
            "authorizer": "none",
            "integration": {
                "type": "mock",
                "request_templates": {"application/json": r#"{"statusCode": 200}"#},
                "responses": {
                    "default": {"status": 200, "templates": {"application/json": answer}},
                },
            },
        });
        (format!("GET /say{number}"), route)
    });
    let routes: serde_json::Map<String, Value> = routes.collect();
    setup.change(&["apis", "main", "routes"], Value::Object(routes));
}

async fn says(client: &Client, text: &str) {
    let answer = client.get("/prod/say0").await;
    assert_eq!(answer.status, 200);
    assert!(answer.text().starts_with(text));
}

fn file(gateway: &mut Gateway) -> PathBuf {
    gateway.setup().directory().join("state/gateway.redb")
}

/// From here on no file of the gateway grows beyond `bytes`; `None` lifts that.
fn bound_files(gateway: &Gateway, bytes: Option<u64>) {
    let soft = bytes.map_or_else(|| "unlimited".to_owned(), |bytes| bytes.to_string());
    let status = Command::new("prlimit")
        .arg(format!("--pid={}", gateway.pid()))
        .arg(format!("--fsize={soft}:unlimited"))
        .status()
        .expect("util-linux has it");
    assert!(status.success());
}

async fn deployments(gateway: &Gateway) -> Vec<u64> {
    let listed = told(&ask(gateway, &["deployments", "main", "--json"]).await);
    let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
    let numbers = listed.iter();
    numbers.map(|it| it["number"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_deployment_that_the_disk_has_no_room_for_changes_nothing_until_there_is_room() {
    let mut gateway = Gateway::start(setup("one")).await;
    let client = Client::http1(gateway.address().await).await;
    says(&client, "one").await;
    let path = file(&mut gateway);
    let before = std::fs::metadata(&path).unwrap().len();
    say(gateway.setup(), "two");
    // At the first byte, and somewhere on the way.
    for more in [0, 4_096, 300_000, 1_000_000] {
        bound_files(&gateway, Some(before + more));
        let answer = gateway.reload().await;
        assert_eq!(answer["answer"], "refused", "{more}: {answer}");
        let message = answer["message"].as_str().unwrap();
        let expected = format!(
            "`{}` cannot be read or written, and nothing of this was kept: see that its disk has \
             room and is sound, then try again: ",
            path.display()
        );
        assert!(message.starts_with(&expected), "{more}: {message}");
        assert!(message.contains("os error 27"), "{more}: {message}");
        says(&client, "one").await;
        bound_files(&gateway, None);
        assert_eq!(deployments(&gateway).await, [1], "{more}");
    }
    let metrics = gateway.metrics().await;
    let failed = "gateway_reloads_total{outcome=\"failed\"}";
    assert_eq!(metrics.get(failed), 4.0);

    // An order by hand fails in the same way, and goes through once it can.
    bound_files(&gateway, Some(before));
    let order = ["deploy", "main", "--stage", "prod"];
    let message = refused(&ask(&gateway, &order).await);
    assert!(message.contains("nothing of this was kept"), "{message}");
    says(&client, "one").await;
    bound_files(&gateway, None);
    let done = told(&ask(&gateway, &order).await);
    assert!(done.contains("serves deployment 2"), "{done}");
    says(&client, "two").await;

    // What was kept is what the next one finds, even behind a crash.
    bound_files(&gateway, Some(before));
    say(gateway.setup(), "three");
    assert_eq!(gateway.reload().await["answer"], "refused");
    let mut killed = gateway.kill().await;
    say(&mut killed, "two");
    let gateway = Gateway::start(killed).await;
    assert_eq!(deployments(&gateway).await, [1, 2]);
    let client = Client::http1(gateway.address().await).await;
    says(&client, "two").await;
}

#[tokio::test]
async fn a_start_that_cannot_keep_its_deployments_is_refused() {
    let small = r#"trap '' XFSZ; ulimit -f 64; exec "$@""#;
    let mut gateway = Gateway::spawn(setup("one").launcher(&["sh", "-c", small, "sh"]));
    let status = gateway.ended().await;
    assert!(!status.success(), "{status}");
    let said = gateway
        .errors
        .find("why", |line| {
            line.contains("gateway.redb").then(|| line.to_owned())
        })
        .await;
    assert!(said.contains("see that its disk has room"), "{said}");
}
