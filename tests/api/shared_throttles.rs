//! Limits that several routes share, those of each source, and limits that are only watched.

use gateway_tests::client::{Client, nothing, request, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::site::Site;
use gateway_tests::upstream::Upstream;
use gateway_tests::wait::until;
use http::Method;
use serde_json::{Value, json};

const NO_ROOM: u64 = 100;

/// A rate at which nothing comes back while a test runs.
fn once(burst: u64) -> Value {
    json!({"rate": 0.001, "burst": burst})
}

/// Two APIs with two stages each, and two routes in each of those.
fn apis(upstream: &Upstream) -> Setup {
    let setup = Setup::new().upstream("main", upstream.address);
    ["one", "two"].iter().fold(setup, |setup, name| {
        let route = json!({"authorizer": "none", "integration": {"upstream": "main"}});
        let api = json!({
            "type": "rest",
            "hosts": [format!("{name}.test")],
            "stages": {"prod": {}, "beta": {}},
            "routes": {"GET /a": route, "GET /b": route},
        });
        setup.set(&["apis", name], api)
    })
}

/// The record behind the first so many.
async fn record(gateway: &Gateway, before: usize) -> Value {
    let record = || async { gateway.records().get(before).cloned() };
    until("the record", record).await
}

/// How many requests are answered before one is refused, and the reason of that.
async fn admitted(
    gateway: &Gateway,
    client: &Client,
    (host, path): (&str, &str),
) -> (u64, Option<String>) {
    for count in 0..NO_ROOM {
        let before = gateway.records().len();
        let answer = client.get_with(path, &[("host", host)]).await;
        let record = record(gateway, before).await;
        if answer.status == 200 {
            continue;
        }
        assert_eq!(answer.status, 429, "{host}{path}");
        assert_eq!(answer.text(), r#"{"message":"Too Many Requests"}"#);
        assert!(!answer.header("retry-after").is_empty());
        return (count, record["reason"].as_str().map(str::to_owned));
    }
    (NO_ROOM, None)
}

#[tokio::test]
async fn stages_apis_and_the_account_have_buckets_that_all_their_routes_share() {
    let upstream = Upstream::echo().await;
    let setup = apis(&upstream)
        .set(&["shared_throttle"], once(9))
        .set(&["apis", "one", "shared_throttle"], once(6))
        .set(
            &["apis", "one", "stages", "prod", "shared_throttle"],
            once(4),
        );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let admitted = async |host: &str, path: &str| admitted(&gateway, &client, (host, path)).await;
    let first = client.get_with("/prod/a", &[("host", "one.test")]).await;
    assert_eq!(first.status, 200);
    let refused = |count, reason: &str| (count, Some(reason.to_owned()));
    assert_eq!(
        admitted("one.test", "/prod/b").await,
        refused(3, "stage_throttled")
    );
    assert_eq!(
        admitted("one.test", "/beta/a").await,
        refused(2, "api_throttled")
    );
    assert_eq!(
        admitted("two.test", "/prod/a").await,
        refused(3, "account_throttled")
    );
    // Of several that refuse the narrowest answers, and all of them cost nobody anything.
    assert_eq!(
        admitted("one.test", "/prod/a").await,
        refused(0, "stage_throttled")
    );
    assert_eq!(upstream.seen().requests, 9);
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.rejections("stage_throttled"), 2.0);
}

#[tokio::test]
async fn callers_are_told_apart_over_a_stage_and_over_an_api() {
    let upstream = Upstream::echo().await;
    let by = |header: &str, burst| json!([{"key": format!("$request.header.{header}"), "rate": 0.001, "burst": burst}]);
    let setup = apis(&upstream)
        .set(&["apis", "one", "caller_throttles"], by("x-tenant", 3))
        .set(
            &["apis", "one", "stages", "prod", "caller_throttles"],
            by("x-user", 2),
        );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let status = async |path: &str, tenant: &str, user: &str| {
        let headers = [("host", "one.test"), ("x-tenant", tenant), ("x-user", user)];
        client.get_with(path, &headers).await.status
    };
    assert_eq!(status("/prod/a", "red", "ann").await, 200);
    assert_eq!(status("/prod/b", "red", "ann").await, 200);
    assert_eq!(status("/prod/a", "red", "ann").await, 429, "of the stage");
    assert_eq!(status("/beta/a", "red", "ann").await, 200);
    assert_eq!(status("/beta/b", "red", "ben").await, 429, "of the API");
    assert_eq!(status("/prod/a", "blue", "ann").await, 429, "of the stage");
    assert_eq!(status("/prod/a", "blue", "ben").await, 200);
}

#[tokio::test]
async fn sources_are_charged_before_anybody_is_authorized_and_nothing_is_given_back() {
    let site = Site::start(|setup| {
        let source = json!({"key": "$context.identity.sourceIp", "rate": 0.001, "burst": 3});
        let settings = json!({
            "authorizer": "main", "caller_throttles": [source], "throttle": once(5),
        });
        setup.route("GET /a", settings)
    });
    let site = site.await;
    let good = site.bearer(json!({}));
    assert_eq!(site.get("/a", "Bearer none").await.status, 401);
    assert_eq!(site.get("/a", "Bearer none").await.status, 401);
    assert_eq!(site.get("/a", &good).await.status, 200);
    // Nobody looks at the token of a source that has had its own.
    for token in ["Bearer none", &good] {
        let refused = site.get("/a", token).await;
        assert_eq!(refused.status, 429);
        assert_eq!(refused.header("retry-after"), "1000");
    }
    let refused = site.gateway.reason("source_throttled").await;
    assert_eq!(refused["authorizer"], Value::Null);
    // Another source owes nothing, and the route was charged once so far.
    let address = site.gateway.address().await;
    let other = Client::http1_from("127.0.0.2", address).await;
    let headers = [("authorization", good.as_str())];
    for expected in [200, 200, 200, 429] {
        assert_eq!(other.get_with("/a", &headers).await.status, expected);
    }
    let third = Client::http1_from("127.0.0.3", address).await;
    assert_eq!(
        third.get_with("/a", &headers).await.status,
        200,
        "the fifth"
    );
    assert_eq!(third.get_with("/a", &headers).await.status, 429);
    site.gateway.reason("route_throttled").await;
}

#[tokio::test]
async fn what_is_only_watched_refuses_nobody_and_is_told() {
    let upstream = Upstream::echo().await;
    let watched = |limit: Value| {
        let mut limit = limit;
        limit["monitor"] = json!(true);
        limit
    };
    let mut source = watched(once(1));
    source["key"] = json!("$context.identity.sourceIp");
    let setup = apis(&upstream)
        .set(&["apis", "one", "shared_throttle"], watched(once(2)))
        .set(&["apis", "two", "caller_throttles"], json!([source]));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    for (host, reasons) in [
        (
            "one.test",
            [Value::Null, Value::Null, json!("api_throttled")],
        ),
        (
            "two.test",
            [
                Value::Null,
                json!("source_throttled"),
                json!("source_throttled"),
            ],
        ),
    ] {
        for expected in reasons {
            let before = gateway.records().len();
            let answer = client.get_with("/prod/a", &[("host", host)]).await;
            assert_eq!(answer.status, 200, "{host}");
            let record = record(&gateway, before).await;
            assert_eq!(record["monitored"], expected, "{record}");
            assert_eq!(record["reason"], Value::Null);
        }
    }
}

#[tokio::test]
async fn with_the_quotas_of_the_service_an_account_has_its_throttle() {
    let upstream = Upstream::echo().await;
    let setup = apis(&upstream).set(&["limits"], json!("aws"));
    let gateway = Gateway::start(setup).await;
    let order = json!({
        "do": "explain", "listener": null, "client": "127.0.0.1", "method": "GET",
        "url": "http://one.test/prod/a", "headers": [], "calls": false,
    });
    let explained = gateway.admin(&order.to_string()).await;
    let steps = explained["steps"].as_array().unwrap();
    let throttles = steps.iter().filter(|step| step["step"] == "throttle");
    let said: Vec<_> = throttles.map(|step| step["said"].clone()).collect();
    assert_eq!(said, ["account_throttled: admits it"]);
}

#[tokio::test]
async fn a_source_has_its_own_also_where_no_route_answers() {
    let upstream = Upstream::echo().await;
    let mut of_source = once(3);
    of_source["key"] = json!("$context.identity.sourceIp");
    let setup = apis(&upstream)
        .set(&["apis", "one", "caller_throttles"], json!([of_source]))
        .set(&["apis", "two", "type"], json!("http"))
        .set(
            &["apis", "two", "cors"],
            json!({"allow_origins": ["https://app.test"], "allow_methods": ["GET"]}),
        )
        .set(
            &["apis", "two", "stages", "prod", "caller_throttles"],
            json!([of_source]),
        );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let headers = [
        ("origin", "https://app.test"),
        ("access-control-request-method", "GET"),
    ];
    for (host, method, path, status) in [
        ("one.test", Method::GET, "/prod/nowhere", 403),
        ("one.test", Method::GET, "/prod/a", 200),
        ("one.test", Method::GET, "/prod/elsewhere", 403),
        ("one.test", Method::GET, "/prod/nowhere", 429),
        ("one.test", Method::GET, "/prod/a", 429),
        ("two.test", Method::OPTIONS, "/prod/a", 204),
        ("two.test", Method::GET, "/prod/a", 200),
        ("two.test", Method::GET, "/prod/nowhere", 404),
        ("two.test", Method::GET, "/prod/nowhere", 429),
        ("two.test", Method::OPTIONS, "/prod/a", 429),
    ] {
        let asked = with(request(method.clone(), path, nothing()), &headers);
        let answer = client.send(with(asked, &[("host", host)])).await;
        assert_eq!(answer.status, status, "{host} {method} {path}");
    }
    assert_eq!(gateway.reason("source_throttled").await["status"], 429);
}
