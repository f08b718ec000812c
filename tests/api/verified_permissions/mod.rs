//! What callers may do, as policy stores of Amazon Verified Permissions say it.

mod questions;
mod answers;

use gateway_tests::client::{Answer, Client, get, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::{Key, authorize, claims};
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use gateway_tests::verified_permissions::VerifiedPermissions;
use serde_json::{Value, json};

/// A gateway whose one route asks a policy store of `service`.
struct Site {
    gateway: Gateway,
    client: Client,
    key: Key,
    _backend: Upstream,
}

/// A policy set that says who calls by the request.
fn by_entity() -> Value {
    json!({
        "type": "verified_permissions",
        "policy_store": "PSEXAMPLE",
        "principal": {
            "type": "Shop::User",
            "id": "$context.authorizer.claims.sub",
            "attributes": {"level": {"value": "$context.authorizer.claims.level", "as": "long"}},
            "parents": [{"type": "Shop::Role", "ids": "$context.authorizer.claims.roles"}],
        },
        "action": {"type": "Shop::Action", "id": "read"},
        "resource": {"type": "Shop::Order", "id": "$request.path.id"},
        "context": {
            "address": {"value": "$context.identity.sourceIp", "as": "ip"},
            "agent": "$request.header.x-agent",
        },
    })
}

/// One that says it by the caller's token.
fn by_token(kind: &str) -> Value {
    json!({
        "type": "verified_permissions",
        "policy_store": "PSEXAMPLE",
        "token": kind,
        "resource": {
            "type": "Shop::Order",
            "id": "$request.path.id",
            "attributes": {"kind": "parcel"},
        },
    })
}

fn setup(service: &str, backend: &Upstream, key: &Key, set: Value) -> Setup {
    let endpoints = json!({"verifiedpermissions": service});
    let aws = json!({
        "region": "eu-west-1", "credentials": {"source": "environment"}, "endpoints": endpoints,
    });
    let setup = authorize(Setup::new().upstream("main", backend.address), &[key]);
    let settings = json!({"authorizer": "main", "policies": "store"});
    setup
        .set(&["aws"], aws)
        .set(&["policies", "store"], set)
        .environment("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .environment("AWS_SECRET_ACCESS_KEY", "secret-of-aws")
        .route("GET /orders/{id}", settings)
}

impl Site {
    async fn start(service: &VerifiedPermissions, set: Value) -> Self {
        Self::with(service, set, |setup| setup).await
    }

    /// With what `further` adds to the configuration.
    async fn with(
        service: &VerifiedPermissions,
        set: Value,
        further: impl FnOnce(Setup) -> Setup,
    ) -> Self {
        let (backend, key) = (Upstream::echo().await, Key::ec("ec"));
        let setup = setup(&service.url(), &backend, &key, set);
        let gateway = Gateway::start(further(setup)).await;
        let client = Client::http1(gateway.address().await).await;
        Self {
            gateway,
            client,
            key,
            _backend: backend,
        }
    }

    async fn send(&self, token: &str, path: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        let asked = with(get(path), &[("authorization", &bearer)]);
        self.client.send(asked).await
    }

    fn token(&self, caller: Value) -> String {
        self.key.token(&claims(caller))
    }
}
