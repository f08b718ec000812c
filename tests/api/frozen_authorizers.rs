//! Deployments hold the authorizers that their routes name: a stage goes on with those until it serves
//! another deployment.

use gateway_tests::client::Client;
use gateway_tests::command::{ask, told};
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
        assert!(message.contains("`main@main.1`") && message.contains("`gateway rollback`"));
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
        exported.push(authorizer["jwtConfiguration"]["audience"].clone());
    }
    assert_ne!(exported[0], json!(["other"]));
    assert_eq!(exported[1], json!(["other"]));
    // What the file says cannot be had then.
    let request = json!({"do": "export", "api": "main", "number": null, "format": "json"});
    let answer = gateway.admin(&request.to_string()).await;
    assert_eq!(answer["answer"], "refused", "{answer}");
}
