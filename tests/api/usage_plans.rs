//! API keys of requests, and what usage plans grant them.

use gateway::model::Period;
use gateway_tests::client::{Answer, Client};
use gateway_tests::command::{ask, told};
use gateway_tests::function::{Function, returned, statement};
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::now;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::{Upstream, reply};
use serde_json::{Value, json};

/// A key, as whoever made it knows it.
struct Key {
    id: String,
    value: String,
}

/// A rate at which nothing comes back while a test runs.
fn once(burst: u64) -> Value {
    json!({"rate": 0.001, "burst": burst})
}

/// Two REST APIs with two stages each, whose route `GET /a` and `GET /b` ask for a key and `GET /open`
/// does not.
fn apis(upstream: &Upstream) -> Setup {
    let setup = Setup::new().upstream("main", upstream.address);
    ["one", "two"].iter().fold(setup, |setup, name| {
        let open = json!({"authorizer": "none", "integration": {"upstream": "main"}});
        let mut keyed = open.clone();
        keyed["api_key_required"] = json!(true);
        let api = json!({
            "type": "rest",
            "hosts": [format!("{name}.test")],
            "stages": {"prod": {}, "beta": {}},
            "routes": {"GET /a": keyed, "GET /b": keyed, "GET /open": open},
        });
        setup.set(&["apis", name], api)
    })
}

/// A plan for the stage `prod` of API `one`, with what `more` says.
fn plan(more: Value) -> Value {
    let mut plan = json!({"stages": [{"api": "one", "stage": "prod"}]});
    for (name, value) in more.as_object().unwrap() {
        plan[name] = value.clone();
    }
    plan
}

/// Has a running gateway follow an order about keys.
async fn order(gateway: &Gateway, order: Value) -> Value {
    let request = json!({"do": "key_order", "order": order});
    gateway.admin(&request.to_string()).await
}

async fn create(gateway: &Gateway, plans: &[&str], more: Value) -> Key {
    let mut new = json!({"order": "create", "plans": plans, "disabled": false});
    for (name, value) in more.as_object().unwrap() {
        new[name] = value.clone();
    }
    let made = order(gateway, new).await;
    assert_eq!(made["answer"], "keys_changed", "{made}");
    Key {
        id: made["made"][0].as_str().unwrap().to_owned(),
        value: made["value"].as_str().unwrap_or_default().to_owned(),
    }
}

async fn started(setup: Setup) -> (Gateway, Client) {
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    (gateway, client)
}

async fn get(client: &Client, (host, path): (&str, &str), key: &str) -> Answer {
    client
        .get_with(path, &[("host", host), ("x-api-key", key)])
        .await
}

/// As [`get`], from the stage `prod` of API `one`.
async fn prod(client: &Client, route: &str, key: &Key) -> Answer {
    get(client, ("one.test", &format!("/prod{route}")), &key.value).await
}

/// How many requests are answered before one is refused with `message`.
async fn admitted(client: &Client, route: &str, key: &Key, message: &str) -> (u64, Answer) {
    for count in 0..100 {
        let answer = prod(client, route, key).await;
        if answer.status != 200 {
            assert_eq!(answer.status, 429, "{}", answer.text());
            assert_eq!(answer.text(), format!(r#"{{"message":"{message}"}}"#));
            return (count, answer);
        }
    }
    panic!("all are admitted")
}

const TOO_MANY: &str = "Too Many Requests";
const EXCEEDED: &str = "Limit Exceeded";

/// What is counted of a throttle or quota, once its name has been written.
async fn counted(gateway: &Gateway, name: &str) -> Value {
    let look = || async {
        let said = told(&ask(gateway, &["stats", "--json"]).await);
        let stats: Value = serde_json::from_str(&said).unwrap();
        let throttles = stats["throttles"].as_array().unwrap().clone();
        throttles.into_iter().find(|it| it["throttle"] == name)
    };
    gateway_tests::wait::until("what is counted by its name", look).await
}

#[tokio::test]
async fn a_key_opens_the_stages_of_its_plans_from_the_moment_on_that_an_order_says_so() {
    let upstream = Upstream::echo().await;
    let both =
        json!({"stages": [{"api": "one", "stage": "prod"}, {"api": "two", "stage": "beta"}]});
    let setup = apis(&upstream).set(&["usage_plans", "gold"], both);
    let (gateway, client) = started(setup).await;
    let key = create(&gateway, &["gold"], json!({})).await;
    let loose = create(&gateway, &[], json!({})).await;
    for (place, value, status, reason) in [
        (("one.test", "/prod/a"), key.value.as_str(), 200, None),
        (("two.test", "/beta/b"), &key.value, 200, None),
        (
            ("one.test", "/beta/a"),
            &key.value,
            403,
            Some("api_key_without_plan"),
        ),
        (
            ("two.test", "/prod/a"),
            &key.value,
            403,
            Some("api_key_without_plan"),
        ),
        (
            ("one.test", "/prod/a"),
            &loose.value,
            403,
            Some("api_key_without_plan"),
        ),
        (
            ("one.test", "/prod/a"),
            &key.id,
            403,
            Some("api_key_unknown"),
        ),
        (("one.test", "/prod/a"), "", 403, Some("api_key_missing")),
        (("one.test", "/prod/open"), "anything", 200, None),
    ] {
        let before = gateway.records().len();
        let answer = get(&client, place, value).await;
        assert_eq!(answer.status, status, "{place:?}");
        if status == 403 {
            assert_eq!(answer.text(), r#"{"message":"Forbidden"}"#);
            assert_eq!(answer.header("x-amzn-errortype"), "ForbiddenException");
        }
        let record = gateway_tests::wait::until("the record", || async {
            gateway.records().get(before).cloned()
        });
        let record = record.await;
        assert_eq!(record["reason"].as_str(), reason, "{record}");
        let known = (status == 200 && place.1 != "/prod/open").then_some(key.id.as_str());
        assert_eq!(record["api_key"].as_str(), known, "{record}");
    }
    let log = gateway.log.all().join("\n") + &gateway.errors.all().join("\n");
    for key in [&key, &loose] {
        assert!(!log.contains(&key.value));
    }
}

#[tokio::test]
async fn what_an_order_says_of_a_key_holds_for_the_next_request() {
    let upstream = Upstream::echo().await;
    let setup = apis(&upstream).set(&["usage_plans", "gold"], plan(json!({})));
    let (gateway, client) = started(setup).await;
    let key = create(&gateway, &["gold"], json!({})).await;
    let missing = client.get_with("/prod/a", &[("host", "one.test")]).await;
    assert_eq!(missing.status, 403);
    gateway.reason("api_key_missing").await;
    let twice = [
        ("host", "one.test"),
        ("x-api-key", &key.value),
        ("X-API-Key", &key.value),
    ];
    assert_eq!(client.get_with("/prod/a", &twice).await.status, 403);

    for (change, status) in [
        (json!({"order": "disable", "id": key.id}), 403),
        (json!({"order": "enable", "id": key.id}), 200),
        (
            json!({"order": "detach", "id": key.id, "plan": "gold"}),
            403,
        ),
        (
            json!({"order": "attach", "id": key.id, "plan": "gold"}),
            200,
        ),
        (json!({"order": "delete", "id": key.id}), 403),
    ] {
        let said = order(&gateway, change.clone()).await;
        assert_eq!(said["answer"], "keys_changed", "{said}");
        assert_eq!(prod(&client, "/a", &key).await.status, status, "{change}");
    }
}

#[tokio::test]
async fn each_key_has_buckets_of_its_own_for_routes_under_its_plan_and_in_all() {
    let upstream = Upstream::echo().await;
    let gold = json!({
        "stages": [{"api": "one", "stage": "prod", "routes": {"GET /a": {"throttle": once(2)}}}],
        "throttle": once(5),
    });
    let setup = apis(&upstream).set(&["usage_plans", "gold"], gold);
    let (gateway, client) = started(setup).await;
    let key = create(&gateway, &["gold"], json!({})).await;
    let other = create(&gateway, &["gold"], json!({})).await;
    let own = json!({"throttle": {"rate_micro_per_second": 1000, "burst": 1}});
    let third = create(&gateway, &["gold"], own).await;
    // The bucket of the route is charged beside that of the plan.
    assert_eq!(admitted(&client, "/a", &key, TOO_MANY).await.0, 2);
    let (count, answer) = admitted(&client, "/b", &key, TOO_MANY).await;
    assert_eq!(count, 3);
    // One comes back in a thousand seconds.
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert!((900..=1_000).contains(&wait), "{wait}");
    assert_eq!(
        answer.header("x-amzn-errortype"),
        "TooManyRequestsException"
    );
    for (route, reason) in [("/a", "plan_route_throttled"), ("/b", "plan_throttled")] {
        let found = gateway.reason(reason).await;
        assert_eq!(found["path"], format!("/prod{route}"));
        assert_eq!(found["api_key"], key.id);
    }
    // Refusals cost nobody anything, and no key another one.
    assert_eq!(admitted(&client, "/a", &other, TOO_MANY).await.0, 2);
    assert_eq!(admitted(&client, "/b", &other, TOO_MANY).await.0, 3);
    assert_eq!(admitted(&client, "/b", &third, TOO_MANY).await.0, 1);
    let found = gateway.reason("key_throttled").await;
    let detail = found["detail"].as_str().unwrap();
    assert!(
        detail.contains(&third.id) && detail.contains("`gold`"),
        "{detail}"
    );
    assert_eq!(upstream.seen().requests, 11);
    // What each counted is told by its name, once names have been written.
    let name = format!("key {} gold", key.id);
    let counted = counted(&gateway, &name).await;
    assert_eq!(
        (&counted["admitted"], &counted["rejected"]),
        (&json!(5), &json!(1))
    );
}

#[tokio::test]
async fn what_others_refuse_costs_a_key_nothing() {
    let upstream = Upstream::echo().await;
    let setup = apis(&upstream)
        .set(
            &["usage_plans", "gold"],
            plan(json!({"throttle": once(3), "quota": {"limit": 4, "period": "month"}})),
        )
        .set(&["apis", "one", "routes", "GET /a", "throttle"], once(1));
    let statements = json!([
        {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"},
        {"Effect": "Deny", "Principal": "*", "Action": "execute-api:Invoke",
         "Resource": "execute-api:/prod/GET/open"},
    ]);
    let policy = json!({"Version": "2012-10-17", "Statement": statements});
    let file = setup.file("policy.json", &policy.to_string());
    let setup = setup.set(&["apis", "one", "policy_file"], json!(file)).set(
        &["apis", "one", "routes", "GET /open", "api_key_required"],
        json!(true),
    );
    let (gateway, client) = started(setup).await;
    let key = create(&gateway, &["gold"], json!({})).await;
    assert_eq!(prod(&client, "/a", &key).await.status, 200);
    for _ in 0..5 {
        // The route's own bucket is empty, and the policy does not let `/open` pass.
        assert_eq!(prod(&client, "/a", &key).await.status, 429);
        assert_eq!(prod(&client, "/open", &key).await.status, 403);
    }
    assert_eq!(admitted(&client, "/b", &key, TOO_MANY).await.0, 2);
    gateway.reason("plan_throttled").await;
    let report = told(&ask(&gateway, &["usage", "--format", "csv"]).await);
    assert!(
        report.ends_with(&format!("gold,{},3,1", key.id)),
        "{report}"
    );
    assert_eq!(upstream.seen().requests, 3);
}

#[tokio::test]
async fn a_quota_is_exact_over_all_workers_and_outlives_a_killed_gateway() {
    const LIMIT: usize = 60;
    let upstream = Upstream::echo().await;
    let quota = json!({"limit": LIMIT, "period": "month"});
    let setup = apis(&upstream)
        .set(&["workers"], json!(4))
        .set(&["usage_plans", "gold"], plan(json!({"quota": quota})));
    let (gateway, client) = started(setup).await;
    let anew = |line: &str| line.contains("counted from here on").then_some(());
    gateway.errors.find("a file that is new", anew).await;
    let key = create(&gateway, &["gold"], json!({})).await;
    let address = gateway.address().await;
    let key = std::sync::Arc::new(key);
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let key = std::sync::Arc::clone(&key);
        callers.spawn(async move {
            let client = Client::http1(address).await;
            let mut admitted = 0;
            for _ in 0..LIMIT {
                admitted += usize::from(prod(&client, "/a", &key).await.status == 200);
            }
            admitted
        });
    }
    let admitted: usize = callers.join_all().await.iter().sum();
    assert_eq!(admitted, LIMIT);
    let refused = prod(&client, "/b", &key).await;
    assert_eq!(
        (refused.status, refused.text()),
        (429, r#"{"message":"Limit Exceeded"}"#.to_owned())
    );
    assert_eq!(refused.header("x-amzn-errortype"), "LimitExceededException");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    let end = Period::Month.span(now()).end - now();
    // The answer is older than what it is held against, or a month has ended meanwhile.
    assert!(
        (end..end + 60).contains(&wait) || wait < 60,
        "{wait}, {end}"
    );
    let record = gateway.reason("quota_exceeded").await;
    assert_eq!(record["api_key"], key.id);

    // More than the second that may be lost.
    tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
    let setup = gateway.kill().await;
    let (gateway, client) = started(setup).await;
    assert_eq!(prod(&client, "/a", &key).await.status, 429);
    let words = [
        "usage",
        "set-remaining",
        "--plan",
        "gold",
        "--key",
        &key.id,
        "2",
    ];
    assert!(told(&ask(&gateway, &words).await).contains("2 requests left"));
    assert_eq!(self::admitted(&client, "/a", &key, EXCEEDED).await.0, 2);
    let report = told(&ask(&gateway, &["usage", "--format", "csv"]).await);
    assert!(
        report.ends_with(&format!("gold,{},{},0", key.id, LIMIT + 2)),
        "{report}"
    );
}

#[tokio::test]
async fn a_gateway_that_is_killed_under_load_forgets_no_more_than_its_last_second() {
    use std::time::Duration;
    use tokio::time::Instant;
    const MAY_BE_LOST: Duration = Duration::from_secs(1);
    let upstream = Upstream::echo().await;
    let quota = json!({"limit": 1_000_000, "period": "month"});
    // In memory: how long a disk takes for the commit that is under way comes on top.
    let state = tempfile::tempdir_in("/dev/shm").unwrap();
    let setup = apis(&upstream)
        .set(&["usage_plans", "gold"], plan(json!({"quota": quota})))
        .set(&["state_directory"], json!(state.path().join("state")));
    let (mut gateway, mut client) = started(setup).await;
    let key = create(&gateway, &["gold"], json!({})).await;
    let mut known = 0;
    // At moments that fall differently between two commits.
    for load in [1_500, 1_620, 1_740, 1_860, 1_980].map(Duration::from_millis) {
        let began = Instant::now();
        let mut answered = Vec::new();
        while began.elapsed() < load {
            assert_eq!(prod(&client, "/a", &key).await.status, 200);
            answered.push(Instant::now());
        }
        let killed = Instant::now();
        (gateway, client) = started(gateway.kill().await).await;
        let kept = used(&gateway, &key).await - known;
        let is_safe = |at: &&Instant| killed.duration_since(**at) >= MAY_BE_LOST;
        let safe = answered.iter().filter(is_safe).count();
        assert!(safe > 0);
        assert!(
            (safe..=answered.len()).contains(&kept),
            "{kept} of {}, of which {safe} are not new",
            answered.len()
        );
        known += kept;
    }
}

/// What the gateway has counted of a key under the plan `gold`, over all days: one may have ended meanwhile.
async fn used(gateway: &Gateway, key: &Key) -> usize {
    let report = told(&ask(gateway, &["usage", "--format", "csv"]).await);
    let of_key = format!("gold,{},", key.id);
    let counts = report.split(&of_key).skip(1).map(|rest| {
        let count = rest.split(',').next().unwrap();
        count.parse::<usize>().unwrap()
    });
    counts.sum()
}

/// A function whose callers show their API keys as tokens.
async fn telling_keys() -> Function {
    let function = Function::start(|event| {
        let mut answer = returned(&json!([statement("Allow", "*")]));
        answer["usageIdentifierKey"] = match event["authorizationToken"].as_str().unwrap() {
            "nobody" => Value::Null,
            key => json!(key),
        };
        reply(200, answer.to_string())
    });
    function.await
}

#[tokio::test]
async fn an_authorizer_may_say_which_key_it_is() {
    let (upstream, function) = (Upstream::echo().await, telling_keys().await);
    let authorizer = json!({
        "type": "function", "function": {"url": function.url()}, "event": "token", "result_ttl": "5m",
    });
    let setup = apis(&upstream)
        .set(&["authorizers", "who"], authorizer)
        .set(&["usage_plans", "gold"], plan(json!({"throttle": once(2)})))
        .set(&["apis", "one", "api_key_source"], json!("authorizer"))
        .set(
            &["apis", "one", "routes", "GET /a", "authorizer"],
            json!("who"),
        );
    let (gateway, client) = started(setup).await;
    let key = create(&gateway, &["gold"], json!({})).await;
    let ask = async |path: &str, token: &str, header: &str| {
        let headers = [
            ("host", "one.test"),
            ("authorization", token),
            ("x-api-key", header),
        ];
        client.get_with(path, &headers).await.status
    };
    assert_eq!(ask("/prod/a", &key.value, "").await, 200);
    // Also where it is remembered, and whatever the header says.
    assert_eq!(ask("/prod/a", &key.value, "other").await, 200);
    assert_eq!(function.calls(), 1);
    assert_eq!(ask("/prod/a", &key.value, "").await, 429);
    assert_eq!(ask("/prod/a", "nobody", &key.value).await, 403);
    gateway.reason("api_key_missing").await;
    assert_eq!(ask("/prod/a", "no-such-key", &key.value).await, 403);
    gateway.reason("api_key_unknown").await;
    // A route without an authorizer has nobody who could say it.
    assert_eq!(ask("/prod/b", &key.value, &key.value).await, 403);
}

#[tokio::test]
async fn plans_that_are_only_watched_refuse_nobody_and_say_whom_they_would() {
    for (plan_says, reason) in [
        (
            json!({"quota": {"limit": 1, "period": "day", "monitor": true}}),
            "quota_exceeded",
        ),
        (
            json!({"throttle": {"rate": 0.001, "burst": 1, "monitor": true}}),
            "plan_throttled",
        ),
    ] {
        let upstream = Upstream::echo().await;
        let setup = apis(&upstream).set(&["usage_plans", "gold"], plan(plan_says));
        let (gateway, client) = started(setup).await;
        let key = create(&gateway, &["gold"], json!({})).await;
        for _ in 0..3 {
            assert_eq!(prod(&client, "/a", &key).await.status, 200);
        }
        let noted = gateway.record("what was noted", |record| record["monitored"] == reason);
        assert_eq!(noted.await["status"], 200);
        let noted = gateway.records();
        let first = noted.iter().filter(|record| record["monitored"].is_null());
        assert_eq!(first.count(), 1);
    }
}

#[tokio::test]
async fn the_throttle_of_a_key_may_be_only_watched_too() {
    let upstream = Upstream::echo().await;
    let setup = apis(&upstream).set(&["usage_plans", "gold"], plan(json!({})));
    let (gateway, client) = started(setup).await;
    let own = json!({"rate_micro_per_second": 1000, "burst": 1, "monitor": true});
    let key = create(&gateway, &["gold"], json!({"throttle": own})).await;
    for _ in 0..3 {
        assert_eq!(prod(&client, "/a", &key).await.status, 200);
    }
    let noted = gateway.record("what was noted", |record| {
        record["monitored"] == "key_throttled"
    });
    assert_eq!(noted.await["api_key"], key.id);
}

#[tokio::test]
async fn what_a_quota_refuses_is_counted_for_its_key() {
    let upstream = Upstream::echo().await;
    let quota = json!({"quota": {"limit": 2, "period": "month"}, "throttle": once(3)});
    let watched = json!({"quota": {"limit": 2, "period": "month", "monitor": true}});
    let silver = json!({"stages": [{"api": "two", "stage": "prod"}], "quota": watched["quota"]});
    let setup = apis(&upstream)
        .set(&["usage_plans", "gold"], plan(quota))
        .set(&["usage_plans", "silver"], silver);
    let (gateway, client) = started(setup).await;
    let key = create(&gateway, &["gold", "silver"], json!({})).await;
    for _ in 0..7 {
        prod(&client, "/a", &key).await;
        get(&client, ("two.test", "/prod/a"), &key.value).await;
    }
    for plan in ["gold", "silver"] {
        let name = format!("key {} quota {plan}", key.id);
        let counted = counted(&gateway, &name).await;
        assert_eq!(
            (&counted["admitted"], &counted["rejected"]),
            (&json!(2), &json!(5)),
            "{counted}"
        );
    }
    let said = told(&ask(&gateway, &["stats"]).await);
    assert!(
        said.contains(&format!("key {} quota gold", key.id)),
        "{said}"
    );
}

#[tokio::test]
async fn plans_change_with_a_reload_and_buckets_and_quotas_go_on() {
    let upstream = Upstream::echo().await;
    let of = |burst: u64, limit: u64| {
        plan(json!({"throttle": once(burst), "quota": {"limit": limit, "period": "month"}}))
    };
    let setup = apis(&upstream)
        .set(&["usage_plans", "gold"], of(3, 100))
        .set(
            &["usage_plans", "test"],
            json!({"stages": [{"api": "one", "stage": "beta"}]}),
        );
    let (mut gateway, client) = started(setup).await;
    let key = create(&gateway, &["gold", "test"], json!({})).await;
    assert_eq!(admitted(&client, "/a", &key, TOO_MANY).await.0, 3);

    // Two more in the bucket, and of the quota one.
    gateway.setup().change(&["usage_plans", "gold"], of(5, 4));
    assert_eq!(gateway.reload().await["answer"], "done");
    assert_eq!(admitted(&client, "/a", &key, EXCEEDED).await.0, 1);

    // A stage that two plans of a key would have.
    let twice =
        json!({"stages": [{"api": "one", "stage": "prod"}, {"api": "one", "stage": "beta"}]});
    gateway.setup().change(&["usage_plans", "test"], twice);
    let refused = gateway.reload().await;
    let message = refused["message"].as_str().unwrap();
    for part in [&*key.id, "`gold` and `test`", "`gateway keys detach "] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(refused["answer"], "refused");
    let beta = get(&client, ("one.test", "/beta/a"), &key.value).await;
    assert_eq!(beta.status, 200, "what ran before still does");

    let known = json!({"stages": [{"api": "one", "stage": "beta"}], "throttle": once(1)});
    gateway.setup().change(&["usage_plans", "test"], known);
    gateway.setup().remove(&["usage_plans", "gold"]);
    assert_eq!(gateway.reload().await["answer"], "done");
    assert_eq!(prod(&client, "/a", &key).await.status, 403);
    let beta = get(&client, ("one.test", "/beta/a"), &key.value).await;
    assert_eq!(beta.status, 200);
    let beta = get(&client, ("one.test", "/beta/a"), &key.value).await;
    assert_eq!(beta.status, 429);
}

#[tokio::test]
async fn an_explanation_names_key_and_plan_and_what_is_left_and_spends_nothing() {
    let upstream = Upstream::echo().await;
    let setup = apis(&upstream).set(
        &["usage_plans", "gold"],
        plan(json!({"throttle": once(1), "quota": {"limit": 1, "period": "month"}})),
    );
    let (gateway, client) = started(setup).await;
    let key = create(&gateway, &["gold"], json!({})).await;
    let explain = async |value: &str| {
        let question = json!({
            "do": "explain", "listener": null, "client": "127.0.0.1", "method": "GET",
            "url": "http://one.test/prod/a", "headers": [["x-api-key", value]], "calls": false,
        });
        gateway.admin(&question.to_string()).await
    };
    let said = |answer: &Value, step: &str| {
        let steps = answer["steps"].as_array().unwrap().clone();
        let steps = steps.iter().filter(|it| it["step"] == step);
        let said = steps.map(|step| step["said"].as_str().unwrap().to_owned());
        said.collect::<Vec<_>>().join("\n")
    };
    for _ in 0..3 {
        let answer = explain(&key.value).await;
        assert_eq!(answer["status"], Value::Null, "{answer}");
        let named = format!("`{}`, under usage plan `gold`", key.id);
        assert_eq!(said(&answer, "api_key"), named);
        assert_eq!(
            said(&answer, "throttle"),
            "quota_exceeded: admits it\nplan_throttled: admits it"
        );
        assert!(!answer.to_string().contains(&key.value));
    }
    let answer = explain("nobody's").await;
    let unknown = "No API key has this value.";
    assert_eq!(said(&answer, "api_key"), unknown);
    assert_eq!(
        (&answer["status"], &answer["reason"]),
        (&json!(403), &json!("api_key_unknown"))
    );
    assert_eq!(prod(&client, "/a", &key).await.status, 200);
    let answer = explain(&key.value).await;
    assert_eq!(
        (&answer["status"], &answer["reason"]),
        (&json!(429), &json!("quota_exceeded"))
    );
    assert!(
        said(&answer, "throttle").contains("plan_throttled: refuses it"),
        "{answer}"
    );
}

#[tokio::test]
async fn throttles_tell_callers_apart_by_their_api_key_and_all_without_one_are_one() {
    let upstream = Upstream::echo().await;
    let each =
        |burst: u64| json!([{"key": "$context.identity.apiKeyId", "rate": 0.001, "burst": burst}]);
    let setup = apis(&upstream)
        .set(&["usage_plans", "gold"], plan(json!({})))
        .set(
            &["apis", "one", "routes", "GET /a", "caller_throttles"],
            each(2),
        )
        .set(
            &["apis", "one", "stages", "prod", "caller_throttles"],
            each(3),
        );
    let (gateway, client) = started(setup).await;
    for _ in 0..2 {
        let key = create(&gateway, &["gold"], json!({})).await;
        assert_eq!(admitted(&client, "/a", &key, TOO_MANY).await.0, 2);
        // The third of the stage; what the route has refused took none.
        assert_eq!(admitted(&client, "/b", &key, TOO_MANY).await.0, 1);
        let record = gateway.record("a refusal", |record| {
            record["api_key"] == key.id.as_str() && record["reason"] == "caller_throttled"
        });
        assert_eq!(record.await["status"], 429);
    }
    // Nobody looks at keys that are not asked for.
    let key = create(&gateway, &["gold"], json!({})).await;
    let mut open = Vec::new();
    for key in [&key.value, "nobody's", "", "another"] {
        let answer = get(&client, ("one.test", "/prod/open"), key).await;
        open.push(answer.status);
    }
    assert_eq!(open, [200, 200, 200, 429]);
    assert_eq!(prod(&client, "/b", &key).await.status, 200);
}

#[tokio::test]
async fn a_key_can_be_told_to_backends_and_is_never_told_in_logs() {
    let upstream = Upstream::echo().await;
    let route = json!({
        "authorizer": "none",
        "api_key_required": true,
        "integration": {
            "type": "http",
            "upstream": "main",
            "request_parameters": {
                "integration.request.header.x-key": "context.identity.apiKey",
                "integration.request.header.x-key-id": "context.identity.apiKeyId",
            },
            "responses": {"default": {"status": 200}},
        },
    });
    let setup = apis(&upstream)
        .set(&["usage_plans", "gold"], plan(json!({})))
        .set(&["apis", "one", "routes", "GET /a"], route);
    let log = json!({
        "format": "$context.requestId $context.identity.apiKeyId $context.identity.apiKey",
    });
    let setup = setup.set(&["apis", "one", "stages", "prod", "access_log"], log);
    let (gateway, client) = started(setup).await;
    let key = create(&gateway, &["gold"], json!({})).await;
    let answer = prod(&client, "/a", &key).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = answer.json();
    assert_eq!(sent["headers"]["x-key"], json!(key.value), "{sent}");
    assert_eq!(sent["headers"]["x-key-id"], json!(key.id), "{sent}");
    let end = format!(" {} ****", key.id);
    let line = gateway
        .log
        .find("the line", |line| line.ends_with(&end).then_some(()));
    line.await;
    assert!(!gateway.log.all().join("\n").contains(&key.value));
}
