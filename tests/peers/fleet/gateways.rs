//! Two gateways as they run, with one Redis.

use std::path::Path;
use std::time::Duration;

use gateway_tests::authority::Authority;
use gateway_tests::client::Client;
use gateway_tests::gateway::Gateway;
use gateway_tests::redis::{Redis, free_port};
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use serde_json::{Value, json};

use super::user;
use crate::program;

const VALUE: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCD";
const KEY: &str = "k81h2j3m4n";

/// A REST API whose stage a plan opens, and an HTTP API with a limit for each caller and one for all.
fn setup(redis: &Redis, upstream: &Upstream, fleet: Value) -> Setup {
    let open = json!({"authorizer": "none", "integration": {"upstream": "main"}});
    let mut keyed = open.clone();
    keyed["api_key_required"] = json!(true);
    let mut each = open.clone();
    each["caller_throttles"] = json!([
        {"key": "$request.header.x-who", "rate": 0.01, "burst": 20, "across_fleet": true},
    ]);
    let mut all = open.clone();
    all["throttle"] = json!({"rate": 0.01, "burst": 30, "across_fleet": true});
    let mut written =
        json!({"gateways": 2, "timeout": "1s", "redis": {"servers": [redis.server()]}});
    for (name, value) in fleet.as_object().unwrap() {
        written[name] = value.clone();
    }
    Setup::new()
        .upstream("main", upstream.address)
        .set(&["fleet"], written)
        .set(
            &["apis", "rest"],
            json!({"type": "rest", "hosts": ["rest.test"], "stages": {"prod": {}}, "routes": {"GET /a": keyed}}),
        )
        .set(
            &["apis", "http"],
            json!({"type": "http", "hosts": ["http.test"], "routes": {"GET /each": each, "GET /all": all}}),
        )
        .set(
            &["usage_plans", "gold"],
            json!({
                "stages": [{"api": "rest", "stage": "prod"}],
                "quota": {"limit": 40, "period": "month", "across_fleet": true},
            }),
        )
}

/// A server that is asked over TLS by a user who may do what the documentation asks for.
fn guarded(program: &Path, tls_port: &str, (files, root): (&Value, &Path)) -> Redis {
    let path = |name: &str| files[name].as_str().unwrap().to_owned();
    let (chain, key) = (path("chain"), path("key"));
    let mut settings = vec!["--tls-port", tls_port, "--tls-auth-clients", "no"];
    settings.extend(["--tls-cert-file", &chain, "--tls-key-file", &key]);
    settings.extend(["--tls-ca-cert-file", root.to_str().unwrap()]);
    settings.extend(user("~gateway:*", &[]));
    Redis::start(program, &settings)
}

#[tokio::test]
async fn redis_is_asked_over_tls_by_a_user_who_may_do_nothing_else() {
    let Some(program) = program("redis-server") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let files = authority.write_certificate(directory.path(), "redis", &["localhost"]);
    let root = authority.write_root(directory.path());
    let tls_port = free_port().to_string();
    let redis = guarded(&program, &tls_port, (&files, &root));
    let password = directory.path().join("password");
    std::fs::write(&password, "secret\n").unwrap();
    let upstream = Upstream::echo().await;
    let fleet = |authority: &Path| {
        json!({"timeout": "1s", "redis": {
            "servers": [format!("localhost:{tls_port}")], "username": "gateway",
            "password_file": password, "tls": {"ca_file": authority},
        }})
    };
    let pair = Pair::start(&redis, &upstream, fleet(&root)).await;
    for (path, limit) in [("/all", 30), ("/each", 20)] {
        let sum: u64 = pair.exhaust("http.test", path, "").await.iter().sum();
        assert!((limit..=limit + 2).contains(&sum), "{path}: {sum}");
    }
    let sum: u64 = pair.exhaust("rest.test", "/prod/a", "").await.iter().sum();
    assert!((40..=42).contains(&sum), "{sum}");
    let metrics = pair.gateways[0].metrics().await;
    assert_eq!(metrics.get("gateway_fleet_failures_total"), 0.0);

    // Whom nobody vouches for is told nothing.
    let other = Authority::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let stranger = other.write_root(elsewhere.path());
    let gateway = Gateway::start(setup(&redis, &upstream, fleet(&stranger))).await;
    let said = gateway
        .errors
        .find("nobody vouches for it", |line| {
            line.contains("does not answer").then(|| line.to_owned())
        })
        .await;
    assert!(
        said.contains("certificate") && !said.contains("secret"),
        "{said}"
    );
    assert_eq!(gateway.metrics().await.get("gateway_fleet_reached"), 0.0);
}

struct Pair {
    gateways: Vec<Gateway>,
    clients: Vec<Client>,
}

impl Pair {
    async fn start(redis: &Redis, upstream: &Upstream, fleet: Value) -> Self {
        let (mut gateways, mut clients) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            let gateway = Gateway::start(setup(redis, upstream, fleet.clone())).await;
            let order = json!({
                "order": "create", "plans": ["gold"], "disabled": false, "id": KEY, "value": VALUE,
            });
            let made = gateway
                .admin(&json!({"do": "key_order", "order": order}).to_string())
                .await;
            assert_eq!(made["made"], json!([KEY]), "{made}");
            clients.push(Client::http1(gateway.address().await).await);
            gateways.push(gateway);
        }
        Self { gateways, clients }
    }

    /// Requests by turns until both gateways have refused some in a row; how many were admitted by each.
    async fn exhaust(&self, host: &str, path: &str, who: &str) -> [u64; 2] {
        let mut admitted = [0; 2];
        let mut refused = 0;
        while refused < 6 {
            for (client, admitted) in self.clients.iter().zip(&mut admitted) {
                let headers = [("host", host), ("x-who", who), ("x-api-key", VALUE)];
                let answer = client.get_with(path, &headers).await;
                match answer.status {
                    200 => (*admitted, refused) = (*admitted + 1, 0),
                    429 => {
                        refused += 1;
                        assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
                    }
                    other => panic!("{other}: {}", answer.text()),
                }
                // What was asked for comes meanwhile: nobody waits for it.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        admitted
    }
}

fn redis(program: &Path) -> Redis {
    Redis::start(program, &[])
}

#[tokio::test]
async fn two_gateways_admit_what_one_limit_does() {
    let Some(program) = program("redis-server") else {
        return;
    };
    let (redis, upstream) = (redis(&program), Upstream::echo().await);
    let pair = Pair::start(&redis, &upstream, json!({})).await;
    for (host, path, who, limit) in [
        ("rest.test", "/prod/a", "", 40_u64),
        ("http.test", "/each", "one", 20),
        ("http.test", "/each", "two", 20),
        ("http.test", "/all", "", 30),
    ] {
        let admitted = pair.exhaust(host, path, who).await;
        let sum: u64 = admitted.iter().sum();
        assert!(
            admitted.iter().all(|&count| count > limit / 4),
            "{path}: {admitted:?}"
        );
        // Nobody tells anything of the other before it is asked: a credit of each.
        assert!(
            (limit..=limit + 2).contains(&sum),
            "{path}: {admitted:?} of {limit}"
        );
    }
    // What is kept is called what it is of; and no header of a caller stands there.
    let keys = redis.ask(&["keys", "*"]);
    assert!(
        keys.contains("gateway:{key k81h2j3m4n quota gold}"),
        "{keys}"
    );
    assert!(
        keys.contains("gateway:{route http $default GET /all}"),
        "{keys}"
    );
    assert!(!keys.contains("one}") && !keys.contains(VALUE), "{keys}");
    let metrics = pair.gateways[0].metrics().await;
    assert_eq!(metrics.get("gateway_fleet_reached"), 1.0);
    assert!(metrics.get("gateway_fleet_taken_requests_total") > 20.0);
    assert_eq!(metrics.get("gateway_fleet_lost_requests_total"), 0.0);
}

#[tokio::test]
async fn what_is_left_of_a_quota_is_said_to_all_gateways_at_once() {
    let Some(program) = program("redis-server") else {
        return;
    };
    let (redis, upstream) = (redis(&program), Upstream::echo().await);
    let pair = Pair::start(&redis, &upstream, json!({})).await;
    let spent: u64 = pair.exhaust("rest.test", "/prod/a", "").await.iter().sum();
    assert!((40..=42).contains(&spent), "{spent}");
    let order = json!({"do": "usage_set_remaining", "plan": "gold", "key": KEY, "remaining": 10});
    let said = pair.gateways[1].admin(&order.to_string()).await;
    assert!(said.to_string().contains("10 requests left"), "{said}");
    // The other one asks again within a second.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let more: u64 = pair.exhaust("rest.test", "/prod/a", "").await.iter().sum();
    assert!((10..=12).contains(&more), "{more}");
}

#[tokio::test]
async fn without_redis_each_gateway_has_its_share_and_says_so_until_it_is_back() {
    let Some(program) = program("redis-server") else {
        return;
    };
    let (mut redis, upstream) = (redis(&program), Upstream::echo().await);
    let pair = Pair::start(&redis, &upstream, json!({"timeout": "200ms"})).await;
    redis.kill();
    for gateway in &pair.gateways {
        gateway
            .errors
            .find("Redis has gone", |line| {
                line.contains("fleet.unreachable").then_some(())
            })
            .await;
    }
    // 40, 20 and 30 of all are 20, 10 and 15 of each; the first request of a limit is a credit.
    for (host, path, share) in [
        ("rest.test", "/prod/a", 20_u64),
        ("http.test", "/each", 10),
        ("http.test", "/all", 15),
    ] {
        let admitted = pair.exhaust(host, path, "one").await;
        for count in admitted {
            assert!((share..=share + 1).contains(&count), "{path}: {admitted:?}");
        }
    }
    let metrics = pair.gateways[0].metrics().await;
    assert_eq!(metrics.get("gateway_fleet_reached"), 0.0);
    assert!(metrics.get("gateway_fleet_share_requests_total") >= 40.0);
    redis.again();
    for gateway in &pair.gateways {
        gateway
            .metrics_when("Redis is back", |metrics| {
                metrics.get("gateway_fleet_reached") == 1.0
            })
            .await;
    }
    let more: u64 = pair
        .exhaust("http.test", "/each", "late")
        .await
        .iter()
        .sum();
    assert!((20..=22).contains(&more), "{more}");
}

#[tokio::test]
async fn a_gateway_that_is_told_to_refuses_what_it_cannot_ask_about() {
    let Some(program) = program("redis-server") else {
        return;
    };
    let (mut redis, upstream) = (redis(&program), Upstream::echo().await);
    redis.kill();
    let pair = Pair::start(
        &redis,
        &upstream,
        json!({"unreachable": "refuse", "timeout": "200ms"}),
    )
    .await;
    let admitted = pair.exhaust("http.test", "/all", "").await;
    // A credit each, before it is known.
    assert!(admitted.iter().all(|&count| count <= 1), "{admitted:?}");
}
