//! `gateway explain METHOD URL`.

use std::io::Write as _;
use std::process::{Command, Stdio};

use gateway_tests::client::Client;
use gateway_tests::gateway::{BINARY, Gateway};
use gateway_tests::issuer::{self, Key, claims};
use gateway_tests::setup::Setup;
use serde_json::{Value, json};

use crate::{gateway, stderr, stdout};

#[tokio::test]
async fn a_request_is_explained_in_words_and_as_json() {
    let key = Key::ec("key");
    let setup = Setup::new().upstream("main", "127.0.0.1:9".parse().unwrap());
    let setup = issuer::authorize(setup, &[&key])
        .route("GET /pets", json!({"authorizer": "main"}))
        .set(&["xdp", "mode"], json!("off"));
    let running = Gateway::start(setup).await;
    let config = running.config_path();
    let port = running.address().await.port();
    let token = key.token(&claims(json!({"sub": "ada"})));
    let url = format!("http://localhost:{port}/pets");
    let client = Client::http1(running.address().await).await;
    let name = client
        .get("/pets")
        .await
        .header("apigw-requestid")
        .to_owned();
    tokio::task::spawn_blocking(move || {
        let config = config.to_str().unwrap();
        let words = ["explain", "GET", &url, "--config", config];
        let refused = gateway(&words);
        let said = stdout(&refused);
        assert!(refused.status.success(), "{}", stderr(&refused));
        assert!(
            said.contains("\n- authorizer   refuses it: authorizer `main`\n"),
            "{said}"
        );
        let end = "refused with 401, token_missing: the request carries no token\n";
        assert!(said.ends_with(end), "{said}");
        // A token in the list of processes is everybody's.
        let mut command = Command::new(&*BINARY);
        command.args(words).args(["--token", "-"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        writeln!(child.stdin.take().unwrap(), "{token}").unwrap();
        let admitted = stdout(&child.wait_with_output().unwrap());
        assert!(admitted.contains("caller `ada`"), "{admitted}");
        assert!(admitted.ends_with("\nlet in\n"), "{admitted}");
        assert!(!admitted.contains(&token), "{admitted}");
        let header = format!("authorization: {token}");
        let words = [&words[..], &["--header", &header, "--json"]].concat();
        let answer: Value = serde_json::from_str(&stdout(&gateway(&words))).unwrap();
        assert_eq!(answer["status"], Value::Null, "{answer}");
        let unknown = gateway(&["explain", "--request-id", "none", "--config", config]);
        let said = "error: the gateway does not know `none`: it keeps the last requests alone \
                    (telemetry.recent_requests); the access log has older ones\n";
        assert_eq!(
            (unknown.status.code(), stderr(&unknown).as_str()),
            (Some(1), said)
        );
        let known = gateway(&["explain", "--request-id", &name, "--config", config]);
        let said = stdout(&known);
        assert!(
            said.starts_with("GET api.test/pets\n  at           20"),
            "{said}"
        );
        assert!(
            said.contains("\n  status       401\n  reason       token_missing\n"),
            "{said}"
        );
        let wrong = gateway(&["explain", "GET", "--config", config]);
        assert_eq!(wrong.status.code(), Some(2), "{}", stdout(&wrong));
    })
    .await
    .unwrap();
}
