//! What is served is what was loaded: what somebody writes into files afterwards counts from the next
//! reload on, and what is deployed and rolled back counts also at a start.

use gateway_tests::authority::Authority;
use gateway_tests::client::{Client, HOST_NAME};
use gateway_tests::command::{ask, told};
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::{Key, authorize, claims};
use gateway_tests::setup::{Setup, mock};
use serde_json::{Value, json};

/// A domain of its own on a listener with TLS.
const SECURE: &str = "secure.test";

fn policy(effect: &str) -> String {
    json!({"Statement": {
        "Effect": effect, "Principal": "*",
        "Action": "execute-api:Invoke", "Resource": "execute-api:/*",
    }})
    .to_string()
}

fn behind(authorizer: &str, text: &str) -> Value {
    let mut route = mock(text);
    route["authorizer"] = json!(authorizer);
    route
}

fn api(host: &str, authorizer: &str) -> Value {
    json!({
        "type": "rest",
        "hosts": [host],
        "listeners": ["main"],
        "stages": {"prod": {}},
        "routes": {"GET /say": behind(authorizer, "one")},
    })
}

async fn status(client: &Client, host: &str, token: &str) -> u16 {
    let headers = [("host", host), ("authorization", token)];
    client.get_with("/prod/say", &headers).await.status
}

#[tokio::test]
async fn an_order_brings_along_nothing_that_was_written_into_files_meanwhile() {
    let (authority, key) = (Authority::new(), Key::ec("a"));
    let setup = authorize(Setup::new(), &[&key]);
    let certificate = authority.write_certificate(setup.directory(), "served", &[SECURE]);
    let root = authority.write_root(setup.directory());
    let denying = setup.file("policy.json", &policy("Deny"));
    let mut guarded = api("guarded.test", "none");
    guarded["policy_file"] = json!(denying);
    let setup = setup
        .set(
            &["listeners", "tls"],
            json!({"address": "127.0.0.1:0", "tls": {"certificates": [certificate]}}),
        )
        .set(&["apis", "main"], api(HOST_NAME, "none"))
        .set(&["apis", "guarded"], guarded)
        .set(&["apis", "members"], api("members.test", "main"))
        .set(&["apis", "hidden"], {
            let mut hidden = api("hidden.test", "none");
            hidden["hosts"] = json!([]);
            hidden["listeners"] = json!(["tls"]);
            hidden
        })
        .set(
            &["domains", SECURE],
            json!({
                "listeners": ["tls"],
                "mutual_tls": {"truststore": root},
                "mappings": {"/": {"api": "hidden", "stage": "prod"}},
            }),
        );
    let mut gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let token = key.token(&claims(json!({})));
    gateway.setup().change(
        &["apis", "main", "routes"],
        json!({"GET /say": mock("two")}),
    );
    drop(gateway.setup().write());
    assert_eq!(gateway.reload().await["answer"], "done");

    // One file is changed to the contrary, the others are being written.
    drop(gateway.setup().file("policy.json", &policy("Allow")));
    for name in ["root.pem", "keys.json", "served.pem", "served.key"] {
        let path = gateway.setup().directory().join(name);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    }
    let rolled = ask(&gateway, &["rollback", "main", "--stage", "prod"]).await;
    assert_eq!(
        told(&rolled),
        "the stage `prod` of `main` serves deployment 1 instead of 2; generation 3"
    );
    assert_eq!(client.get("/prod/say").await.text(), "one");
    assert_eq!(status(&client, "guarded.test", "").await, 403);
    assert_eq!(status(&client, "members.test", &token).await, 200);
    let secured = authority.client(&["http/1.1"]);
    let address = gateway.listener("tls").await;
    drop(
        gateway_tests::client::tls(address, &secured, SECURE)
            .await
            .unwrap(),
    );

    // A reload finds them, and refuses those that are half written.
    let refused = gateway.reload().await["message"].to_string();
    for name in ["root.pem", "keys.json", "served.pem", "served.key"] {
        assert!(refused.contains(name), "{name}: {refused}");
    }
    assert_eq!(status(&client, "guarded.test", "").await, 403);
}

/// What policies hand to the kernel, and to accept where there is none.
async fn offloaded(gateway: &Gateway) -> Value {
    let lists = told(&ask(gateway, &["lists", "--json"]).await);
    let lists: Vec<Value> = serde_json::from_str(&lists).unwrap();
    let found = lists.iter().find(|list| list["name"] == "policies");
    found.map_or(json!([]), |list| list["offloaded"].clone())
}

#[tokio::test]
async fn a_start_offloads_what_is_served_and_not_what_the_file_says() {
    let statement = |effect: &str| {
        json!({
            "Effect": effect, "Principal": "*",
            "Action": "execute-api:Invoke", "Resource": "execute-api:/*",
        })
    };
    let setup = Setup::new()
        .listener("kernel_offload", json!(true))
        .set(&["apis", "main"], api(HOST_NAME, "none"))
        .set(
            &["apis", "main", "policy"],
            json!({"Statement": [statement("Allow")]}),
        );
    let mut gateway = Gateway::start(setup).await;
    assert_eq!(offloaded(&gateway).await, json!([]));
    let mut deny = statement("Deny");
    deny["Condition"] = json!({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}});
    gateway.setup().change(
        &["apis", "main", "policy"],
        json!({"Statement": [statement("Allow"), deny]}),
    );
    drop(gateway.setup().write());
    assert_eq!(gateway.reload().await["answer"], "done");
    assert_eq!(offloaded(&gateway).await, json!(["192.0.2.0/24"]));

    drop(told(
        &ask(&gateway, &["rollback", "main", "--stage", "prod"]).await,
    ));
    assert_eq!(offloaded(&gateway).await, json!([]));
    let gateway = Gateway::start(gateway.stop().await).await;
    let client = Client::http1(gateway.address().await).await;
    assert_eq!(client.get("/prod/say").await.status, 200);
    assert_eq!(gateway.path("/prod/say").await["deployment"], 1);
    assert_eq!(offloaded(&gateway).await, json!([]));
}
