//! How often somebody may call, and what is said when it is too often.

use std::time::Duration;

use gateway_tests::client::{Answer, Client, get};
use gateway_tests::command::{ask, told};
use gateway_tests::gateway::Gateway;
use gateway_tests::held;
use gateway_tests::issuer::{Key, authorize, claims};
use gateway_tests::metrics::Metrics;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

fn throttled(upstream: &Upstream, rate: f64, burst: u64) -> Setup {
    Setup::new().upstream("main", upstream.address).route(
        "GET /a",
        json!({"throttle": {"rate": rate, "burst": burst}}),
    )
}

async fn statuses(client: &Client, path: &str, headers: &[(&str, &str)], count: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..count {
        statuses.push(client.get_with(path, headers).await.status);
    }
    statuses
}

fn retry_after(answer: &Answer) -> u64 {
    answer.header("retry-after").parse().expect("whole seconds")
}

#[tokio::test]
async fn exactly_the_burst_is_admitted_at_once() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(throttled(&upstream, 0.01, 5)).await;
    let client = Client::http1(gateway.address().await).await;
    assert_eq!(
        statuses(&client, "/a", &[], 7).await,
        [200, 200, 200, 200, 200, 429, 429]
    );
    let refused = client.get("/a").await;
    assert_eq!(refused.text(), r#"{"message":"Too Many Requests"}"#);
    assert_eq!(upstream.seen().requests, 5);
    assert_eq!(gateway.reason("route_throttled").await["status"], 429);
    assert_eq!(gateway.metrics().await.rejections("route_throttled"), 3.0);
}

#[tokio::test]
async fn another_api_of_the_same_name_owes_nothing_of_what_its_predecessor_did() {
    let upstream = Upstream::echo().await;
    let mut gateway = Gateway::start(throttled(&upstream, 0.01, 2)).await;
    let client = Client::http1(gateway.address().await).await;
    assert_eq!(statuses(&client, "/a", &[], 3).await, [200, 200, 429]);
    for (id, expected) in [("successor", [200, 200, 429]), ("successor", [429; 3])] {
        gateway.setup().change(&["apis", "main", "id"], json!(id));
        drop(gateway.setup().write());
        let answer = gateway.reload().await;
        assert_eq!(answer["answer"], "done", "{answer}");
        assert_eq!(statuses(&client, "/a", &[], 3).await, expected);
    }
}

/// The smallest whole number of seconds: after it the request is admitted, and a second earlier
/// it would not have been.
#[tokio::test]
async fn retry_after_is_true_and_no_longer_than_needed() {
    let upstream = Upstream::echo().await;
    let setup = throttled(&upstream, 0.5, 1)
        .route("GET /slow", json!({"throttle": {"rate": 0.1, "burst": 2}}))
        .route("GET /fast", json!({"throttle": {"rate": 50, "burst": 1}}));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    assert_eq!(client.get("/a").await.status, 200);
    let admitted = Instant::now();
    let refused = client.get("/a").await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "2"));
    // The admission was a little before `admitted`, so a wait counted from there is enough.
    sleep(Duration::from_millis(900)).await;
    let later = client.get("/a").await;
    assert_eq!(
        (later.status, later.header("retry-after")),
        (429, "2"),
        "{:?}",
        admitted.elapsed()
    );
    sleep(Duration::from_secs(retry_after(&later))).await;
    assert_eq!(client.get("/a").await.status, 200);

    assert_eq!(statuses(&client, "/slow", &[], 2).await, [200, 200]);
    assert_eq!(client.get("/slow").await.header("retry-after"), "10");
    let fast = loop {
        let answer = client.get("/fast").await;
        if answer.status == 429 {
            break answer;
        }
    };
    assert_eq!(fast.header("retry-after"), "1", "never zero");
}

#[tokio::test]
async fn callers_are_told_apart_by_header() {
    let upstream = Upstream::echo().await;
    let caller = json!({"key": "$request.header.x-client-id", "rate": 0.01, "burst": 2});
    let setup = Setup::new()
        .upstream("main", upstream.address)
        .route("GET /a", json!({"caller_throttles": [caller]}))
        .route("GET /b", json!({"caller_throttles": [caller]}));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let (one, two) = ([("x-client-id", "one")], [("x-client-id", "two")]);
    assert_eq!(statuses(&client, "/a", &one, 3).await, [200, 200, 429]);
    assert_eq!(statuses(&client, "/a", &two, 3).await, [200, 200, 429]);
    assert_eq!(
        statuses(&client, "/a", &[], 3).await,
        [200, 200, 429],
        "all without are one"
    );
    assert_eq!(
        statuses(&client, "/b", &one, 3).await,
        [200, 200, 429],
        "another route, another bucket"
    );
    assert_eq!(gateway.reason("caller_throttled").await["status"], 429);
}

#[tokio::test]
async fn callers_are_told_apart_by_claim_and_bad_tokens_spend_nothing() {
    let upstream = Upstream::echo().await;
    let key = Key::ec("key");
    let setup = authorize(Setup::new().upstream("main", upstream.address), &[&key]).route(
        "GET /a",
        json!({
            "authorizer": "main",
            "throttle": {"rate": 0.01, "burst": 4},
            "caller_throttles": [{"key": "$context.authorizer.claims.sub", "rate": 0.01, "burst": 2}],
        }),
    );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let bearer = |sub: &str| key.token(&claims(json!({"sub": sub})));
    let (one, two) = (bearer("one"), bearer("two"));
    let (one, two) = (
        [("authorization", one.as_str())],
        [("authorization", two.as_str())],
    );
    assert_eq!(
        statuses(&client, "/a", &[("authorization", "a.b.c")], 20).await,
        [401; 20]
    );
    assert_eq!(statuses(&client, "/a", &one, 3).await, [200, 200, 429]);
    assert_eq!(statuses(&client, "/a", &two, 3).await, [200, 200, 429]);
}

/// A request that one bucket refuses costs the other nothing.
#[tokio::test]
async fn a_request_is_charged_to_all_buckets_or_to_none() {
    let upstream = Upstream::echo().await;
    let setup = Setup::new().upstream("main", upstream.address).route(
        "GET /a",
        json!({
            "throttle": {"rate": 0.01, "burst": 4},
            "caller_throttles": [{"key": "$request.header.x-client-id", "rate": 0.01, "burst": 2}],
        }),
    );
    let mut gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let (one, two, three) = (
        [("x-client-id", "1")],
        [("x-client-id", "2")],
        [("x-client-id", "3")],
    );
    // The caller's bucket refuses ten: had they been charged to the route, `two` would get none.
    assert_eq!(statuses(&client, "/a", &one, 2).await, [200, 200]);
    assert_eq!(statuses(&client, "/a", &one, 10).await, [429; 10]);
    assert_eq!(statuses(&client, "/a", &two, 2).await, [200, 200]);
    // The route's bucket refuses `three`, who must keep both places for when it has room again.
    assert_eq!(statuses(&client, "/a", &three, 5).await, [429; 5]);
    assert_eq!(gateway.reason("route_throttled").await["status"], 429);
    gateway
        .setup()
        .remove(&["apis", "main", "routes", "GET /a", "throttle"]);
    assert_eq!(gateway.reload().await["answer"], "done");
    assert_eq!(statuses(&client, "/a", &three, 3).await, [200, 200, 429]);
}

#[tokio::test]
async fn many_clients_on_many_workers_get_no_more_than_the_limit() {
    let upstream = Upstream::echo().await;
    let (rate, burst) = (100.0, 20);
    let gateway =
        Gateway::start(throttled(&upstream, rate, burst).set(&["workers"], json!(4))).await;
    let address = gateway.address().await;
    let started = Instant::now();
    let end = started + Duration::from_millis(1500);
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..16 {
        clients.spawn(async move {
            let (client, mut admitted) = (Client::http1(address).await, 0_u32);
            while Instant::now() < end {
                match client.send(get("/a")).await.status {
                    200 => admitted += 1,
                    other => assert_eq!(other, 429),
                }
            }
            admitted
        });
    }
    let admitted: u32 = clients.join_all().await.iter().sum();
    let permitted = rate.mul_add(started.elapsed().as_secs_f64(), 20.0);
    assert!(
        f64::from(admitted) <= permitted,
        "{admitted} of {permitted}"
    );
    assert!(
        f64::from(admitted) >= 0.8 * rate.mul_add(1.5, 20.0),
        "{admitted} of {permitted}: too strict"
    );
}

#[tokio::test]
async fn buckets_outlive_reloads_and_restarts() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(throttled(&upstream, 0.01, 4)).await;
    let client = Client::http1(gateway.address().await).await;
    assert_eq!(statuses(&client, "/a", &[], 2).await, [200, 200]);
    assert_eq!(gateway.reload().await["answer"], "done");
    assert_eq!(client.get("/a").await.status, 200);
    let gateway = Gateway::start(gateway.stop().await).await;
    let client = Client::http1(gateway.address().await).await;
    assert_eq!(statuses(&client, "/a", &[], 2).await, [200, 429]);
}

#[tokio::test]
async fn a_changed_limit_takes_effect_at_once_and_does_not_refill_the_bucket() {
    let upstream = Upstream::echo().await;
    let mut gateway = Gateway::start(throttled(&upstream, 0.01, 10)).await;
    let client = Client::http1(gateway.address().await).await;
    assert_eq!(statuses(&client, "/a", &[], 11).await.last(), Some(&429));
    let limit = |rate: f64, burst: u64| json!({"rate": rate, "burst": burst});
    let path = ["apis", "main", "routes", "GET /a", "throttle"];
    // Ten requests at 0.01 a second are far in debt; a faster bucket is clamped to its own burst.
    gateway.setup().change(&path, limit(2.0, 1));
    assert_eq!(gateway.reload().await["answer"], "done");
    let refused = client.get("/a").await;
    assert_eq!((refused.status, retry_after(&refused)), (429, 1));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(statuses(&client, "/a", &[], 2).await, [200, 429]);
}

#[tokio::test]
async fn routes_share_no_bucket() {
    let upstream = Upstream::echo().await;
    let throttle = json!({"throttle": {"rate": 0.01, "burst": 1}});
    let setup = throttled(&upstream, 0.01, 1)
        .route("GET /b", throttle.clone())
        .route("POST /a", throttle.clone())
        .route("GET /{any+}", throttle);
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    for path in ["/a", "/b", "/c"] {
        assert_eq!(statuses(&client, path, &[], 2).await, [200, 429], "{path}");
    }
    assert_eq!(
        client
            .post("/a", gateway_tests::client::nothing())
            .await
            .status,
        200
    );
    assert_eq!(
        client.get("/d").await.status,
        429,
        "/c and /d are one route"
    );
    let routes: Vec<Value> = gateway
        .records()
        .iter()
        .map(|record| record["route"].clone())
        .collect();
    assert!(routes.iter().all(|route| route != &Value::Null));
}

#[tokio::test]
async fn buckets_outlive_a_kill() {
    let upstream = Upstream::echo().await;
    let mut gateway = Gateway::start(throttled(&upstream, 0.01, 3)).await;
    let client = Client::http1(gateway.address().await).await;
    assert_eq!(statuses(&client, "/a", &[], 2).await, [200, 200]);
    gateway.signal(rustix::process::Signal::KILL);
    gateway.ended().await;
    let gateway = Gateway::start(std::mem::take(gateway.setup())).await;
    let client = Client::http1(gateway.address().await).await;
    assert_eq!(statuses(&client, "/a", &[], 2).await, [200, 429]);
}

#[tokio::test]
async fn limits_hold_through_reloads_restarts_and_kills() {
    let upstream = Upstream::echo().await;
    let setup = Setup::forwarding(upstream.address);
    let connect = async |gateway: &Gateway| Client::http1(gateway.address().await).await;
    let said = held::through_changes(setup, Gateway::start, connect).await;
    println!("{said}");
}

#[tokio::test]
async fn a_stage_limits_each_route_and_single_ones() {
    let upstream = Upstream::echo().await;
    let limit = |burst: u64| json!({"rate": 0.001, "burst": burst});
    let setup = Setup::new()
        .upstream("main", upstream.address)
        .set(&["apis", "main", "type"], json!("rest"))
        .route("GET /plain", json!({}))
        .route("GET /other", json!({}))
        .route("GET /own", json!({"throttle": limit(3)}))
        .route("GET /single", json!({"throttle": limit(3)}))
        .set(
            &["apis", "main", "stages"],
            json!({
                "prod": {"throttle": limit(1), "routes": {"GET /single": {"throttle": limit(2)}}},
                "beta": {},
            }),
        );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let admitted = async |path: &str| {
        let statuses = statuses(&client, path, &[], 4).await;
        assert!(statuses.is_sorted(), "{path}: {statuses:?}");
        statuses.iter().filter(|status| **status == 200).count()
    };
    // Each route has a bucket of its own.
    assert_eq!(admitted("/prod/plain").await, 1);
    assert_eq!(admitted("/prod/other").await, 1);
    assert_eq!(
        admitted("/prod/own").await,
        3,
        "what the route says is more exact"
    );
    assert_eq!(
        admitted("/prod/single").await,
        2,
        "the stage says it of this route"
    );
    assert_eq!(admitted("/beta/plain").await, 4);
    assert_eq!(admitted("/beta/single").await, 3);
    let counted = |metrics: &Metrics, name: &str| {
        metrics.get(&format!(
            "gateway_stage_{name}_total{{api=\"main\",stage=\"prod\",track=\"base\"}}"
        ))
    };
    let metrics = gateway
        .metrics_when("every request to be counted", |metrics| {
            counted(metrics, "requests") == 16.0
        })
        .await;
    assert_eq!(counted(&metrics, "client_errors"), 9.0);
}

#[tokio::test]
async fn who_is_refused_most_is_told_and_no_credential_is() {
    let upstream = Upstream::echo().await;
    let by = |header: &str| {
        let key = format!("$request.header.{header}");
        json!([{"key": key, "rate": 0.001, "burst": 1}])
    };
    let setup = Setup::new()
        .upstream("main", upstream.address)
        .route("GET /a", json!({"caller_throttles": by("x-client")}))
        .route("GET /b", json!({"caller_throttles": by("authorization")}));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    for (path, header, value, count) in [
        ("/a", "x-client", "eager", 6),
        ("/a", "x-client", "calm", 2),
        ("/a", "x-client", "once", 1),
        ("/b", "authorization", "Bearer secret-of-somebody", 4),
    ] {
        statuses(&client, path, &[(header, value)], count).await;
    }
    let said = told(&ask(&gateway, &["stats", "--json"]).await);
    let stats: Value = serde_json::from_str(&said).unwrap();
    let callers = stats["throttled_callers"].as_array().unwrap();
    let found: Vec<_> = callers
        .iter()
        .map(|it| {
            (
                it["caller"].as_str().unwrap(),
                it["rejected_max"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!((found[0], found[2]), (("eager", 5), ("calm", 1)), "{said}");
    assert!(found[1].0.starts_with('#') && found[1].1 == 3, "{said}");
    assert_eq!(
        callers[0]["throttle"],
        "main GET /a per $request.header.x-client"
    );
    assert_eq!(callers[0]["rejected_min"], 5);
    let throttle = stats["throttles"][0].clone();
    let expected = json!({
        "throttle": "main GET /a per $request.header.x-client",
        "admitted": 3, "rejected": 6, "shed": 0,
    });
    assert_eq!(throttle, expected);
    let text = told(&ask(&gateway, &["stats"]).await);
    assert!(
        text.contains("callers throttled most") && text.contains("eager"),
        "{text}"
    );
    assert!(!(said + &text).contains("secret-of-somebody"));
}
