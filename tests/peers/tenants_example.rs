//! The example of many tenants whose registry is a table of DynamoDB, as moto serves it: as it is written, and
//! only where servers are is another.

use std::path::Path;

use gateway_tests::client::{Client, request, whole, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::{Key, KeyServer, claims};
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use http::Method;
use serde_json::{Value, json};

use crate::aws_json::Tables;
use crate::python::packages;

const EXAMPLE: &str = include_str!("../../examples/multi-tenant-dynamodb.yaml");
const KEYS: &str = "https://login.example.com/.well-known/jwks.json";

fn setup(tables: &Tables, keys: &KeyServer, backend: &Upstream) -> Setup {
    let mut text = EXAMPLE.to_owned();
    let endpoints = format!("endpoints: {{ dynamodb: \"{}\" }}", tables.url);
    for (from, to) in [
        ("127.0.0.1:8080", "127.0.0.1:0".to_owned()),
        (KEYS, keys.keys_url()),
        (
            "http://127.0.0.1:9000",
            format!("http://{}", backend.address),
        ),
        ("  region:", format!("  {endpoints}\n  region:")),
    ] {
        assert!(text.contains(from), "the example has no `{from}`");
        text = text.replace(from, &to);
    }
    let setup = keys.trusted(Setup::of_text(text));
    let policies = setup.directory().join("policies");
    std::fs::create_dir(&policies).unwrap();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/policies");
    for name in ["tenant.cedar", "tenant.cedarschema"] {
        std::fs::copy(examples.join(name), policies.join(name)).unwrap();
    }
    setup
        .environment("AWS_ACCESS_KEY_ID", &tables.id)
        .environment("AWS_SECRET_ACCESS_KEY", &tables.secret)
}

#[tokio::test]
async fn tenants_of_a_table_have_their_own_policies_and_no_others() {
    let Some(programs) = packages() else {
        return;
    };
    let tables = Tables::start(programs);
    let (backend, key) = (Upstream::echo().await, Key::ec("ec"));
    let keys = KeyServer::start(&[&key]).await;
    let gateway = Gateway::start(setup(&tables, &keys, &backend)).await;
    let client = Client::http1(gateway.address().await).await;
    let send = async |tenant: Option<&str>, method: &Method, path: &str| {
        let mut caller = claims(json!({"sub": "bob", "roles": ["agent"]}));
        caller["iss"] = json!("https://login.example.com/");
        caller["aud"] = json!("https://desk.example.com");
        if let Some(tenant) = tenant {
            caller["tenant_id"] = json!(tenant);
        }
        let token = format!("Bearer {}", key.token(&caller));
        let asked = request(method.clone(), path, whole(""));
        client
            .send(with(asked, &[("authorization", &token)]))
            .await
            .status
    };
    // The same user in every tenant, one after the other; the second time from what is remembered.
    for time in 0..2 {
        for (row, (tenant, method, status, policies)) in [
            (Some("acme"), Method::DELETE, 200, json!(["acme"])),
            (Some("globex"), Method::DELETE, 403, Value::Null),
            (Some("globex"), Method::GET, 200, json!(["globex"])),
            (Some("acme"), Method::GET, 200, json!(["acme"])),
            (Some("initech"), Method::GET, 200, json!(["agents-read"])),
            (Some("initech"), Method::DELETE, 403, Value::Null),
            (Some("hooli"), Method::GET, 403, Value::Null),
            (None, Method::GET, 403, Value::Null),
        ]
        .into_iter()
        .enumerate()
        {
            let path = format!("/tickets/{time}-{row}");
            assert_eq!(
                send(tenant, &method, &path).await,
                status,
                "{tenant:?} {method}"
            );
            let record = gateway.path(&path).await;
            let decided = record.get("policies").filter(|it| **it != json!([]));
            assert_eq!(
                *decided.unwrap_or(&Value::Null),
                policies,
                "{tenant:?} {method}"
            );
        }
    }
}

/// What is not about where tenants are is the same in both.
#[test]
fn the_example_is_that_of_another_registry() {
    let other = include_str!("../../examples/multi-tenant.yaml");
    let part = |text: &'static str, from: &str, to: Option<&str>| {
        let (_, rest) = text.split_once(from).unwrap();
        to.map_or(rest, |to| rest.split_once(to).unwrap().0)
    };
    let (from, to) = ("listeners:", "lookups:");
    assert_eq!(part(EXAMPLE, from, Some(to)), part(other, from, Some(to)));
    let from = "policy_stores:";
    assert_eq!(part(EXAMPLE, from, None), part(other, from, None));
}
