//! Deployments are written back as definitions, which serve the same.

use std::process::Output;

use gateway_tests::client::Client;
use gateway_tests::command::{ask, refused, run, told};
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::{Key, authorize, claims};
use gateway_tests::setup::{Setup, mock};
use gateway_tests::upstream::Upstream;
use serde_json::{Value, json};

async fn exported(gateway: &Gateway, arguments: &[&str]) -> Output {
    ask(gateway, &[&["export"], arguments].concat()).await
}

#[tokio::test]
async fn what_a_stage_serves_is_exported_and_serves_the_same_elsewhere() {
    let mut gateway = Gateway::start(Setup::saying("one")).await;
    gateway.setup().change(
        &["apis", "main", "routes"],
        json!({"GET /say": mock("two")}),
    );
    drop(gateway.setup().write());
    assert_eq!(gateway.reload().await["answer"], "done");
    let held = exported(&gateway, &["main", "--stage", "held", "--format", "json"]).await;
    let left = String::from_utf8_lossy(&held.stderr);
    assert_eq!(left, "left to the configuration: apis.main.stages\n");
    let held = told(&held);
    let held: Value = serde_json::from_str(&held).unwrap();
    assert_eq!(held["info"], json!({"title": "main", "version": "1"}));
    let prod = told(&exported(&gateway, &["main", "--deployment", "2"]).await);
    let written = told(&exported(&gateway, &["main", "--file"]).await);
    assert_eq!(written, prod.replace("version: \"2\"", "version: \"1.0\""));
    for (arguments, expected) in [
        (
            &["main"][..],
            "error: name one of its stages with --stage: held, prod",
        ),
        (
            &["main", "--stage", "beta"],
            "error: the API `main` has no stage `beta`: there are held, prod",
        ),
        (
            &["main", "--deployment", "7"],
            "error: the API `main` has no deployment 7: `gateway deployments main` lists them",
        ),
        (
            &["none", "--file"],
            "error: there is no API `none`: there is only `main`",
        ),
    ] {
        let output = exported(&gateway, arguments).await;
        assert_eq!(refused(&output), expected);
    }

    // Also while no gateway runs, with a word about that.
    let old = gateway.stop().await;
    let alone = run(
        &old.write(),
        &["export", "main", "--deployment", "1", "--format", "json"],
    );
    assert_eq!(
        serde_json::from_slice::<Value>(&alone.stdout).unwrap(),
        held
    );

    for (definition, text) in [(held.to_string(), "one"), (prod, "two")] {
        let mut other = Setup::new();
        drop(other.file("main.openapi", &definition));
        other.change(
            &["apis", "main"],
            json!({"definition": "main.openapi", "stages": {"prod": {}}}),
        );
        let gateway = Gateway::start(other).await;
        let client = Client::http1(gateway.address().await).await;
        let answer = client.get("/prod/say").await;
        assert_eq!((answer.status, answer.text().as_str()), (200, text));
    }
}

#[tokio::test]
async fn an_http_api_is_exported_and_serves_the_same_elsewhere() {
    let upstream = Upstream::echo().await;
    let key = Key::ec("ec");
    let api = json!({
        "type": "http",
        "cors": {"allow_origins": ["https://app.test"]},
        "limits": {"url_bytes_max": "1KiB"},
        "routes": {
            "GET /open/{path+}": {
                "authorizer": "none",
                "integration": {"uri": format!("http://{}/stored/{{path}}", upstream.address)},
            },
            "$default": {
                "authorizer": "main", "scopes": ["read"],
                "integration": {"uri": format!("http://{}/rest", upstream.address)},
            },
        },
    });
    let setup = authorize(Setup::new(), &[&key]).set(&["apis", "main"], api);
    let first = Gateway::start(setup).await;
    let output = exported(&first, &["main"]).await;
    let left = String::from_utf8_lossy(&output.stderr);
    assert_eq!(left, "left to the configuration: authorizers.main\n");
    let mut other = authorize(Setup::new(), &[&key]);
    drop(other.file("main.openapi", &told(&output)));
    other.change(&["apis", "main"], json!({"definition": "main.openapi"}));
    let second = Gateway::start(other).await;
    for gateway in [&first, &second] {
        let client = Client::http1(gateway.address().await).await;
        let answer = client
            .get_with("/open/a/b", &[("origin", "https://app.test")])
            .await;
        assert_eq!(answer.json()["uri"], "/stored/a/b");
        let origin = answer.header("access-control-allow-origin");
        assert_eq!(origin, "https://app.test");
        assert_eq!(client.get("/other").await.status, 401);
        for (scope, status) in [("write", 403), ("read", 200)] {
            let token = format!("Bearer {}", key.token(&claims(json!({"scope": scope}))));
            let answer = client
                .get_with("/other", &[("authorization", &token)])
                .await;
            assert_eq!(answer.status, status, "{}", answer.text());
        }
        let long = format!("/open/{}", "a".repeat(1_100));
        assert_eq!(client.get(&long).await.status, 414);
    }
}
