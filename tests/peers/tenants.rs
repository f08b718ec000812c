//! Policy stores of tenants in DynamoDB, as moto serves it: read through the whole gateway.

use gateway_tests::client::Client;
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::{Key, authorize, claims};
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use serde_json::json;

use crate::aws_json::Tables;
use crate::python::packages;

/// An API whose routes ask the stores of a table, and of one that is not there.
fn setup(tables: &Tables, backend: &Upstream, key: &Key) -> Setup {
    let aws = json!({
        "region": "eu-west-1",
        "credentials": {"source": "environment"},
        "endpoints": {"dynamodb": tables.url},
    });
    let lookup = |table: &str| json!({"type": "dynamodb", "table": table, "key": "tenant", "consistent": true, "ttl": "1h"});
    let set = |lookup: &str| {
        json!({
            "type": "cedar",
            "store": {
                "lookup": lookup, "key": "$context.authorizer.claims.tenant", "at": "authorization.store",
            },
            "principal": {"type": "User", "id": "$context.authorizer.claims.sub"},
            "resource": {"type": "Path", "id": "$request.path"},
        })
    };
    authorize(Setup::new().upstream("main", backend.address), &[key])
        .environment("AWS_ACCESS_KEY_ID", &tables.id)
        .environment("AWS_SECRET_ACCESS_KEY", &tables.secret)
        .set(&["aws"], aws)
        .set(&["lookups", "tenants"], lookup("stores"))
        .set(&["lookups", "missing"], lookup("nothing"))
        .set(&["policies", "own"], set("tenants"))
        .set(&["policies", "missing"], set("missing"))
        .route(
            "GET /{any+}",
            json!({"authorizer": "main", "policies": "own"}),
        )
        .route(
            "GET /missing",
            json!({"authorizer": "main", "policies": "missing"}),
        )
}

#[tokio::test]
async fn tenants_are_judged_by_the_items_of_a_table() {
    let Some(programs) = packages() else {
        return;
    };
    let tables = Tables::start(programs);
    let backend = Upstream::echo().await;
    let key = Key::ec("ec");
    let setup = setup(&tables, &backend, &key);
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let status = async |tenant: &str, path: &str| {
        let token = key.token(&claims(json!({"sub": "ann", "tenant": tenant})));
        let token = format!("Bearer {token}");
        let headers = [("authorization", token.as_str())];
        client.get_with(path, &headers).await.status
    };
    for _ in 0..2 {
        for (tenant, path, expected) in [
            ("red", "/red", 200),
            ("red", "/blue", 403),
            ("blue", "/red", 403),
            ("blue", "/blue", 200),
            ("green", "/green", 403),
        ] {
            assert_eq!(status(tenant, path).await, expected, "{tenant} {path}");
        }
    }
    let record = gateway.path("/green").await;
    assert_eq!(record["reason"], "decision_failed", "{record}");
    assert_eq!(status("one", "/one").await, 500, "its item has no store");
    let record = gateway.path("/one").await;
    assert_eq!(
        record["detail"],
        "lookup `tenants`: the record has nothing where `store.at` says"
    );
    assert_eq!(status("red", "/missing").await, 500);
    let record = gateway.path("/missing").await;
    let told = record["detail"].as_str().unwrap();
    let expected =
        "lookup `missing`: the service answered 400 Bad Request, ResourceNotFoundException";
    assert_eq!(told, expected);
    // What is remembered needs no table.
    drop(tables);
    assert_eq!(status("red", "/red").await, 200);
    assert_eq!(status("violet", "/violet").await, 500);
}
