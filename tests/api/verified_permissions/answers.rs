//! What becomes of the answer of a policy store, and of a question without one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gateway_tests::client::Client;
use gateway_tests::metadata::Metadata;
use gateway_tests::site::Site;
use gateway_tests::verified_permissions::{VerifiedPermissions, decision, fault};
use serde_json::{Value, json};

use super::{asking, by_entity, by_token, start};

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
        let site = start(&service, by_entity()).await;
        let token = site.bearer(json!({}));
        assert_eq!(site.get("/orders/7", &token).await.status, status, "{what}");
        let record = site.gateway.path("/orders/7").await;
        assert_eq!(record["reason"].as_str(), reason, "{what}");
        assert_eq!(record["detail"].as_str(), detail, "{what}");
        let decided = record["policies"].as_array().cloned().unwrap_or_default();
        assert_eq!(json!(decided), json!(policies), "{what}");
    }
}

#[tokio::test]
async fn what_is_remembered_outlives_the_service_to_its_end_and_no_reload() {
    let service = VerifiedPermissions::start(|_, _| true).await;
    let mut set = by_entity();
    set["decision_ttl"] = json!("1h");
    let site = start(&service, set).await;
    let token = site.bearer(json!({"sub": "alice"}));
    let explain = async || {
        let order = json!({
            "do": "explain", "listener": null, "client": "127.0.0.1", "method": "GET",
            "url": "http://localhost/orders/7", "headers": [["authorization", token]],
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
    assert_eq!(site.get("/orders/7", &token).await.status, 200);
    drop(service);
    assert_eq!(site.get("/orders/7", &token).await.status, 200);
    let explained = explain().await;
    assert_eq!(explained["reason"], Value::Null, "{explained}");
    assert_eq!(site.get("/orders/8", &token).await.status, 500);
    site.gateway.reason("decision_unavailable").await;
    site.gateway.reload().await;
    assert_eq!(site.get("/orders/7", &token).await.status, 500);
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
    let site = start(&service, by_token("access")).await;
    let bearer = site.bearer(json!({}));
    let address = site.gateway.address().await;
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
    let site = Site::start(|setup| {
        let settings = json!({"authorizer": "main", "policies": "watched"});
        asking(setup, &service.url(), by_entity())
            .set(
                &["aws", "credentials", "source"],
                json!("instance_metadata"),
            )
            .environment("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata.url())
            .set(&["policies", "watched"], by_entity())
            .set(&["policies", "watched", "monitor"], json!(true))
            .route("GET /watched/{id}", settings)
    });
    let site = site.await;
    let bearer = site.bearer(json!({}));
    assert_eq!(site.get("/orders/7", &bearer).await.status, 500);
    let record = site.gateway.reason("decision_unavailable").await;
    assert_eq!(record["detail"], "there are no credentials of AWS yet");
    assert_eq!(site.get("/watched/7", &bearer).await.status, 200);
    let record = site.gateway.path("/watched/7").await;
    assert_eq!(record["monitored"], "decision_unavailable");
    assert_eq!(service.asked(), []);
}
