//! Several lookups of one policy set, which are asked at once.

use std::sync::Arc;
use std::time::Duration;

use gateway_tests::site::Site;
use gateway_tests::upstream::{Reply, Upstream, reply};
use serde_json::{Value, json};
use tokio::sync::Barrier;

/// A server of records that answers what `answer` makes of the key.
async fn server<A>(answer: impl Fn(String) -> A + Send + Sync + 'static) -> Upstream
where
    A: Future<Output = Reply> + Send + 'static,
{
    let answer = Arc::new(answer);
    let handler = move |request: http::Request<hyper::body::Incoming>| {
        let key = request.uri().path().trim_start_matches('/').to_owned();
        answer(key)
    };
    Upstream::http(handler).await
}

/// A server that answers no question before all of `together` were asked one.
async fn waiting(together: &Arc<Barrier>, record: Value) -> Upstream {
    let together = Arc::clone(together);
    let answer = move |_key| {
        let (together, record) = (Arc::clone(&together), record.to_string());
        async move {
            together.wait().await;
            reply(200, record)
        }
    };
    server(answer).await
}

/// An API whose policies want a level, a team and a desk, of a server each.
async fn start(servers: [&Upstream; 3]) -> Site {
    Site::start(|setup| {
        let policies = "permit (principal, action, resource) when { \
                        context.level == 7 && context.team == \"red\" && context.desk == \"a\" };";
        let policies = setup.file("all.cedar", policies);
        let names = ["first", "second", "third"];
        let lookup = |server: &Upstream| {
            let url = format!("http://{}/{{key}}", server.address);
            json!({"type": "http", "url": url, "ttl": "1h", "timeout": "5s"})
        };
        let lookups = names.iter().zip(servers);
        let lookups = lookups.map(|(name, server)| ((*name).to_owned(), lookup(server)));
        let asked = |name: &&str| {
            let asked = json!({"lookup": name, "key": "$context.authorizer.claims.sub"});
            ((*name).to_owned(), asked)
        };
        let set = json!({
            "type": "cedar",
            "store": "all",
            "lookups": Value::Object(names.iter().map(asked).collect()),
            "principal": {"type": "User", "id": "$context.authorizer.claims.sub"},
            "resource": {"type": "Path", "id": "$request.path"},
            "context": {
                "level": "$lookups.first.level",
                "team": "$lookups.second.team",
                "desk": "$lookups.third.desk",
            },
        });
        setup
            .set(
                &["policy_stores", "all"],
                json!({"type": "files", "policies": [policies]}),
            )
            .set(&["lookups"], Value::Object(lookups.collect()))
            .set(&["policies", "all"], set)
            .route(
                "GET /{any+}",
                json!({"authorizer": "main", "policies": "all"}),
            )
    })
    .await
}

async fn status_of(site: &Site, who: &str) -> u16 {
    let bearer = site.bearer(json!({"sub": who}));
    site.get(&format!("/{who}"), &bearer).await.status
}

#[tokio::test]
async fn all_are_asked_before_any_has_answered() {
    let together = Arc::new(Barrier::new(3));
    let first = waiting(&together, json!({"level": 7})).await;
    let second = waiting(&together, json!({"team": "red"})).await;
    let third = waiting(&together, json!({"desk": "a"})).await;
    let site = start([&first, &second, &third]).await;
    assert_eq!(status_of(&site, "ann").await, 200);
    let seen = [&first, &second, &third].map(|server| server.seen().requests);
    assert_eq!(seen, [1, 1, 1]);
    // Remembered, each of them.
    assert_eq!(status_of(&site, "ann").await, 200);
    assert_eq!(first.seen().requests, 1);
}

#[tokio::test]
async fn the_first_that_fails_in_the_order_of_the_policy_set_is_told() {
    let late = server(|key| async move {
        if key == "both" {
            tokio::time::sleep(Duration::from_millis(300)).await;
            return reply(503, "");
        }
        reply(200, r#"{"level": 7}"#)
    });
    let soon = server(|key| async move {
        match &*key {
            "both" | "second" => reply(502, ""),
            _ => reply(200, r#"{"team": "red"}"#),
        }
    });
    let third = server(|_| async { reply(200, r#"{"desk": "a"}"#) });
    let (late, soon, third) = (late.await, soon.await, third.await);
    let site = start([&late, &soon, &third]).await;
    for (who, status, detail) in [
        ("none", 200, None),
        (
            "second",
            500,
            Some("lookup `second`: the server answered 502 Bad Gateway"),
        ),
        (
            "both",
            500,
            Some("lookup `first`: the server answered 503 Service Unavailable"),
        ),
    ] {
        assert_eq!(status_of(&site, who).await, status, "{who}");
        let record = site.gateway.path(&format!("/{who}")).await;
        assert_eq!(record["detail"].as_str(), detail, "{who}");
    }
}
