//! What a policy store is asked: about entities of the request, or about the caller's token.

use gateway_tests::client::{get, with};
use gateway_tests::site::Site;
use gateway_tests::verified_permissions::VerifiedPermissions;
use serde_json::{Value, json};

use super::{asking, by_entity, by_token, start};

#[tokio::test]
async fn a_store_is_asked_about_entities_of_the_request() {
    let service = VerifiedPermissions::start(|operation, question| {
        assert_eq!(operation, "IsAuthorized");
        question["principal"]["entityId"] == "alice"
    });
    let service = service.await;
    let site = start(&service, by_entity()).await;
    let roles = json!(["customer", "guest"]);
    let alice = site.bearer(json!({"sub": "alice", "level": "7", "roles": roles}));
    for _ in 0..3 {
        assert_eq!(site.get("/orders/7", &alice).await.status, 200);
    }
    let record = site.gateway.path("/orders/7").await;
    assert_eq!(record["policies"], json!(["allowing"]));
    let eve = site.bearer(json!({"sub": "eve"}));
    let refused = site.get("/orders/8", &eve).await;
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
async fn who_does_something_to_himself_is_one_entity() {
    let service = VerifiedPermissions::start(|_, _| true).await;
    let mut set = by_entity();
    set["resource"] = json!({
        "type": "Shop::User",
        "id": "$request.path.id",
        "attributes": {
            "locked": {"value": "$request.header.x-locked", "as": "bool"},
            "level": {"value": "$request.header.x-level", "as": "long"},
        },
        "parents": [{"type": "Shop::Area", "ids": "people"}],
    });
    let site = start(&service, set).await;
    let token = site.bearer(json!({"sub": "ann", "level": 7, "roles": ["customer"]}));
    let send = async |id: &str, level: &str| {
        let headers = [
            ("authorization", &*token),
            ("x-locked", "true"),
            ("x-level", level),
        ];
        let asked = with(get(&format!("/orders/{id}")), &headers);
        site.client.send(asked).await.status
    };
    assert_eq!(send("ann", "7").await, 200);
    assert_eq!(send("bob", "8").await, 200);
    let asked = service.asked();
    let entities = asked.iter().map(|(_, question)| {
        let text = question["entities"]["cedarJson"].as_str().unwrap();
        serde_json::from_str::<Value>(text).unwrap()
    });
    let named = |kind: &str, id: &str| json!({"type": kind, "id": id});
    let (role, area) = (
        named("Shop::Role", "customer"),
        named("Shop::Area", "people"),
    );
    let expected = json!([
        [{
            "uid": named("Shop::User", "ann"),
            "attrs": {"level": 7, "locked": true},
            "parents": [role, area],
        }],
        [
            {"uid": named("Shop::User", "ann"), "attrs": {"level": 7}, "parents": [role]},
            {
                "uid": named("Shop::User", "bob"),
                "attrs": {"level": 8, "locked": true},
                "parents": [area],
            },
        ],
    ]);
    assert_eq!(entities.collect::<Value>(), expected);
    // It is not of two levels.
    assert_eq!(send("ann", "8").await, 403);
    let record = site.gateway.reason("decision_failed").await;
    let expected = "the principal and the resource are one entity, of which the request says two \
                    things as `level`";
    assert_eq!(record["detail"], expected);
    assert_eq!(service.asked().len(), 2);
}

#[tokio::test]
async fn a_store_is_asked_about_the_token_that_the_authorizer_accepted() {
    for (kind, member) in [("access", "accessToken"), ("identity", "identityToken")] {
        let service = VerifiedPermissions::start(move |operation, question| {
            operation == "IsAuthorizedWithToken" && question[member].is_string()
        });
        let service = service.await;
        let site = start(&service, by_token(kind)).await;
        let (one, other) = (
            site.bearer(json!({"sub": "alice"})),
            site.bearer(json!({"sub": "alice", "jti": "other"})),
        );
        // Whatever differs in the token could make another answer.
        for bearer in [&one, &one, &other] {
            assert_eq!(site.get("/orders/7", bearer).await.status, 200);
        }
        let asked = service.asked();
        let tokens: Vec<&Value> = asked
            .iter()
            .map(|(_, question)| &question[member])
            .collect();
        let [one, other] = [&one, &other].map(|bearer| bearer.trim_start_matches("Bearer "));
        assert_eq!(tokens, [one, other]);
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
        let told = told.into_iter().find(|line| line.contains(one));
        assert_eq!(told, None);
    }
}

#[tokio::test]
async fn a_question_that_cannot_be_asked_is_refused_and_nobody_is() {
    let service = VerifiedPermissions::start(|_, _| true).await;
    let site = start(&service, by_entity()).await;
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
        let token = site.bearer(caller);
        assert_eq!(site.get("/orders/7", &token).await.status, 403);
        let found = |record: &Value| record["detail"] == detail;
        let record = site.gateway.record("the refusal", found).await;
        assert_eq!(record["reason"], "decision_failed");
    }
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
    let site = Site::start(|setup| {
        let path = setup.file("tenants.json", &tenants.to_string());
        asking(setup, &service.url(), set).set(
            &["lookups", "tenants"],
            json!({"type": "file", "path": path}),
        )
    });
    let site = site.await;
    let send = async |tenant: &str, order: &str| {
        // All tenants have the same users, who ask the same.
        let token = site.bearer(json!({"sub": "ann", "tenant": tenant}));
        site.get(&format!("/orders/{order}"), &token).await.status
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
