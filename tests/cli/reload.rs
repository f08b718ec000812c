//! `gateway reload`.

use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use serde_json::json;

use crate::{gateway, stderr, stdout};

async fn reload(file: &std::path::Path) -> std::process::Output {
    let file = file.to_str().unwrap().to_owned();
    tokio::task::spawn_blocking(move || gateway(&["reload", "--config", &file]))
        .await
        .unwrap()
}

#[tokio::test]
async fn it_says_what_happened_and_its_exit_code_says_so_too() {
    let mut running = Gateway::start(Setup::forwarding("127.0.0.1:9".parse().unwrap())).await;
    let done = reload(&running.setup().write()).await;
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    assert_eq!(stdout(&done), "configuration reloaded, generation 2\n");
    running.setup().change(&["drain_timeout"], json!("1h"));
    running.setup().change(&["workers"], json!(1));
    let refused = reload(&running.setup().write()).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("workers can only change with a restart"),
        "{}",
        stderr(&refused)
    );
}

#[tokio::test]
async fn a_file_with_errors_is_refused_with_their_places() {
    let mut running = Gateway::start(Setup::forwarding("127.0.0.1:9".parse().unwrap())).await;
    running.setup().change(
        &["apis", "main", "routes", "$default", "authorizer"],
        json!("nobody"),
    );
    let refused = reload(&running.setup().write()).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("gateway.yaml:"),
        "{}",
        stderr(&refused)
    );
}

#[tokio::test]
async fn without_a_gateway_there_is_nothing_to_reload() {
    let setup = Setup::forwarding("127.0.0.1:9".parse().unwrap());
    let failed = reload(&setup.write()).await;
    assert_eq!(failed.status.code(), Some(1));
    assert!(
        stderr(&failed).contains("no gateway is running"),
        "{}",
        stderr(&failed)
    );
}
