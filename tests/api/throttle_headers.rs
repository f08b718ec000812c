//! What answers say of limits.

use gateway_tests::client::{Answer, Client};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::{Upstream, reply};
use serde_json::{Value, json};

/// A public route with what `route` says, of an API with what `headers` says.
async fn started(route: Value, headers: Value) -> (Gateway, Client, Upstream) {
    let upstream = Upstream::http(|_| async {
        let mut answer = reply(200, "{}");
        answer
            .headers_mut()
            .insert("ratelimit", "\"theirs\";r=7".parse().unwrap());
        answer
    });
    let upstream = upstream.await;
    let setup = Setup::new()
        .upstream("main", upstream.address)
        .route("GET /a", route);
    let gateway = Gateway::start(setup.set(&["apis", "main", "throttle_headers"], headers)).await;
    let client = Client::http1(gateway.address().await).await;
    (gateway, client, upstream)
}

/// A thousand seconds for each request.
fn slow(burst: u64) -> Value {
    json!({"rate": 0.001, "burst": burst})
}

fn by(key: &str, burst: u64) -> Value {
    json!({"key": key, "rate": 0.001, "burst": burst})
}

async fn ask(client: &Client, user: &str) -> Answer {
    client.get_with("/a", &[("x-user", user)]).await
}

fn told(answer: &Answer) -> (u16, &str, &str) {
    let (policy, limit) = (
        answer.header("ratelimit-policy"),
        answer.header("ratelimit"),
    );
    (answer.status, policy, limit)
}

#[tokio::test]
async fn retry_after_can_be_switched_off_and_what_is_left_is_not_told_by_default() {
    for (headers, says) in [
        (json!({}), true),
        (json!({"retry_after": false}), false),
        (json!({"retry_after": true}), true),
    ] {
        let route = json!({"throttle": slow(1)});
        let (_gateway, client, _upstream) = started(route, headers).await;
        assert_eq!(told(&ask(&client, "a").await), (200, "", "\"theirs\";r=7"));
        let refused = ask(&client, "a").await;
        assert_eq!(told(&refused), (429, "", ""));
        let wait = refused.header("retry-after");
        assert_eq!(wait, if says { "1000" } else { "" });
    }
}

#[tokio::test]
async fn a_caller_is_told_its_own_limits_and_not_what_it_shares_with_others() {
    let route = json!({
        "throttle": slow(50),
        "caller_throttles": [
            by("$request.header.x-user", 3),
            by("$request.header.x-tenant", 20),
            {"key": "$request.header.x-watched", "rate": 1, "burst": 1, "monitor": true},
            by("$context.identity.sourceIp", 6),
        ],
    });
    let (_gateway, client, _upstream) = started(route, json!({"rate_limit": true})).await;
    let policy = "\"source\";q=6;w=6000, \"caller\";q=3;w=3000, \"caller-2\";q=20;w=20000";
    for (user, status, left) in [
        (
            "a",
            200,
            "\"source\";r=5;t=1000, \"caller\";r=2;t=1000, \"caller-2\";r=19;t=1000",
        ),
        (
            "a",
            200,
            "\"source\";r=4;t=2000, \"caller\";r=1;t=2000, \"caller-2\";r=18;t=2000",
        ),
        (
            "b",
            200,
            "\"source\";r=3;t=3000, \"caller\";r=2;t=1000, \"caller-2\";r=17;t=3000",
        ),
        (
            "a",
            200,
            "\"source\";r=2;t=4000, \"caller\";r=0;t=3000, \"caller-2\";r=16;t=4000",
        ),
        (
            "a",
            429,
            "\"source\";r=1;t=5000, \"caller\";r=0;t=3000, \"caller-2\";r=16;t=4000",
        ),
    ] {
        let answer = ask(&client, user).await;
        assert_eq!(told(&answer), (status, policy, left));
        assert_eq!(answer.header("retry-after").is_empty(), status == 200);
    }
    // Behind the last one of its source nobody is asked for anything else.
    assert_eq!(ask(&client, "c").await.status, 200);
    let refused = ask(&client, "c").await;
    let (policy, left) = ("\"source\";q=6;w=6000", "\"source\";r=0;t=6000");
    assert_eq!(told(&refused), (429, policy, left));
}
