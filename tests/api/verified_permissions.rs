//! What callers may do, as policy stores of Amazon Verified Permissions say it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gateway_tests::client::{Answer, Client, get, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::{Key, authorize, claims};
use gateway_tests::metadata::Metadata;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use gateway_tests::verified_permissions::{VerifiedPermissions, decision, fault};
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

#[tokio::test]
async fn a_store_is_asked_about_entities_of_the_request() {
    let service = VerifiedPermissions::start(|operation, question| {
        assert_eq!(operation, "IsAuthorized");
        question["principal"]["entityId"] == "alice"
    });
    let service = service.await;
    let site = Site::start(&service, by_entity()).await;
    let roles = json!(["customer", "guest"]);
    let alice = site.token(json!({"sub": "alice", "level": "7", "roles": roles}));
    for _ in 0..3 {
        assert_eq!(site.send(&alice, "/orders/7").await.status, 200);
    }
    let record = site.gateway.path("/orders/7").await;
    assert_eq!(record["policies"], json!(["allowing"]));
    let eve = site.token(json!({"sub": "eve"}));
    let refused = site.send(&eve, "/orders/8").await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.json(), json!({"message": "Forbidden"}));
    let record = site.gateway.reason("decision_denied").await;
    assert_eq!(record["detail"], "no policy permits it");
    let asked = service.asked();
    assert_eq!(asked.len(), 2, "{asked:?}");
    let (operation, question) = &asked[0];
    assert_eq!(operation, "IsAuthorized");
    let parse = |pointer: &str| -> Value {
        let text = question.pointer(pointer).unwrap().as_str().unwrap();
        serde_json::from_str(text).unwrap()
    };
    let address = json!({"__extn": {"fn": "ip", "arg": "127.0.0.1"}});
    assert_eq!(parse("/context/cedarJson"), json!({"address": address}));
    let role = |id: &str| json!({"type": "Shop::Role", "id": id});
    let entity = json!([{
        "uid": {"type": "Shop::User", "id": "alice"},
        "attrs": {"level": 7},
        "parents": [role("customer"), role("guest")],
    }]);
    assert_eq!(parse("/entities/cedarJson"), entity);
    let expected = json!({
        "policyStoreId": "PSEXAMPLE",
        "principal": {"entityType": "Shop::User", "entityId": "alice"},
        "action": {"actionType": "Shop::Action", "actionId": "read"},
        "resource": {"entityType": "Shop::Order", "entityId": "7"},
        "context": question["context"],
        "entities": question["entities"],
    });
    assert_eq!(*question, expected);
}

#[tokio::test]
async fn a_store_is_asked_about_the_token_that_the_authorizer_accepted() {
    for (kind, member) in [("access", "accessToken"), ("identity", "identityToken")] {
        let service = VerifiedPermissions::start(move |operation, question| {
            operation == "IsAuthorizedWithToken" && question[member].is_string()
        });
        let service = service.await;
        let site = Site::start(&service, by_token(kind)).await;
        let (one, other) = (
            site.token(json!({"sub": "alice"})),
            site.token(json!({"sub": "alice", "jti": "other"})),
        );
        // Whatever differs in the token could make another answer.
        for token in [&one, &one, &other] {
            assert_eq!(site.send(token, "/orders/7").await.status, 200);
        }
        let asked = service.asked();
        let tokens: Vec<&Value> = asked
            .iter()
            .map(|(_, question)| &question[member])
            .collect();
        assert_eq!(tokens, [&json!(one), &json!(other)]);
        let question = &asked[0].1;
        let action = json!({"actionType": "Action", "actionId": "GET /orders/{id}"});
        assert_eq!(question["action"], action);
        assert_eq!(question.get("principal"), None);
        let text = question["entities"]["cedarJson"].as_str().unwrap();
        let entities: Value = serde_json::from_str(text).unwrap();
        let order = json!([{
            "uid": {"type": "Shop::Order", "id": "7"}, "attrs": {"kind": "parcel"}, "parents": [],
        }]);
        assert_eq!(entities, order);
        let told = [site.gateway.log.all(), site.gateway.errors.all()].concat();
        let told = told.into_iter().find(|line| line.contains(&*one));
        assert_eq!(told, None);
    }
}

#[tokio::test]
async fn only_an_allow_that_no_policy_failed_on_allows() {
    for (what, answer, status, reason, detail, policies) in [
        (
            "allowed",
            decision("ALLOW", &["a"], 0),
            200,
            None,
            None,
            &["a"][..],
        ),
        (
            "forbidden",
            decision("DENY", &["a", "b"], 0),
            403,
            Some("decision_denied"),
            Some("forbidden by `a`, `b`"),
            &["a", "b"],
        ),
        (
            "allowed with errors",
            decision("ALLOW", &["a"], 2),
            403,
            Some("decision_failed"),
            Some("policies failed: 2"),
            &["a"],
        ),
        (
            "denied with errors",
            decision("DENY", &[], 1),
            403,
            Some("decision_failed"),
            Some("policies failed: 1"),
            &[],
        ),
        (
            "neither",
            decision("MAYBE", &[], 0),
            500,
            Some("decision_unavailable"),
            Some(
                "the answer of the service is not usable: `decision` is neither `ALLOW` nor `DENY`",
            ),
            &[],
        ),
        (
            "throttled",
            fault("ThrottlingException", "hidden"),
            500,
            Some("decision_unavailable"),
            Some("the service answered 400 Bad Request, ThrottlingException"),
            &[],
        ),
    ] {
        let answer = Arc::new(std::sync::Mutex::new(Some(answer)));
        let service = VerifiedPermissions::answering(move |_, _| {
            answer.lock().unwrap().take().expect("it is asked once")
        });
        let service = service.await;
        let site = Site::start(&service, by_entity()).await;
        let token = site.token(json!({}));
        assert_eq!(
            site.send(&token, "/orders/7").await.status,
            status,
            "{what}"
        );
        let record = site.gateway.path("/orders/7").await;
        assert_eq!(record["reason"].as_str(), reason, "{what}");
        assert_eq!(record["detail"].as_str(), detail, "{what}");
        let decided = record["policies"].as_array().cloned().unwrap_or_default();
        assert_eq!(json!(decided), json!(policies), "{what}");
    }
}

#[tokio::test]
async fn a_question_that_cannot_be_asked_is_refused_and_nobody_is() {
    let service = VerifiedPermissions::start(|_, _| true).await;
    let site = Site::start(&service, by_entity()).await;
    for (caller, detail) in [
        (
            json!({"sub": ""}),
            "the request has no value for the id of the principal",
        ),
        (
            json!({"level": "high"}),
            "the value of `level` is not what the policy set says it is",
        ),
    ] {
        let token = site.token(caller);
        assert_eq!(site.send(&token, "/orders/7").await.status, 403);
        let found = |record: &Value| record["detail"] == detail;
        let record = site.gateway.record("the refusal", found).await;
        assert_eq!(record["reason"], "decision_failed");
    }
    assert_eq!(service.asked(), []);
}

#[tokio::test]
async fn what_is_remembered_outlives_the_service_to_its_end_and_no_reload() {
    let service = VerifiedPermissions::start(|_, _| true).await;
    let mut set = by_entity();
    set["decision_ttl"] = json!("1h");
    let site = Site::start(&service, set).await;
    let token = site.token(json!({"sub": "alice"}));
    let bearer = format!("Bearer {token}");
    let explain = async || {
        let order = json!({
            "do": "explain", "listener": null, "client": "127.0.0.1", "method": "GET",
            "url": "http://localhost/orders/7", "headers": [["authorization", bearer]],
            "calls": false,
        });
        site.gateway.admin(&order.to_string()).await
    };
    // Nobody is asked just to explain.
    let explained = explain().await;
    assert_eq!(explained["reason"], "decision_unavailable", "{explained}");
    let why = explained["detail"].as_str().unwrap();
    assert!(why.contains("would be asked, and was not"), "{why}");
    assert_eq!(service.asked(), []);
    assert_eq!(site.send(&token, "/orders/7").await.status, 200);
    drop(service);
    assert_eq!(site.send(&token, "/orders/7").await.status, 200);
    let explained = explain().await;
    assert_eq!(explained["reason"], Value::Null, "{explained}");
    assert_eq!(site.send(&token, "/orders/8").await.status, 500);
    site.gateway.reason("decision_unavailable").await;
    site.gateway.reload().await;
    assert_eq!(site.send(&token, "/orders/7").await.status, 500);
}

#[tokio::test]
async fn many_who_ask_the_same_are_one_question() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let service = VerifiedPermissions::start(move |_, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        // So long that all of them come meanwhile.
        std::thread::sleep(std::time::Duration::from_millis(300));
        true
    });
    let service = service.await;
    let site = Site::start(&service, by_token("access")).await;
    let token = site.token(json!({}));
    let address = site.gateway.address().await;
    let bearer = format!("Bearer {token}");
    let calls = (0..20).map(|_| {
        let bearer = bearer.clone();
        tokio::spawn(async move {
            let client = Client::http1(address).await;
            let headers = [("authorization", bearer.as_str())];
            client.get_with("/orders/7", &headers).await.status
        })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap(), 200);
    }
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn without_credentials_nobody_is_asked_and_a_monitor_lets_pass() {
    let service = VerifiedPermissions::start(|_, _| true).await;
    let metadata = Metadata::start().await;
    let (backend, key) = (Upstream::echo().await, Key::ec("ec"));
    let setup = setup(&service.url(), &backend, &key, by_entity())
        .set(
            &["aws", "credentials", "source"],
            json!("instance_metadata"),
        )
        .environment("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata.url())
        .set(&["policies", "watched"], by_entity())
        .set(&["policies", "watched", "monitor"], json!(true));
    let settings = json!({"authorizer": "main", "policies": "watched"});
    let gateway = Gateway::start(setup.route("GET /watched/{id}", settings)).await;
    let client = Client::http1(gateway.address().await).await;
    let bearer = format!("Bearer {}", key.token(&claims(json!({}))));
    let headers = [("authorization", bearer.as_str())];
    assert_eq!(client.get_with("/orders/7", &headers).await.status, 500);
    let record = gateway.reason("decision_unavailable").await;
    assert_eq!(record["detail"], "there are no credentials of AWS yet");
    assert_eq!(client.get_with("/watched/7", &headers).await.status, 200);
    let record = gateway.path("/watched/7").await;
    assert_eq!(record["monitored"], "decision_unavailable");
    assert_eq!(service.asked(), []);
}

#[tokio::test]
async fn the_store_that_a_record_names_is_asked_and_no_other() {
    let service = VerifiedPermissions::start(|_, question| {
        let order = question["resource"]["entityId"].as_str().unwrap();
        question["policyStoreId"] == format!("PS{order}")
    });
    let service = service.await;
    let tenants = json!({
        "red": {"store": "PSred"},
        "blue": {"store": "PSblue"},
        "none": {},
        "number": {"store": 7},
        "odd": {"store": "PS red"},
    });
    let mut set = by_entity();
    set["policy_store"] = json!({
        "lookup": "tenants", "key": "$context.authorizer.claims.tenant", "at": "store",
    });
    let site = Site::with(&service, set, |setup| {
        let path = setup.file("tenants.json", &tenants.to_string());
        setup.set(
            &["lookups", "tenants"],
            json!({"type": "file", "path": path}),
        )
    });
    let site = site.await;
    let send = async |tenant: &str, order: &str| {
        // All tenants have the same users, who ask the same.
        let token = site.token(json!({"sub": "ann", "tenant": tenant}));
        site.send(&token, &format!("/orders/{order}")).await.status
    };
    for (tenant, order, status) in [
        ("red", "red", 200),
        ("blue", "red", 403),
        ("blue", "blue", 200),
        ("red", "blue", 403),
        ("red", "red", 200),
        ("blue", "red", 403),
    ] {
        assert_eq!(send(tenant, order).await, status, "{tenant} {order}");
    }
    let asked = service.asked();
    let asked = asked
        .iter()
        .map(|(_, question)| json!([question["policyStoreId"], question["resource"]["entityId"]]));
    // What one store said of a question, another did not.
    let expected = json!([
        ["PSred", "red"],
        ["PSblue", "red"],
        ["PSblue", "blue"],
        ["PSred", "blue"]
    ]);
    assert_eq!(asked.collect::<Value>(), expected);
    let no_id =
        "lookup `tenants`: the record has no id of a policy store where `policy_store.at` says";
    let no_record = "lookup `tenants` has no record for the request, and so no policy store";
    for (tenant, status, reason, detail) in [
        ("none", 500, "decision_unavailable", no_id),
        ("number", 500, "decision_unavailable", no_id),
        ("odd", 500, "decision_unavailable", no_id),
        ("missing", 403, "decision_failed", no_record),
    ] {
        // A path of its own tells the records apart.
        assert_eq!(send(tenant, tenant).await, status, "{tenant}");
        let record = site.gateway.path(&format!("/orders/{tenant}")).await;
        assert_eq!(record["reason"], reason, "{tenant}");
        assert_eq!(record["detail"], detail, "{tenant}");
    }
    assert_eq!(service.asked().len(), 4);
}
