//! Orders about API keys that meet each other, and a gateway that is killed among them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Output;
use std::sync::mpsc::{SyncSender, sync_channel};

use gateway::daemon::protocol::{Request, Response, call};
use gateway::store::api_key::{ApiKeyStore, KeyOrder, NewKey};
use gateway::store::deployment::DeploymentStore;
use gateway::store::usage::Usage;
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use serde_json::Value;

use crate::{gateway, stderr, stdout};

fn nowhere() -> Setup {
    Setup::forwarding("127.0.0.1:9".parse().unwrap())
}

fn create(config: &Path) -> Output {
    let config = config.to_str().unwrap();
    gateway(&["keys", "create", "--json", "--config", config])
}

#[track_caller]
fn id_of(made: &Output) -> String {
    assert_eq!(made.status.code(), Some(0), "{}", stderr(made));
    let made: Value = serde_json::from_str(&stdout(made)).unwrap();
    made["id"].as_str().unwrap().to_owned()
}

/// What the next process knows.
fn known(setup: &Setup) -> BTreeSet<String> {
    let store = ApiKeyStore::open(&setup.directory().join("state")).unwrap();
    let all = store.keys().all();
    all.keys().iter().map(|key| key.id.to_string()).collect()
}

#[tokio::test]
async fn of_orders_at_once_each_is_followed() {
    let gateway = Gateway::start(nowhere()).await;
    let config = gateway.config_path();
    let made = (0..8).map(|_| {
        let config = config.clone();
        tokio::task::spawn_blocking(move || id_of(&create(&config)))
    });
    let made: Vec<_> = made.collect();
    let mut ids = BTreeSet::new();
    for made in made {
        ids.insert(made.await.unwrap());
    }
    assert_eq!(ids.len(), 8);
    assert_eq!(known(&gateway.stop().await), ids);
}

#[test]
fn of_commands_at_once_without_a_gateway_each_is_followed_or_told_to_wait() {
    let setup = nowhere();
    let config = setup.write();
    let outputs: Vec<Output> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..6).map(|_| scope.spawn(|| create(&config))).collect();
        let outputs = threads.into_iter().map(|thread| thread.join().unwrap());
        outputs.collect()
    });
    let mut ids = BTreeSet::new();
    for output in outputs {
        if output.status.success() {
            ids.insert(id_of(&output));
        } else {
            let said = stderr(&output);
            assert!(
                said.contains("is in use") && said.contains("wait for the command"),
                "{said}"
            );
            assert_eq!(stdout(&output), "", "{said}");
        }
    }
    assert!(!ids.is_empty());
    assert_eq!(known(&setup), ids);
    ids.insert(id_of(&create(&config)));
    assert_eq!(known(&setup), ids);
}

#[tokio::test]
async fn a_gateway_that_starts_lets_a_command_finish() {
    let setup = nowhere();
    let config = setup.write();
    let id = id_of(&create(&config));
    let state = setup.directory().join("state");
    let deployments = DeploymentStore::open(&state).unwrap();
    let usage = Usage::open(&state, 0).unwrap();
    let api_keys = ApiKeyStore::open(&state).unwrap();
    let gateway = Gateway::spawn(setup);
    let waits_for = async |file: &str| {
        let is_told = |line: &str| line.contains("waiting for a command") && line.contains(file);
        let line = |line: &str| is_told(line).then_some(());
        gateway.errors.find(file, line).await;
    };
    waits_for("/gateway.redb").await;
    drop(deployments);
    waits_for("/usage.redb").await;
    drop(usage);
    waits_for("/api-keys.redb").await;
    drop(api_keys);
    gateway.address().await;
    assert_eq!(known(&gateway.stop().await), BTreeSet::from([id]));
}

const THREADS: usize = 3;
/// More than are ever followed between two looks at what was acknowledged.
const ORDERS_MAX: usize = 10_000;

/// Has a gateway make keys until it is gone, and tells of each that it acknowledges.
fn order_until_it_is_gone(socket: &Path, acknowledged: &SyncSender<String>) {
    let order = KeyOrder::Create(NewKey::default());
    let request = Request::KeyOrder { order };
    loop {
        match call(socket, &request) {
            Ok(Response::KeysChanged(outcome)) => {
                acknowledged.send(outcome.made[0].clone()).unwrap();
            }
            Ok(other) => panic!("{other:?}"),
            Err(_gone) => return,
        }
    }
}

#[tokio::test]
async fn what_a_killed_gateway_has_acknowledged_is_known_to_the_next() {
    let mut setup = nowhere();
    let (mut expected, mut unanswered) = (BTreeSet::new(), 0);
    for round in 0..6 {
        let gateway = Gateway::start(setup).await;
        let socket = gateway.admin_socket();
        let (tell, told) = sync_channel(ORDERS_MAX);
        let orders = (0..THREADS).map(|_| {
            let (socket, tell) = (socket.clone(), tell.clone());
            tokio::task::spawn_blocking(move || order_until_it_is_gone(&socket, &tell))
        });
        let orders: Vec<_> = orders.collect();
        drop(tell);
        let acknowledged = tokio::task::spawn_blocking(move || {
            let first: Vec<String> = told.iter().take(5 + round).collect();
            (first, told)
        });
        let (first, told) = acknowledged.await.unwrap();
        setup = gateway.kill().await;
        for order in orders {
            order.await.unwrap();
        }
        expected.extend(first.into_iter().chain(told));
        let found = known(&setup);
        let lost: Vec<_> = expected.difference(&found).collect();
        assert!(lost.is_empty(), "{lost:?} in round {round}");
        // The orders that were being followed: nobody was told what became of them.
        let more: Vec<String> = found.difference(&expected).cloned().collect();
        assert!(more.len() <= THREADS, "{more:?} in round {round}");
        unanswered += more.len();
        expected.extend(more);
    }
    assert!(
        expected.len() >= 30,
        "{expected:?}, {unanswered} unanswered"
    );
}
