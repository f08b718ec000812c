//! What callers may do, as policy stores of Amazon Verified Permissions say it.

mod answers;
mod questions;

use gateway_tests::setup::Setup;
use gateway_tests::site::Site;
use gateway_tests::verified_permissions::VerifiedPermissions;
use serde_json::{Value, json};

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

/// With one route, which asks a policy store of the service at this URL.
fn asking(setup: Setup, service: &str, set: Value) -> Setup {
    let endpoints = json!({"verifiedpermissions": service});
    let aws = json!({
        "region": "eu-west-1", "credentials": {"source": "environment"}, "endpoints": endpoints,
    });
    let settings = json!({"authorizer": "main", "policies": "store"});
    setup
        .set(&["aws"], aws)
        .set(&["policies", "store"], set)
        .environment("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .environment("AWS_SECRET_ACCESS_KEY", "secret-of-aws")
        .route("GET /orders/{id}", settings)
}

async fn start(service: &VerifiedPermissions, set: Value) -> Site {
    Site::start(|setup| asking(setup, &service.url(), set)).await
}
