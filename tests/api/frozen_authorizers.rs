//! Deployments hold the authorizers that their routes name: a stage goes on with those until it serves
//! another deployment.

use gateway_tests::client::Client;
use gateway_tests::command::{ask, refused, run, told};
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::{Key, KeyServer, authorize, authorizer, claims, key_set};
use gateway_tests::setup::Setup;
use serde_json::{Value, json};

/// A REST API of one mock behind an authorizer, with a stage that follows the file and one that does
/// not.
fn setup(issuer: &KeyServer) -> Setup {
    staged(issuer.authorize(Setup::new()))
}

fn staged(setup: Setup) -> Setup {
    let mut setup = setup.set(&["apis", "main", "type"], json!("rest")).set(
        &["apis", "main", "stages"],
        json!({"prod": {}, "held": {"auto_deploy": false}}),
    );
    route(&mut setup, "main");
    setup
}

fn route(setup: &mut Setup, authorizer: &str) {
    let route = json!({
        "authorizer": authorizer,
        "integration": {
            "type": "mock",
            "request_templates": {"application/json": r#"{"statusCode": 200}"#},
            "responses": {"default": {"status": 200}},
        },
    });
    setup.change(&["apis", "main", "routes"], json!({"GET /a": route}));
}

async fn status(client: &Client, stage: &str, token: &str) -> u16 {
    let path = format!("/{stage}/a");
    let answer = client.get_with(&path, &[("authorization", token)]).await;
    answer.status
}

async fn statuses(client: &Client, token: &str) -> (u16, u16) {
    let prod = status(client, "prod", token).await;
    (prod, status(client, "held", token).await)
}

async fn reloaded(gateway: &Gateway) -> String {
    let answer = gateway.reload().await;
    assert_eq!(answer["answer"], "done", "{answer}");
    answer["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_stage_keeps_the_authorizers_of_its_deployment_until_it_serves_another() {
    let key = Key::ec("ec");
    let issuer = KeyServer::start(&[&key]).await;
    let usual = key.token(&claims(json!({})));
    let other = key.token(&claims(json!({"aud": "other"})));
    let mut gateway = Gateway::start(setup(&issuer)).await;
    let client = Client::http1(gateway.address().await).await;
    assert_eq!(statuses(&client, &usual).await, (200, 200));
    assert_eq!(statuses(&client, &other).await, (401, 401));

    // What was frozen has the keys that were fetched, though the issuer is not there just now.
    issuer.publish(None);
    let audiences = ["authorizers", "main", "audiences"];
    gateway.setup().change(&audiences, json!(["other"]));
    drop(gateway.setup().write());
    let found = told(&ask(&gateway, &["diff", "main", "--stage", "held"]).await);
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!(lines.len(), 2, "{found}");
    assert!(
        lines[1].starts_with("~ authorizers.main.audiences: ["),
        "{found}"
    );
    assert!(lines[1].ends_with(" -> [other]"), "{found}");
    let message = reloaded(&gateway).await;
    assert_eq!(
        message,
        "configuration reloaded, generation 2; deployment 2 of `main` was made; the stage `prod` \
         of `main` serves deployment 2"
    );
    assert_eq!(statuses(&client, &usual).await, (401, 200));
    assert_eq!(statuses(&client, &other).await, (200, 401));
    let metrics = gateway.metrics().await;
    assert!(metrics.text.contains("authorizer=\"main@main.1\""));

    // The file has no authorizer any more, and a stage that needs it has.
    gateway.setup().change(&["authorizers"], json!({}));
    route(gateway.setup(), "none");
    reloaded(&gateway).await;
    assert_eq!(statuses(&client, "none").await, (200, 401));
    assert_eq!(statuses(&client, &usual).await, (200, 200));

    // Also in another process, and where it goes back to it.
    issuer.publish(Some(&[&key]));
    let gateway = Gateway::start(gateway.kill().await).await;
    let client = Client::http1(gateway.address().await).await;
    assert_eq!(statuses(&client, "none").await, (200, 401));
    assert_eq!(statuses(&client, &usual).await, (200, 200));
    let back = ["rollback", "main", "--stage", "prod", "--to", "2"];
    let rolled = told(&ask(&gateway, &back).await);
    assert!(
        rolled.contains("serves deployment 2 instead of 3"),
        "{rolled}"
    );
    assert_eq!(statuses(&client, &usual).await, (401, 200));
    assert_eq!(statuses(&client, &other).await, (200, 401));
}

#[tokio::test]
async fn a_key_file_of_a_deployment_is_followed_and_without_it_nobody_is_let_in() {
    let (first, second) = (Key::ec("first"), Key::ec("second"));
    let old = first.token(&claims(json!({})));
    let rotated = second.token(&claims(json!({})));
    let mut gateway = Gateway::start(staged(authorize(Setup::new(), &[&first]))).await;
    let mut client = Client::http1(gateway.address().await).await;
    assert_eq!(statuses(&client, &old).await, (200, 200));
    // The file has another authorizer of this name, and keys for that elsewhere.
    let setup = gateway.setup();
    let file = setup.file("other.json", &key_set(&[&first]));
    let mut other = authorizer(json!({"file": file}));
    other["audiences"] = json!(["other"]);
    setup.change(&["authorizers", "main"], other);
    let served = first.token(&claims(json!({"aud": "other"})));
    reloaded(&gateway).await;
    assert_eq!(statuses(&client, &old).await, (401, 200));

    let path = gateway.setup().file("keys.json", &key_set(&[&second]));
    reloaded(&gateway).await;
    assert_eq!(statuses(&client, &old).await, (401, 401));
    assert_eq!(statuses(&client, &rotated).await, (401, 200));

    // A change that takes its keys away is refused, a start is not.
    let broken: String = {
        let keys = vec![json!({"kty": "EC"}); 1_000];
        json!({"keys": keys}).to_string()
    };
    for content in [None, Some("{\"keys\": 7}"), Some(broken.as_str())] {
        match content {
            None => std::fs::remove_file(&path).unwrap(),
            Some(content) => drop(gateway.setup().file("keys.json", content)),
        }
        let answer = gateway.reload().await;
        let message = answer["message"].to_string();
        assert_eq!(answer["answer"], "refused", "{answer}");
        assert!(message.contains("`main@main.1`"), "{message}");
        assert!(message.contains("/keys.json` "), "{message}");
        let way_out = "served: `gateway rollback main --stage held --to <number>`: ";
        assert!(message.contains(way_out), "{message}");
        assert_eq!(statuses(&client, &rotated).await, (401, 200));

        gateway = Gateway::start(gateway.kill().await).await;
        client = Client::http1(gateway.address().await).await;
        assert_eq!(statuses(&client, &served).await, (200, 401));
        assert_eq!(statuses(&client, &rotated).await, (401, 401));
        gateway.reason("keys_unavailable").await;
        let warned = |line: &str| line.contains("every token is refused until a reload");
        gateway
            .errors
            .find("a warning", |line| warned(line).then_some(()))
            .await;
        // Nothing else waits for it.
        reloaded(&gateway).await;
        assert_eq!(statuses(&client, &rotated).await, (401, 401));
        drop(gateway.setup().file("keys.json", &key_set(&[&second])));
        reloaded(&gateway).await;
        assert_eq!(statuses(&client, &rotated).await, (401, 200));
    }
}

/// A gateway whose stage `held` serves a deployment with the keys of `keys.json`, which the file does
/// not name any more.
async fn outlived(keys: &[&Key]) -> Gateway {
    let setup = staged(authorize(Setup::new(), keys));
    let setup = setup.set(&["apis", "other"], other(200));
    let mut gateway = Gateway::start(setup).await;
    name_others(gateway.setup(), keys, "other");
    reloaded(&gateway).await;
    gateway
}

/// Another API, with a stage that does not follow the file.
fn other(status: u16) -> Value {
    let integration = json!({"type": "mock", "responses": {"default": {"status": status}}});
    json!({
        "type": "rest",
        "stages": {"prod": {"auto_deploy": false}},
        "hosts": ["other.test"],
        "routes": {"GET /a": {"authorizer": "none", "integration": integration}},
    })
}

/// Has the authorizer take its keys from another file, and tokens for `audience`.
fn name_others(setup: &mut Setup, keys: &[&Key], audience: &str) {
    let file = setup.file("other.json", &key_set(keys));
    let mut other = authorizer(json!({"file": file}));
    other["audiences"] = json!([audience]);
    setup.change(&["authorizers", "main"], other);
}

/// What no key set is in three ways; the last looks like one.
fn broken() -> [String; 3] {
    let unusable = vec![json!({"kty": "EC"}); 1_000];
    let broken = [json!(7), json!([]), json!(unusable)];
    broken.map(|keys| json!({"keys": keys}).to_string())
}

#[tokio::test]
async fn nothing_waits_for_a_key_file_that_a_start_has_missed() {
    let key = Key::ec("ec");
    let token = key.token(&claims(json!({})));
    let mut gateway = outlived(&[&key]).await;
    gateway.setup().change(&["apis", "other"], other(201));
    reloaded(&gateway).await;
    let deploy = ["deploy", "other", "--stage", "prod"];
    drop(told(&ask(&gateway, &deploy).await));
    let path = gateway.setup().directory().join("keys.json");
    std::fs::remove_file(&path).unwrap();
    gateway = Gateway::start(gateway.kill().await).await;
    let client = Client::http1(gateway.address().await).await;
    assert_eq!(status(&client, "held", &token).await, 401);

    // Another stage that serves it would lose what it lets in.
    let served = key.token(&claims(json!({"aud": "other"})));
    let rollback = ["rollback", "main", "--stage", "prod", "--to", "1"];
    let error = refused(&ask(&gateway, &rollback).await);
    assert!(error.contains("`main@main.1`"), "{error}");
    assert_eq!(status(&client, "prod", &served).await, 200);

    // Half right, and then right: nobody has asked for what is in it now.
    for content in broken()[..2].iter().chain([&key_set(&[&key])]) {
        drop(gateway.setup().file("keys.json", content));
        for number in ["1", "2"] {
            let rollback = ["rollback", "other", "--stage", "prod", "--to", number];
            drop(told(&ask(&gateway, &rollback).await));
            assert_eq!(status(&client, "held", &token).await, 401);
        }
    }
    // Whoever reads the file reads that one again, and nothing gets worse by it.
    for content in broken() {
        drop(gateway.setup().file("keys.json", &content));
        reloaded(&gateway).await;
        drop(told(&ask(&gateway, &deploy).await));
        assert_eq!(status(&client, "held", &token).await, 401);
    }
    drop(gateway.setup().file("keys.json", &key_set(&[&key])));
    reloaded(&gateway).await;
    assert_eq!(status(&client, "held", &token).await, 200);
    // Now something would.
    for content in broken() {
        drop(gateway.setup().file("keys.json", &content));
        assert_eq!(gateway.reload().await["answer"], "refused");
        assert_eq!(status(&client, "held", &token).await, 200);
    }
}

#[tokio::test]
async fn an_order_for_keys_that_are_gone_is_refused_until_they_are_there() {
    let key = Key::ec("ec");
    let token = key.token(&claims(json!({})));
    let mut gateway = outlived(&[&key]).await;
    let deploy = ["deploy", "main", "--stage", "held"];
    drop(told(&ask(&gateway, &deploy).await));
    let rollback = ["rollback", "main", "--stage", "held", "--to", "1"];
    let client = Client::http1(gateway.address().await).await;
    let broken = broken();
    for content in [None, Some(&broken[0]), Some(&broken[1])] {
        let path = gateway.setup().file("keys.json", "");
        match content {
            None => std::fs::remove_file(&path).unwrap(),
            Some(content) => drop(gateway.setup().file("keys.json", content)),
        }
        let error = refused(&ask(&gateway, &rollback).await);
        assert!(error.contains("/keys.json` cannot be used: "), "{error}");
    }
    drop(gateway.setup().file("keys.json", &key_set(&[&key])));
    drop(told(&ask(&gateway, &rollback).await));
    assert_eq!(status(&client, "held", &token).await, 200);
}

#[tokio::test]
async fn an_order_without_a_gateway_tells_of_keys_that_the_next_one_will_not_find() {
    let key = Key::ec("ec");
    let setup = outlived(&[&key]).await.stop().await;
    let config = setup.write();
    drop(told(&run(&config, &["deploy", "main", "--stage", "held"])));
    let serve = |number: &str| {
        let output = run(
            &config,
            &["rollback", "main", "--stage", "prod", "--to", number],
        );
        drop(told(&output));
        String::from_utf8(output.stderr).unwrap()
    };
    let nothing = "no gateway is running: the next one serves this\n";
    assert_eq!(serve("1"), nothing);
    for content in &broken()[..2] {
        drop(setup.file("keys.json", content));
        assert_eq!(serve("2"), nothing);
        let warned = serve("1");
        assert!(
            warned.starts_with("warning: deployment 1 of `main`:")
                && warned.contains("authorizers.main.jwks.file: ")
                && warned.contains("/keys.json` cannot be used: ")
                && warned.contains(": every token is refused until a reload finds its keys\n"),
            "{warned}"
        );
    }
}

#[tokio::test]
async fn a_canary_without_keys_is_to_be_stopped() {
    let key = Key::ec("ec");
    let mut gateway = Gateway::start(staged(authorize(Setup::new(), &[&key]))).await;
    name_others(gateway.setup(), &[&key], "other");
    drop(gateway.setup().write());
    let canary = ["deploy", "main", "--stage", "held", "--canary", "50"];
    drop(told(&ask(&gateway, &canary).await));
    name_others(gateway.setup(), &[&key], "third");
    let path = gateway.setup().directory().join("keys.json");
    let kept = gateway.setup().file("third.json", &key_set(&[&key]));
    let jwks = ["authorizers", "main", "jwks", "file"];
    gateway.setup().change(&jwks, json!(kept));
    reloaded(&gateway).await;
    let other = gateway.setup().directory().join("other.json");
    for (path, way_out) in [
        (path, "`gateway rollback main --stage held --to <number>`: "),
        (other, "`gateway canary stop main --stage held`: "),
    ] {
        let content = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let answer = gateway.reload().await;
        let message = answer["message"].as_str().unwrap();
        assert!(message.contains(way_out), "{message}");
        std::fs::write(&path, content).unwrap();
    }

    // One that a start has found without keys keeps its share, and gets no larger one.
    let other = gateway.setup().directory().join("other.json");
    std::fs::remove_file(&other).unwrap();
    gateway = Gateway::start(gateway.kill().await).await;
    let set = ["canary", "set", "main", "--stage", "held", "--percent"];
    let percent = |percent| [&set[..], &[percent]].concat();
    let error = refused(&ask(&gateway, &percent("50.0001")).await);
    assert!(
        error.contains("`gateway canary stop main --stage held`"),
        "{error}"
    );
    for smaller in ["50", "10"] {
        drop(told(&ask(&gateway, &percent(smaller)).await));
    }
}

#[tokio::test]
async fn a_deployment_is_exported_with_its_own_authorizers_whatever_the_file_says_now() {
    let key = Key::ec("ec");
    let issuer = KeyServer::start(&[&key]).await;
    let mut gateway = Gateway::start(setup(&issuer)).await;
    let audiences = ["authorizers", "main", "audiences"];
    gateway.setup().change(&audiences, json!(["other"]));
    reloaded(&gateway).await;
    // Nobody can read the file now.
    gateway
        .setup()
        .change(&["apis", "main", "routs"], json!({}));
    drop(gateway.setup().write());
    let mut exported = Vec::new();
    for number in ["1", "2"] {
        let request = json!({"do": "export", "api": "main", "number": number.parse::<u32>().unwrap(), "format": "json"});
        let answer = gateway.admin(&request.to_string()).await;
        let text = answer["text"]
            .as_str()
            .unwrap_or_else(|| panic!("{answer}"));
        let definition: Value = serde_json::from_str(text).unwrap();
        assert_eq!(definition["info"]["version"], number);
        let scheme = &definition["components"]["securitySchemes"]["main"];
        let authorizer = &scheme["x-amazon-apigateway-authorizer"];
        exported.push(authorizer["jwtConfiguration"]["issuers"][0]["audiences"].clone());
    }
    assert!(exported[0].is_array(), "{exported:?}");
    assert_ne!(exported[0], json!(["other"]));
    assert_eq!(exported[1], json!(["other"]));
    // What the file says cannot be had then.
    let request = json!({"do": "export", "api": "main", "number": null, "format": "json"});
    let answer = gateway.admin(&request.to_string()).await;
    assert_eq!(answer["answer"], "refused", "{answer}");
}
