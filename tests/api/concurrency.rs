//! How many requests may be under way at once: by route, by caller, at an upstream.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use gateway_tests::client::{Answer, Client, get, pieces, with};
use gateway_tests::command::{ask, told};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::{Upstream, reply};
use gateway_tests::wait::{until, within};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// What metrics call the requests that are under way.
const UNDER_WAY: &str = "gateway_concurrency_requests{limit=\"main GET /long\"}";

/// What a route that is full answers with.
fn too_many() -> Value {
    json!({"message": "Too Many Requests"})
}

/// `GET /long` and `GET /short` of an HTTP API, of which the first has this limit.
fn limited(upstream: &Upstream, limit: Value) -> Setup {
    Setup::new()
        .set(&["workers"], json!(4))
        .upstream("main", upstream.address)
        .route("GET /long", limit)
        .route("GET /short", json!({}))
}

/// Starts a request whose answer is waited for elsewhere.
fn begin(client: Client, path: &'static str) -> JoinHandle<Answer> {
    tokio::spawn(async move { client.get(path).await })
}

/// Asks until a request is let in again.
async fn let_in(client: &Client, path: &str) {
    until("a seat to be free again", || async {
        let status = client.get(path).await.status;
        (status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn as_many_are_under_way_at_once_as_the_route_lets_in_over_all_workers() {
    const MAX: usize = 3;
    const ROUNDS: usize = 120;
    let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, seen) = (Arc::clone(&inside), Arc::clone(&most));
    let upstream = Upstream::http(move |_request| {
        let (inside, most) = (Arc::clone(&counted), Arc::clone(&seen));
        async move {
            most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            inside.fetch_sub(1, Ordering::SeqCst);
            reply(200, "whole")
        }
    })
    .await;
    let gateway = Gateway::start(limited(&upstream, json!({"concurrency": {"max": MAX}}))).await;
    let address = gateway.address().await;
    let answered = Arc::new(AtomicUsize::new(0));
    let mut callers = Vec::new();
    for _ in 0..16 {
        let (client, answered) = (Client::http1(address).await, Arc::clone(&answered));
        callers.push(tokio::spawn(async move {
            while answered.load(Ordering::SeqCst) < ROUNDS {
                let status = client.get("/long").await.status;
                assert!(status == 200 || status == 429, "{status}");
                answered.fetch_add(usize::from(status == 200), Ordering::SeqCst);
            }
        }));
    }
    for caller in callers {
        within("a caller", caller).await.unwrap();
    }
    // All seats were taken, and never one more.
    assert_eq!(most.load(Ordering::SeqCst), MAX);
    assert_eq!(gateway.reason("route_concurrency").await["status"], 429);
}

#[tokio::test]
async fn who_is_refused_is_told_to_come_again_and_spends_no_token() {
    let (upstream, gate) = Upstream::gated().await;
    let limit = json!({
        "concurrency": {"max": 1}, "throttle": {"rate": 0.001, "burst": 2},
    });
    let gateway = Gateway::start(limited(&upstream, limit)).await;
    let address = gateway.address().await;
    let first = begin(Client::http1(address).await, "/long");
    upstream.when("the first", |seen| seen.requests == 1).await;
    assert_eq!(gateway.metrics().await.get(UNDER_WAY), 1.0);
    let client = Client::http1(address).await;
    for _ in 0..5 {
        let refused = client.get("/long").await;
        assert_eq!(refused.status, 429);
        assert_eq!(refused.json(), too_many());
        assert_eq!(refused.header("retry-after"), "1");
    }
    assert_eq!(client.get("/short").await.status, 200, "another route");
    gate.add_permits(10);
    assert_eq!(first.await.unwrap().status, 200);
    // The second token is still there, and a request without one keeps no seat.
    let_in(&client, "/long").await;
    for _ in 0..3 {
        assert_eq!(client.get("/long").await.status, 429);
    }
    let record = gateway.reason("route_throttled").await;
    assert_eq!(record["route"], "GET /long");
    assert_eq!(gateway.metrics().await.get(UNDER_WAY), 0.0);
}

#[tokio::test]
async fn a_seat_is_kept_until_the_last_byte_of_an_answer() {
    let (release, gate) = tokio::sync::watch::channel(false);
    let upstream = Upstream::http(move |_request| {
        let mut gate = gate.clone();
        async move {
            let (sender, body) = pieces();
            tokio::spawn(async move {
                drop(sender.send(Bytes::from_static(b"first ")).await);
                drop(gate.wait_for(|open| *open).await);
                drop(sender.send(Bytes::from_static(b"last")).await);
            });
            http::Response::new(body.map_err(|never| match never {}).boxed_unsync())
        }
    })
    .await;
    let gateway = Gateway::start(limited(&upstream, json!({"concurrency": {"max": 1}}))).await;
    let address = gateway.address().await;
    let (client, other) = (Client::http1(address).await, Client::http2(address).await);
    let mut answer = client.start(get("/long")).await.unwrap();
    assert_eq!(answer.status(), 200);
    let piece = within("the first piece", answer.body_mut().frame()).await;
    assert_eq!(piece.unwrap().unwrap().into_data().unwrap(), "first ");
    assert_eq!(other.get("/long").await.status, 429);
    release.send_replace(true);
    let rest = within("the rest", Answer::read(answer)).await.unwrap();
    assert_eq!(rest.text(), "last");
    let_in(&other, "/long").await;
}

#[tokio::test]
async fn who_leaves_gives_the_seat_back_on_either_protocol() {
    let (upstream, gate) = Upstream::gated().await;
    let gateway = Gateway::start(limited(&upstream, json!({"concurrency": {"max": 2}}))).await;
    let address = gateway.address().await;
    let kept = Client::http2(address).await;
    let mut requests = 0;
    for is_http2 in [false, true, false, true] {
        let mut leaving = Vec::new();
        for _ in 0..2 {
            let client = if is_http2 {
                Client::http2(address).await
            } else {
                Client::http1(address).await
            };
            leaving.push(begin(client, "/long"));
        }
        requests += 2;
        upstream
            .when("both", |seen| seen.requests == requests)
            .await;
        assert_eq!(kept.get("/long").await.status, 429);
        for client in leaving {
            client.abort();
            assert!(client.await.unwrap_err().is_cancelled());
        }
        upstream
            .when("both to leave", |seen| seen.cancelled == requests)
            .await;
    }
    gate.add_permits(100);
    let_in(&kept, "/long").await;
}

#[tokio::test]
async fn a_stream_that_is_reset_gives_its_seat_back_and_its_neighbours_keep_theirs() {
    let (upstream, gate) = Upstream::gated().await;
    let gateway = Gateway::start(limited(&upstream, json!({"concurrency": {"max": 2}}))).await;
    let client = Client::http2(gateway.address().await).await;
    let staying = client.start(get("/long"));
    let leaving = client.start(get("/long"));
    let third = async {
        upstream.when("two", |seen| seen.requests == 2).await;
        assert_eq!(client.get("/long").await.status, 429);
    };
    let both = async {
        tokio::select! {
            biased;
            _ = leaving => panic!("nobody has opened the gate"),
            () = third => {}
        }
        // The other one is reset here.
        upstream
            .when("one to leave", |seen| seen.cancelled == 1)
            .await;
        let again = tokio::spawn({
            let client = Client::http1(gateway.address().await).await;
            async move {
                until("a seat", || async {
                    let answer = client.get("/long").await;
                    (answer.status != 429).then_some(answer.status)
                })
                .await
            }
        });
        upstream.when("another", |seen| seen.requests == 3).await;
        assert_eq!(client.get("/long").await.status, 429);
        gate.add_permits(10);
        assert_eq!(again.await.unwrap(), 200);
    };
    let (stayed, ()) = tokio::join!(staying, both);
    assert_eq!(stayed.unwrap().status(), 200);
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_keeps_a_seat_for_as_long_as_it_may_take() {
    let (upstream, _gate) = Upstream::gated().await;
    let limit = json!({"concurrency": {"max": 1}, "integration": {"timeout": "100ms"}});
    let gateway = Gateway::start(limited(&upstream, limit)).await;
    let client = Client::http1(gateway.address().await).await;
    for _ in 0..3 {
        assert_eq!(client.get("/long").await.status, 503);
    }
    assert_eq!(gateway.reason("upstream_timeout").await["status"], 503);
}

#[tokio::test]
async fn seats_outlive_reloads() {
    let (upstream, gate) = Upstream::gated().await;
    let setup = limited(&upstream, json!({"concurrency": {"max": 1}}));
    let setup = setup.set(&["upstreams", "main", "max_concurrent_requests"], json!(3));
    let mut gateway = Gateway::start(setup).await;
    let address = gateway.address().await;
    let client = Client::http1(address).await;
    let max = ["apis", "main", "routes", "GET /long", "concurrency", "max"];
    let first = begin(Client::http1(address).await, "/long");
    upstream.when("the first", |seen| seen.requests == 1).await;
    assert_eq!(gateway.reload().await["answer"], "done");
    assert_eq!(client.get("/long").await.status, 429);
    // More seats let more in at once, and fewer nobody.
    gateway.setup().change(&max, json!(2));
    assert_eq!(gateway.reload().await["answer"], "done");
    let second = begin(Client::http1(address).await, "/long");
    upstream.when("the second", |seen| seen.requests == 2).await;
    assert_eq!(client.get("/long").await.status, 429);
    gateway.setup().change(&max, json!(1));
    let most = ["upstreams", "main", "max_concurrent_requests"];
    gateway.setup().change(&most, json!(2));
    assert_eq!(gateway.reload().await["answer"], "done");
    assert_eq!(client.get("/long").await.status, 429);
    // At the upstream both are known as well, under another limit.
    assert_eq!(client.get("/short").await.status, 503);
    gate.add_permits(2);
    for request in [first, second] {
        assert_eq!(request.await.unwrap().status, 200);
    }
    gate.add_permits(10);
    let_in(&client, "/long").await;
    let_in(&client, "/short").await;
}

#[tokio::test]
async fn a_limit_that_is_only_watched_refuses_nobody_and_says_whom_it_would() {
    let (upstream, gate) = Upstream::gated().await;
    let limit = json!({
        "concurrency": {"max": 1, "monitor": true},
        "caller_concurrency": [
            {"key": "$request.header.x-who", "max": 1, "monitor": true},
        ],
    });
    let gateway = Gateway::start(limited(&upstream, limit)).await;
    let address = gateway.address().await;
    let first = begin(Client::http1(address).await, "/long");
    upstream.when("the first", |seen| seen.requests == 1).await;
    let client = Client::http1(address).await;
    let other = tokio::spawn(async move { client.get_with("/long", &[("x-who", "b")]).await });
    upstream.when("the second", |seen| seen.requests == 2).await;
    gate.add_permits(2);
    assert_eq!(other.await.unwrap().status, 200);
    assert_eq!(first.await.unwrap().status, 200);
    let watched = |record: &Value| record["monitored"] == "route_concurrency";
    assert_eq!(gateway.record("the second", watched).await["status"], 200);
}

/// Who is refused most, as `gateway stats` names them: by which limit, whom, and how often.
async fn refused_most(gateway: &Gateway) -> Vec<(String, String, u64)> {
    let said = told(&ask(gateway, &["stats", "--json"]).await);
    let stats: Value = serde_json::from_str(&said).unwrap();
    let callers = stats["throttled_callers"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let told = callers.map(|it| {
        assert_eq!(it["rejected_min"], it["rejected_max"]);
        let count = it["rejected_max"].as_u64().unwrap();
        (text(&it["throttle"]), text(&it["caller"]), count)
    });
    told.collect()
}

#[tokio::test]
async fn who_has_no_seat_left_is_among_those_who_are_refused_most() {
    let (upstream, gate) = Upstream::gated().await;
    let limit = json!({
        "caller_throttles": [{"key": "$request.header.x-who", "rate": 0.001, "burst": 2}],
        "caller_concurrency": [{"key": "$request.header.x-who", "max": 1}],
    });
    let gateway = Gateway::start(limited(&upstream, limit)).await;
    let address = gateway.address().await;
    let first = Client::http1(address).await;
    let under_way = tokio::spawn(async move {
        let answer = first.get_with("/long", &[("x-who", "eager")]).await;
        answer.status
    });
    upstream.when("the first", |seen| seen.requests == 1).await;
    let client = Client::http1(address).await;
    for _ in 0..4 {
        let answer = client.get_with("/long", &[("x-who", "eager")]).await;
        assert_eq!(answer.status, 429);
    }
    gate.add_permits(100);
    assert_eq!(under_way.await.unwrap(), 200);
    until("the seat to be free", || async {
        let answer = client.get_with("/long", &[("x-who", "eager")]).await;
        (answer.status == 200).then_some(())
    })
    .await;
    let waited = refused_most(&gateway).await;
    let [(limit, caller, count)] = waited.as_slice() else {
        panic!("{waited:?}");
    };
    let seats = "main GET /long under way per $request.header.x-who";
    assert_eq!((limit.as_str(), caller.as_str()), (seats, "eager"));
    assert!(*count >= 4, "{count}");
    // Its tokens are spent: from now on it is the throttle that refuses, which counts for itself.
    for _ in 0..2 {
        let answer = client.get_with("/long", &[("x-who", "eager")]).await;
        assert_eq!(answer.status, 429);
    }
    let throttle = "main GET /long per $request.header.x-who";
    let mut expected = waited.clone();
    expected.push((throttle.to_owned(), "eager".to_owned(), 2));
    assert_eq!(refused_most(&gateway).await, expected);
    let text = told(&ask(&gateway, &["stats"]).await);
    assert!(text.contains(seats), "{text}");
}

#[tokio::test]
async fn callers_have_seats_of_their_own() {
    let (upstream, gate) = Upstream::gated().await;
    let limit = json!({
        "caller_concurrency": [
            {"key": "$request.header.x-who", "max": 2},
            {"key": "$context.identity.sourceIp", "max": 3},
        ],
    });
    let gateway = Gateway::start(limited(&upstream, limit)).await;
    let address = gateway.address().await;
    let mut under_way = Vec::new();
    let mut requests = 0;
    for (source, who, is_let_in) in [
        ("127.0.0.1", "a", true),
        ("127.0.0.1", "a", true),
        ("127.0.0.1", "a", false),
        ("127.0.0.1", "b", true),
        // The address has taken its three.
        ("127.0.0.1", "b", false),
        ("127.0.0.2", "b", true),
        ("127.0.0.2", "b", false),
        ("127.0.0.2", "a", false),
        ("127.0.0.2", "c", true),
    ] {
        let client = Client::http1_from(source, address).await;
        let asked = with(get("/long"), &[("x-who", who)]);
        if is_let_in {
            requests += 1;
            under_way.push(tokio::spawn(async move { client.send(asked).await.status }));
            upstream
                .when("another", |seen| seen.requests == requests)
                .await;
        } else {
            let refused = client.send(asked).await;
            assert_eq!((refused.status, refused.header("retry-after")), (429, "1"));
        }
    }
    let record = gateway.reason("caller_concurrency").await;
    assert_eq!(record["status"], 429);
    let by_header = "main GET /long under way per $request.header.x-who";
    let by_address = "main GET /long under way per $context.identity.sourceIp";
    let expected = [
        (by_header, "a", 2),
        (by_address, "127.0.0.1", 1),
        (by_header, "b", 1),
    ];
    let expected = expected.map(|(limit, caller, count)| (limit.into(), caller.into(), count));
    assert_eq!(refused_most(&gateway).await, expected);
    gate.add_permits(100);
    for request in under_way {
        assert_eq!(request.await.unwrap(), 200);
    }
    let client = Client::http1(address).await;
    until("seats to be free", || async {
        let answer = client.get_with("/long", &[("x-who", "a")]).await;
        (answer.status == 200).then_some(())
    })
    .await;
}

/// A new API key of the plan `gold`: its id, and its value.
async fn key_of_gold(gateway: &Gateway) -> (Value, String) {
    let order = json!({"order": "create", "plans": ["gold"], "disabled": false});
    let order = json!({"do": "key_order", "order": order}).to_string();
    let made = gateway.admin(&order).await;
    assert_eq!(made["answer"], "keys_changed", "{made}");
    (
        made["made"][0].clone(),
        made["value"].as_str().unwrap().to_owned(),
    )
}

#[tokio::test]
async fn api_keys_have_seats_of_their_own_wherever_they_are_shown() {
    let (upstream, gate) = Upstream::gated().await;
    let each = json!([{"key": "$context.identity.apiKeyId", "max": 2}]);
    let route = json!({"api_key_required": true, "caller_concurrency": each});
    let setup = limited(&upstream, route)
        .set(&["apis", "main", "type"], json!("rest"))
        .set(&["apis", "main", "stages"], json!({"prod": {}}))
        .set(
            &["usage_plans", "gold", "stages"],
            json!([{"api": "main", "stage": "prod"}]),
        );
    let gateway = Gateway::start(setup).await;
    let address = gateway.address().await;
    let (id, key) = key_of_gold(&gateway).await;
    let (_, other) = key_of_gold(&gateway).await;
    let mut under_way = Vec::new();
    let mut requests = 0;
    for (source, key, is_let_in) in [
        ("127.0.0.1", &key, true),
        ("127.0.0.2", &key, true),
        ("127.0.0.3", &key, false),
        ("127.0.0.1", &other, true),
        ("127.0.0.1", &key, false),
        ("127.0.0.1", &other, true),
        ("127.0.0.1", &other, false),
    ] {
        let client = Client::http1_from(source, address).await;
        let asked = with(get("/prod/long"), &[("x-api-key", key)]);
        if is_let_in {
            requests += 1;
            under_way.push(tokio::spawn(async move { client.send(asked).await.status }));
            upstream
                .when("another", |seen| seen.requests == requests)
                .await;
        } else {
            let refused = client.send(asked).await;
            assert_eq!((refused.status, refused.header("retry-after")), (429, "1"));
        }
    }
    let third = |it: &Value| it["client"] == "127.0.0.3" && it["reason"] == "caller_concurrency";
    let record = gateway.record("the third source", third).await;
    assert_eq!((&record["api_key"], &record["status"]), (&id, &json!(429)));
    let most = refused_most(&gateway).await.swap_remove(0);
    let limit = "main prod GET /long under way per $context.identity.apiKeyId";
    let named = id.as_str().unwrap();
    assert_eq!(most, (limit.to_owned(), named.to_owned(), 2));
    let question = json!({
        "do": "explain", "listener": null, "client": "127.0.0.1", "method": "GET",
        "url": "http://localhost/prod/long", "headers": [["x-api-key", &key]], "calls": false,
    });
    let answer = gateway.admin(&question.to_string()).await;
    let said = "caller_concurrency: refuses it, 2 of 2 are under way";
    let last = answer["steps"].as_array().unwrap().last().unwrap();
    assert_eq!(last["said"], said, "{answer}");
    // Who shows no key is nobody's caller.
    let client = Client::http1(address).await;
    assert_eq!(client.get("/prod/long").await.status, 403);
    gate.add_permits(100);
    for request in under_way {
        assert_eq!(request.await.unwrap(), 200);
    }
    until("seats to be free", || async {
        let answer = client.get_with("/prod/long", &[("x-api-key", &key)]).await;
        (answer.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_upstream_is_asked_by_as_many_at_once_as_it_bears_and_the_others_are_told_at_once() {
    let (upstream, gate) = Upstream::gated().await;
    let setup = Setup::new()
        .set(&["workers"], json!(4))
        .upstream("main", upstream.address)
        .set(&["upstreams", "main", "max_concurrent_requests"], json!(2))
        .upstream("other", upstream.address)
        .route("GET /long", json!({}))
        .route("GET /short", json!({}))
        .route("GET /other", json!({"integration": {"upstream": "other"}}))
        .set(
            &["apis", "rest"],
            json!({
                "type": "rest", "hosts": ["rest.test"], "stages": {"prod": {}},
                "routes": {"GET /short": {
                    "authorizer": "none", "integration": {"upstream": "main"},
                }},
            }),
        );
    let gateway = Gateway::start(setup).await;
    let address = gateway.address().await;
    let mut under_way = Vec::new();
    for requests in 1..=2 {
        under_way.push(begin(Client::http1(address).await, "/long"));
        upstream
            .when("another", |seen| seen.requests == requests)
            .await;
    }
    let client = Client::http1(address).await;
    for path in ["/long", "/short"] {
        let refused = client.get(path).await;
        assert_eq!(refused.status, 503);
        assert_eq!(refused.json(), json!({"message": "Service Unavailable"}));
        let record = gateway.path(path).await;
        assert_eq!(record["upstream_status"], Value::Null, "it was not asked");
    }
    let host = [("host", "rest.test")];
    let refused = client.get_with("/prod/short", &host).await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.json(), json!({"message": "Service Unavailable"}));
    let detail = gateway.reason("upstream_concurrency").await["detail"].clone();
    assert_eq!(detail, "`main`: 2 requests are under way already");
    assert_eq!(client.get("/other").await.status, 200);
    assert_eq!(upstream.seen().requests, 3);
    gate.add_permits(100);
    for request in under_way {
        assert_eq!(request.await.unwrap().status, 200);
    }
    let_in(&client, "/short").await;
    assert_eq!(client.get_with("/prod/short", &host).await.status, 200);
    // Who leaves in the middle is no more of those who ask.
    let seen = upstream.seen().requests;
    gate.forget_permits(100);
    for left in 1..=3 {
        let (one, two) = (Client::http1(address).await, Client::http2(address).await);
        let leaving = [begin(one, "/long"), begin(two, "/long")];
        upstream
            .when("both", |now| now.requests == seen + 2 * left)
            .await;
        assert_eq!(client.get("/short").await.status, 503);
        for request in leaving {
            request.abort();
            assert!(request.await.unwrap_err().is_cancelled());
        }
        upstream
            .when("both to leave", |now| now.cancelled == 2 * left)
            .await;
    }
    let_in(&client, "/short").await;
}

#[tokio::test]
async fn explain_says_how_many_are_under_way_and_takes_no_seat() {
    let (upstream, gate) = Upstream::gated().await;
    let limit = json!({
        "concurrency": {"max": 1},
        "caller_concurrency": [{"key": "$request.header.x-who", "max": 2, "monitor": true}],
    });
    let gateway = Gateway::start(limited(&upstream, limit)).await;
    let said = async || {
        let question = json!({
            "do": "explain", "listener": null, "client": "127.0.0.1", "method": "GET",
            "url": "http://localhost/long", "headers": [], "calls": false,
        });
        let answer = gateway.admin(&question.to_string()).await;
        let steps = answer["steps"].as_array().cloned().unwrap_or_default();
        let ours = steps.iter().filter(|step| step["step"] == "concurrency");
        let said: Vec<String> = ours.map(|step| step["said"].to_string()).collect();
        (said, answer["reason"].clone())
    };
    let free = [
        "\"caller_concurrency: admits it, 0 of 2 are under way\"",
        "\"route_concurrency: admits it, 0 of 1 are under way\"",
    ];
    for _ in 0..3 {
        assert_eq!(said().await, (free.map(str::to_owned).into(), Value::Null));
    }
    let client = Client::http1(gateway.address().await).await;
    let first = begin(client, "/long");
    upstream.when("the first", |seen| seen.requests == 1).await;
    let taken = [
        "\"caller_concurrency: admits it, 1 of 2 are under way\"",
        "\"route_concurrency: refuses it, 1 of 1 are under way\"",
    ];
    let expected = (taken.map(str::to_owned).into(), json!("route_concurrency"));
    assert_eq!(said().await, expected);
    gate.add_permits(1);
    assert_eq!(first.await.unwrap().status, 200);
}
