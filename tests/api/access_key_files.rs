//! Files of access keys: whose eyes they are for, and what goes on without one that cannot be used.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use gateway_tests::client::{Client, get};
use gateway_tests::command::{ask as command, told};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::{Setup, mock};
use gateway_tests::signing::{ACCOUNT, Signing, authorize, statement, user, write_keys};
use serde_json::{Value, json};

const ID: &str = "AKIDANN";
const OLD: &str = "the-old-secret";
const NEW: &str = "the-new-secret";

fn keys(secret: &str) -> Value {
    json!({ID: user(ACCOUNT, secret, &[statement("Allow", "*")])})
}

fn guarded() -> Value {
    let mut route = mock("fine");
    route["authorizer"] = json!("main");
    json!({"GET /say": route})
}

/// A REST API of one mock behind signatures, with a stage that follows the file and one that does not.
fn setup() -> Setup {
    authorize(Setup::saying("fine"), &keys(OLD)).set(&["apis", "main", "routes"], guarded())
}

fn give(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

async fn status(client: &Client, stage: &str, secret: &str) -> u16 {
    let path = format!("/{stage}/say");
    let asked = Signing::new(ID, secret).header(get(&path), b"");
    client.send(asked).await.status
}

/// Has a reload refused, which leaves who signs with the old secret alone.
async fn refused(gateway: &Gateway, client: &Client, said: &str) {
    let answer = gateway.reload().await;
    assert_eq!(answer["answer"], "refused", "{answer}");
    let message = answer["message"].as_str().unwrap();
    let place = "authorizers.main.credentials: ";
    assert!(
        message.contains(&format!("{place}{said}")),
        "{message}\n{said}"
    );
    for secret in [OLD, NEW] {
        assert!(!message.contains(secret), "{message}");
    }
    assert_eq!(status(client, "prod", OLD).await, 200, "{said}");
    assert_eq!(status(client, "prod", NEW).await, 403, "{said}");
}

#[tokio::test]
async fn a_reload_that_cannot_use_the_keys_is_refused_and_the_last_ones_hold() {
    let mut gateway = Gateway::start(setup()).await;
    let client = Client::http1(gateway.address().await).await;
    assert_eq!(status(&client, "prod", OLD).await, 200);
    let path = write_keys(gateway.setup(), &keys(NEW));
    let shown = path.display();
    let exposed = format!(
        "cannot read `{shown}`: it holds secrets, and others can use it: chmod 600 {shown}"
    );
    // Every single right of others, and what editors leave.
    for mode in [0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o644, 0o666] {
        give(&path, mode);
        refused(&gateway, &client, &exposed).await;
    }
    std::fs::remove_file(&path).unwrap();
    let lost = format!(
        "cannot read `{shown}`: No such file or directory (os error 2): put it there, or name another"
    );
    refused(&gateway, &client, &lost).await;
    std::fs::create_dir(&path).unwrap();
    let odd = format!("cannot read `{shown}`: it is not a regular file: name one that is");
    refused(&gateway, &client, &odd).await;
    std::fs::remove_dir(&path).unwrap();
    std::fs::write(&path, "").unwrap();
    give(&path, 0o600);
    refused(&gateway, &client, "").await;
    // What the owner may do with it is the owner's business.
    for (mode, secret) in [(0o400, NEW), (0o600, OLD), (0o700, NEW)] {
        drop(write_keys(gateway.setup(), &keys(secret)));
        give(&path, mode);
        let answer = gateway.reload().await;
        assert_eq!(answer["answer"], "done", "{answer}");
        let other = if secret == NEW { OLD } else { NEW };
        assert_eq!(status(&client, "prod", secret).await, 200, "{mode:o}");
        assert_eq!(status(&client, "prod", other).await, 403, "{mode:o}");
    }
}

#[tokio::test]
async fn a_gateway_does_not_start_with_keys_that_it_cannot_use() {
    for (mode, said) in [
        (
            Some(0o640),
            "it holds secrets, and others can use it: chmod 600 ",
        ),
        (None, "put it there, or name another"),
    ] {
        let setup = setup();
        let path = setup.directory().join("keys.json");
        match mode {
            Some(mode) => give(&path, mode),
            None => std::fs::remove_file(&path).unwrap(),
        }
        let mut gateway = Gateway::spawn(setup);
        let is_it = |line: &str| {
            let is_it = line.contains("authorizers.main.credentials") && line.contains(said);
            is_it.then_some(())
        };
        gateway.errors.find("the refusal", is_it).await;
        assert!(!gateway.ended().await.success());
    }
}

/// What only a deployment still needs: nothing that runs may lose it, and a start goes on without it.
#[tokio::test]
async fn keys_of_a_deployment_are_not_taken_away_and_without_them_nobody_is_let_in() {
    let mut gateway = Gateway::start(setup()).await;
    // The stage that does not follow the file goes on with the keys of the old one.
    let setup = gateway.setup();
    let path = setup.directory().join("keys.json");
    let other = setup.file("other.json", &json!({"credentials": keys(NEW)}).to_string());
    give(&other, 0o600);
    setup.change(&["authorizers", "main", "credentials"], json!(other));
    assert_eq!(gateway.reload().await["answer"], "done");
    let mut client = Client::http1(gateway.address().await).await;
    assert_eq!(status(&client, "prod", NEW).await, 200);
    assert_eq!(status(&client, "held", OLD).await, 200);

    for lost in [true, false] {
        if lost {
            std::fs::remove_file(&path).unwrap();
        } else {
            give(&path, 0o640);
        }
        let answer = gateway.reload().await;
        let message = answer["message"].as_str().unwrap();
        assert_eq!(answer["answer"], "refused", "{answer}");
        for said in [
            "`main@main.1`",
            "/keys.json`",
            "`gateway rollback main --stage held --to <number>`",
        ] {
            assert!(message.contains(said), "{message}\nlacks\n{said}");
        }
        assert_eq!(status(&client, "held", OLD).await, 200);

        gateway = Gateway::start(gateway.kill().await).await;
        client = Client::http1(gateway.address().await).await;
        let warned = |line: &str| {
            let warned = line.contains("every signature is refused until a reload finds its keys");
            (warned && line.contains("/keys.json` cannot be used: ")).then_some(())
        };
        gateway.errors.find("a warning", warned).await;
        assert_eq!(status(&client, "prod", NEW).await, 200);
        assert_eq!(status(&client, "held", OLD).await, 403);
        assert_eq!(
            gateway.reason("signature_unknown_key").await["stage"],
            "held"
        );
        // Nothing else waits for it.
        assert_eq!(gateway.reload().await["answer"], "done");
        assert_eq!(status(&client, "held", OLD).await, 403);

        drop(write_keys(gateway.setup(), &keys(OLD)));
        assert_eq!(gateway.reload().await["answer"], "done");
        assert_eq!(status(&client, "held", OLD).await, 200);
        assert_eq!(status(&client, "held", NEW).await, 403);
    }
    // A stage that is led elsewhere needs them no more.
    std::fs::remove_file(&path).unwrap();
    let rollback = ["rollback", "main", "--stage", "held", "--to", "2"];
    drop(told(&command(&gateway, &rollback).await));
    assert_eq!(gateway.reload().await["answer"], "done");
    assert_eq!(status(&client, "held", NEW).await, 200);
}
