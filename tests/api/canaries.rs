//! A stage tries a deployment on a share of its requests.

use gateway_tests::client::Client;
use gateway_tests::command::{self, ask, told};
use gateway_tests::gateway::Gateway;
use gateway_tests::metrics::Metrics;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use gateway_tests::wait::until;
use serde_json::{Value, json};

/// A REST API whose backend is told the version, a stage variable and whether a canary asks.
fn setup(upstream: &Upstream) -> Setup {
    let mut setup = Setup::new()
        .set(&["apis", "main", "type"], json!("rest"))
        .set(
            &["apis", "main", "stages"],
            json!({"prod": {"variables": {"at": "base"}}}),
        );
    version(&mut setup, upstream, 1);
    setup
}

fn version(setup: &mut Setup, upstream: &Upstream, version: u32) {
    let uri = format!(
        "http://{}/v{version}/${{stageVariables.at}}",
        upstream.address
    );
    let route = json!({
        "authorizer": "none",
        "integration": {
            "uri": uri,
            "request_parameters": {
                "integration.request.header.x-canary": "context.isCanaryRequest",
                "integration.request.header.x-at": "stageVariables.at",
                "integration.request.header.x-deployment": "context.deploymentId",
            },
        },
    });
    setup.change(&["apis", "main", "routes"], json!({"GET /try": route}));
    drop(setup.write());
}

async fn done(gateway: &Gateway, arguments: &[&str]) -> String {
    told(&ask(gateway, arguments).await)
}

async fn refused(gateway: &Gateway, arguments: &[&str]) -> String {
    command::refused(&ask(gateway, arguments).await)
}

/// What the backend saw: path, variable, and whether a canary asked; the deployment is that of the
/// path.
async fn seen(client: &Client) -> (String, String, String) {
    let answer = client.get("/prod/try").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = answer.json();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let version = format!("/v{}/", text(&seen["headers"]["x-deployment"]));
    assert!(text(&seen["uri"]).starts_with(&version), "{seen}");
    (
        text(&seen["uri"]),
        text(&seen["headers"]["x-at"]),
        text(&seen["headers"]["x-canary"]),
    )
}

async fn sees_only(client: &Client, uri: &str, at: &str, canary: &str) {
    for _ in 0..50 {
        let expected = (uri.to_owned(), at.to_owned(), canary.to_owned());
        assert_eq!(seen(client).await, expected);
    }
}

#[tokio::test]
async fn a_canary_gets_its_share_with_variables_of_its_own() {
    let upstream = Upstream::echo().await;
    let mut gateway = Gateway::start(setup(&upstream)).await;
    let client = Client::http1(gateway.address().await).await;
    version(gateway.setup(), &upstream, 2);
    let deploy = ["deploy", "main", "--stage", "prod", "--canary", "30"];
    let deploy = [
        &deploy[..],
        &["--variable", "at=trial", "--variable", "own=1"],
    ]
    .concat();
    assert_eq!(
        done(&gateway, &deploy).await,
        "deployment 2 of `main` was made; the canary of the stage `prod` of `main` serves \
         deployment 2 to 30 % of requests, the others get deployment 1; generation 2"
    );
    const REQUESTS: usize = 2_000;
    let mut canaries = 0;
    for _ in 0..REQUESTS {
        let (uri, at, is_canary) = seen(&client).await;
        match is_canary.as_str() {
            "true" => {
                canaries += 1;
                assert_eq!((uri.as_str(), at.as_str()), ("/v2/trial", "trial"));
            }
            _ => assert_eq!((uri.as_str(), at.as_str()), ("/v1/base", "base")),
        }
    }
    // Six standard deviations around 600.
    assert!((477..=723).contains(&canaries), "{canaries}");
    let record = gateway
        .record("a canary's", |record| record["canary"] == true)
        .await;
    assert_eq!(record["deployment"], 2);
    let record = gateway
        .record("another", |record| record["canary"].is_null())
        .await;
    assert_eq!(record["deployment"], 1);

    // All of them, none of them, none at all.
    done(
        &gateway,
        &[
            "canary",
            "set",
            "main",
            "--stage",
            "prod",
            "--percent",
            "100",
        ],
    )
    .await;
    sees_only(&client, "/v2/trial", "trial", "true").await;
    let set = ["canary", "set", "main", "--stage", "prod"];
    done(&gateway, &[&set[..], &["--unset", "at"]].concat()).await;
    sees_only(&client, "/v2/base", "base", "true").await;
    done(&gateway, &[&set[..], &["--percent", "0"]].concat()).await;
    sees_only(&client, "/v1/base", "base", "false").await;
    assert_eq!(
        done(&gateway, &["canary", "stop", "main", "--stage", "prod"]).await,
        "the stage `prod` of `main` serves deployment 1 alone; generation 6"
    );
    sees_only(&client, "/v1/base", "base", "false").await;
    let status = done(&gateway, &["status"]).await;
    assert!(status.contains("says something else"), "{status}");
}

#[tokio::test]
async fn base_and_canary_are_counted_side_by_side() {
    let upstream = Upstream::http(|request| async move {
        let status = if request.uri().path() == "/v2/base" {
            502
        } else {
            404
        };
        gateway_tests::upstream::empty(status)
    })
    .await;
    let mut gateway = Gateway::start(setup(&upstream)).await;
    let client = Client::http1(gateway.address().await).await;
    for _ in 0..3 {
        assert_eq!(client.get("/prod/try").await.status, 404);
    }
    version(gateway.setup(), &upstream, 2);
    let deploy = ["deploy", "main", "--stage", "prod", "--canary", "100"];
    done(&gateway, &deploy).await;
    for _ in 0..2 {
        assert_eq!(client.get("/prod/try").await.status, 502);
    }
    let sample = |name: &str, track: &str| {
        format!("gateway_stage_{name}_total{{api=\"main\",stage=\"prod\",track=\"{track}\"}}")
    };
    let metrics = gateway
        .metrics_when("both tracks", |metrics| {
            metrics.get(&sample("requests", "canary")) == 2.0
        })
        .await;
    for (name, base, canary) in [
        ("requests", 3.0, 2.0),
        ("client_errors", 3.0, 0.0),
        ("server_errors", 0.0, 2.0),
    ] {
        assert_eq!(metrics.get(&sample(name, "base")), base, "{name}");
        assert_eq!(metrics.get(&sample(name, "canary")), canary, "{name}");
    }
    let stats: Value = serde_json::from_str(&done(&gateway, &["stats", "--json"]).await).unwrap();
    // What the base answered before there was a canary cannot be held against that.
    assert_eq!(counted(&stats), [("base", 1, 0, 0), ("canary", 2, 0, 2)]);
    latencies_are_told(&metrics, &stats);
    let text = done(&gateway, &["stats"]).await;
    let lines: Vec<&str> = text.lines().rev().take(2).collect();
    assert!(
        lines[1].contains("base") && lines[0].contains("canary"),
        "{text}"
    );
    // Of three quantiles, where there were requests.
    assert_eq!(lines[0].matches("<=").count(), 3, "{text}");
    assert!(lines[0].contains(" 2 20"), "{text}");
}

/// Track, deployment, 4xx and 5xx of both tracks, which are counted since the same moment.
#[track_caller]
fn counted(stats: &Value) -> [(&str, u64, u64, u64); 2] {
    let (base, canary) = (&stats["stages"][0], &stats["stages"][1]);
    assert!(base["since_unix_seconds"].as_u64().unwrap() > 0, "{stats}");
    assert_eq!(base["since_unix_seconds"], canary["since_unix_seconds"]);
    [base, canary].map(|it| {
        let number = |name: &str| it[name].as_u64().unwrap();
        let track = it["track"].as_str().unwrap();
        (
            track,
            number("deployment"),
            number("client_errors"),
            number("server_errors"),
        )
    })
}

/// Waits until the tracks have counted this: a request may be counted after its answer was read.
async fn counts(gateway: &Gateway, expected: [(&str, u64, u64, u64); 2]) {
    until(&format!("{expected:?}"), || async {
        let stats = done(gateway, &["stats", "--json"]).await;
        let stats: Value = serde_json::from_str(&stats).unwrap();
        (counted(&stats) == expected).then_some(())
    })
    .await;
}

#[tokio::test]
async fn each_pair_of_base_and_canary_is_counted_from_its_beginning() {
    let upstream = Upstream::http(|request| async move {
        let is_second = request.uri().path() == "/v2/base";
        gateway_tests::upstream::empty(if is_second { 502 } else { 404 })
    })
    .await;
    let mut gateway = Gateway::start(setup(&upstream)).await;
    let client = Client::http1(gateway.address().await).await;
    let requests = async |status: u16| {
        for _ in 0..3 {
            assert_eq!(client.get("/prod/try").await.status, status);
        }
    };
    let sample = |track: &str, name: &str| {
        format!("gateway_stage_{name}{{api=\"main\",stage=\"prod\",track=\"{track}\"}}")
    };
    let all = ["deploy", "main", "--stage", "prod", "--canary", "100"];
    requests(404).await;
    version(gateway.setup(), &upstream, 2);
    done(&gateway, &all).await;
    requests(502).await;
    // Its share may change meanwhile.
    let set = ["canary", "set", "main", "--stage", "prod"];
    let none = [&set[..], &["--percent", "0"]].concat();
    done(&gateway, &none).await;
    requests(404).await;
    counts(&gateway, [("base", 1, 3, 0), ("canary", 2, 0, 3)]).await;

    // A canary that is mended starts anew, and so does what it is held against.
    version(gateway.setup(), &upstream, 3);
    done(&gateway, &all).await;
    counts(&gateway, [("base", 1, 0, 0), ("canary", 3, 0, 0)]).await;
    requests(404).await;
    counts(&gateway, [("base", 1, 0, 0), ("canary", 3, 3, 0)]).await;
    // Back to the one that failed, and with another variable.
    done(&gateway, &[&set[..], &["--to", "2"]].concat()).await;
    requests(502).await;
    counts(&gateway, [("base", 1, 0, 0), ("canary", 2, 0, 3)]).await;
    done(&gateway, &[&set[..], &["--variable", "at=trial"]].concat()).await;
    requests(404).await;
    counts(&gateway, [("base", 1, 0, 0), ("canary", 2, 3, 0)]).await;
    done(&gateway, &["canary", "promote", "main", "--stage", "prod"]).await;
    counts(&gateway, [("base", 2, 0, 0), ("canary", 2, 0, 0)]).await;
    // The metrics go on, and say what is served.
    let metrics = gateway.metrics().await;
    for (name, base, of_canary) in [
        ("deployment", 2.0, 2.0),
        ("requests_total", 6.0, 12.0),
        ("client_errors_total", 6.0, 6.0),
        ("server_errors_total", 0.0, 6.0),
    ] {
        assert_eq!(metrics.get(&sample("base", name)), base, "{name}");
        assert_eq!(metrics.get(&sample("canary", name)), of_canary, "{name}");
    }
}

#[tokio::test]
async fn another_api_of_the_same_name_is_counted_from_its_own_beginning() {
    let upstream = Upstream::http(|_request| async { gateway_tests::upstream::empty(404) }).await;
    let mut gateway = Gateway::start(setup(&upstream)).await;
    let client = Client::http1(gateway.address().await).await;
    let total = "gateway_stage_requests_total{api=\"main\",stage=\"prod\",track=\"base\"}";
    assert_eq!(client.get("/prod/try").await.status, 404);
    gateway
        .metrics_when("the request", |metrics| metrics.get(total) == 1.0)
        .await;
    // It has the same number of a deployment and the same variables, and is another API.
    gateway
        .setup()
        .change(&["apis", "main", "id"], json!("another"));
    assert_eq!(gateway.reload().await["answer"], "done");
    let stats: Value = serde_json::from_str(&done(&gateway, &["stats", "--json"]).await).unwrap();
    let base = &stats["stages"][0];
    assert_eq!(base["deployment"], 1);
    assert_eq!(base["requests"], 0);
    let metrics = gateway.metrics().await;
    assert!(metrics.text.contains(total));
    assert_eq!(metrics.get(total), 0.0);
}

/// Both tracks have the same histogram, in the metrics and in the statistics.
#[track_caller]
fn latencies_are_told(metrics: &Metrics, stats: &Value) {
    for (index, track, requests, in_window) in [(0, "base", 3_u32, 0), (1, "canary", 2, 2)] {
        let sample = |part: &str, more: &str| {
            let metric = "gateway_stage_request_duration_seconds";
            let labels = format!("api=\"main\",stage=\"prod\",track=\"{track}\"");
            // The page has the bound of a bucket before the other labels.
            metrics.get(&format!("{metric}_{part}{{{more}{labels}}}"))
        };
        assert_eq!(sample("count", ""), f64::from(requests), "{track}");
        assert_eq!(sample("bucket", "le=\"+Inf\","), f64::from(requests));
        assert!(sample("sum", "") > 0.0);
        let durations = stats["stages"][index]["durations"].as_array().unwrap();
        assert_eq!(durations.len(), 13);
        let counted = durations.iter().map(|it| it["requests"].as_u64().unwrap());
        assert_eq!(counted.sum::<u64>(), in_window);
        assert_eq!(durations[12]["at_most_us"], Value::Null);
    }
}

#[tokio::test]
async fn a_promoted_canary_serves_everybody_and_stays_with_no_share() {
    let upstream = Upstream::echo().await;
    let mut gateway = Gateway::start(setup(&upstream)).await;
    let client = Client::http1(gateway.address().await).await;
    version(gateway.setup(), &upstream, 2);
    let deploy = ["deploy", "main", "--stage", "prod", "--canary", "0"];
    done(
        &gateway,
        &[&deploy[..], &["--variable", "at=trial"]].concat(),
    )
    .await;
    sees_only(&client, "/v1/base", "base", "false").await;
    // Without a canary of its own a stage that has one takes no deployment.
    let message = refused(&gateway, &["deploy", "main", "--stage", "prod"]).await;
    assert_eq!(
        message,
        "error: the stage `prod` of `main` has a canary: --canary PERCENT gives it this \
         deployment, `gateway canary promote` and `gateway canary stop` end it"
    );
    done(&gateway, &["canary", "promote", "main", "--stage", "prod"]).await;
    sees_only(&client, "/v2/trial", "trial", "false").await;
    let status: Value = serde_json::from_str(&done(&gateway, &["status", "--json"]).await).unwrap();
    let stage = &status[0]["stages"][0];
    assert_eq!(stage["deployment"], 2);
    assert_eq!(stage["promoted_variables"], json!({"at": "trial"}));
    assert_eq!(
        stage["canary"],
        json!({"deployment": 2, "percent": "0", "variables": {"at": "trial"}})
    );

    // What the file says next goes to the canary, as long as there is one.
    version(gateway.setup(), &upstream, 3);
    let message = gateway.reload().await["message"].to_string();
    assert!(
        message.contains(
            "the canary of the stage `prod` of `main` serves deployment 3 to 0 % of requests: \
             warning: nobody gets it before `gateway canary promote main --stage prod`"
        ),
        "{message}"
    );
    sees_only(&client, "/v2/trial", "trial", "false").await;
    // All that outlives a crash.
    let gateway = Gateway::start(gateway.kill().await).await;
    let client = Client::http1(gateway.address().await).await;
    sees_only(&client, "/v2/trial", "trial", "false").await;
    // Rolling back takes the canary away or has the stage serve what it did.
    done(
        &gateway,
        &["rollback", "main", "--stage", "prod", "--to", "1"],
    )
    .await;
    sees_only(&client, "/v1/trial", "trial", "false").await;
    done(&gateway, &["canary", "stop", "main", "--stage", "prod"]).await;
    sees_only(&client, "/v1/trial", "trial", "false").await;
    // The file's variables win again once they change.
    let mut gateway = gateway;
    gateway.setup().change(
        &["apis", "main", "stages", "prod", "variables"],
        json!({"at": "changed"}),
    );
    assert_eq!(gateway.reload().await["answer"], "done");
    sees_only(&client, "/v1/changed", "changed", "false").await;
}

#[tokio::test]
async fn what_cannot_be_a_canary_is_refused() {
    let upstream = Upstream::echo().await;
    let mut gateway = Gateway::start(setup(&upstream)).await;
    let prod = ["--stage", "prod", "--canary", "10"];
    let with = |more: &[&'static str]| [&["deploy", "main"], &prod[..], more].concat();
    let message = refused(&gateway, &with(&["--variable", "a b=1"])).await;
    assert!(
        message.contains("`a b`: names of stage variables are 1 to 64"),
        "{message}"
    );
    let message = refused(&gateway, &with(&["--variable", "at=a b"])).await;
    assert!(message.contains("`a b` cannot be the value"), "{message}");
    let message = refused(
        &gateway,
        &["canary", "set", "main", "--stage", "prod", "--percent", "5"],
    )
    .await;
    assert!(message.contains("has no canary"), "{message}");
    let http = json!({
        "type": "http",
        "hosts": ["other.test"],
        "routes": {"GET /a": {"authorizer": "none", "integration": {"uri": "http://127.0.0.1:9"}}},
    });
    gateway.setup().change(&["apis", "other"], http);
    assert_eq!(gateway.reload().await["answer"], "done");
    let message = refused(
        &gateway,
        &["deploy", "other", "--stage", "$default", "--canary", "1"],
    )
    .await;
    assert_eq!(
        message,
        "error: `other` is an HTTP API, and only stages of REST APIs have canaries"
    );
    let message = refused(&gateway, &["deploy", "other", "--stage", "$default"]).await;
    assert_eq!(
        message,
        "error: the stage `$default` deploys what the file says by itself: reload, or write \
         `auto_deploy: false` there"
    );
}
