//! A new configuration takes effect whole, or not at all.

use gateway_tests::authority::Authority;
use gateway_tests::client::{Client, HOST_NAME, get, tls};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use rustix::process::Signal;
use serde_json::json;

use std::sync::Arc;

fn route(setup: &mut Setup, key: &str) {
    let route = json!({"authorizer": "none", "integration": {"upstream": "main"}});
    setup.change(&["apis", "main", "routes", key], route);
}

async fn only_a(upstream: &Upstream) -> Gateway {
    let setup = Setup::new()
        .upstream("main", upstream.address)
        .route("GET /a", json!({}));
    Gateway::start(setup).await
}

#[tokio::test]
async fn a_hangup_reloads() {
    let upstream = Upstream::echo().await;
    let mut gateway = only_a(&upstream).await;
    let client = Client::http1(gateway.address().await).await;
    assert_eq!(client.get("/b").await.status, 404);
    route(gateway.setup(), "GET /b");
    drop(gateway.setup().write());
    gateway.signal(Signal::HUP);
    gateway
        .metrics_when("a reload", |m| m.get("gateway_snapshot_generation") == 2.0)
        .await;
    assert_eq!(
        client.get("/b").await.status,
        200,
        "on the connection that was open"
    );
}

#[tokio::test]
async fn what_probably_should_change_is_logged_once_by_each_reload() {
    let upstream = Upstream::echo().await;
    let mut gateway = only_a(&upstream).await;
    let tls = json!({"insecure_skip_verification": true});
    let untrusting = json!({"url": "https://localhost:1", "tls": tls});
    gateway.setup().change(&["upstreams", "other"], untrusting);
    for count in 1..=2 {
        drop(gateway.setup().write());
        assert_eq!(gateway.reload().await["answer"], "done");
        let done = format!("configuration reloaded, generation {}", count + 1);
        let is_done = |line: &str| line.contains(&done).then_some(());
        gateway.errors.find("the end of a reload", is_done).await;
        let lines = gateway.errors.all();
        let warned = lines.iter().filter(|line| {
            line.contains("WARN") && line.contains("upstreams.other.tls.insecure_skip_verification")
        });
        assert_eq!(warned.count(), count, "{lines:#?}");
    }
    // What is refused says why, and nothing besides.
    gateway.setup().change(&["upstreams", "third"], json!({}));
    drop(gateway.setup().write());
    assert_eq!(gateway.reload().await["answer"], "refused");
    let is_refused = |line: &str| line.contains("reload refused").then_some(());
    gateway.errors.find("a refusal", is_refused).await;
    let lines = gateway.errors.all();
    let warned = lines.iter().filter(|line| line.contains("nobody vouches"));
    assert_eq!(warned.count(), 2, "{lines:#?}");
}

#[tokio::test]
async fn what_cannot_take_effect_changes_nothing() {
    let upstream = Upstream::echo().await;
    let mut gateway = only_a(&upstream).await;
    let client = Client::http1(gateway.address().await).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let missing = json!({"chain": "none.pem", "key": "none.key"});
    let route_a = ["apis", "main", "routes", "GET /a"];
    let within = |keys: &[&'static str]| [&route_a, keys].concat();
    let more = vec!["listeners", "more"];
    let secured = json!({"address": "127.0.0.1:0", "tls": {"certificates": [missing]}});
    let taken = json!({"address": taken.local_addr().unwrap().to_string()});
    let rows = [
        (
            vec!["apis", "main", "routs"],
            json!({}),
            "did you mean `routes`",
        ),
        (within(&["authorizer"]), json!("nobody"), "nobody"),
        (
            within(&["integration", "upstream"]),
            json!("nobody"),
            "nobody",
        ),
        (more.clone(), secured, "none.pem"),
        (more, taken, "another process listens"),
        (
            vec!["telemetry", "access_log"],
            json!("/proc/nowhere/log"),
            "access log",
        ),
    ];
    let before = std::fs::read_to_string(gateway.setup().write()).unwrap();
    for (path, value, told) in rows {
        route(gateway.setup(), "GET /b");
        gateway.setup().change(&path, value);
        let answer = gateway.reload().await;
        assert_eq!(answer["answer"], "refused", "{told}");
        assert!(
            answer["message"].as_str().unwrap().contains(told),
            "{told}: {answer}"
        );
        assert_eq!(client.get("/b").await.status, 404, "{told}");
        assert_eq!(client.get("/a").await.status, 200, "{told}");
        gateway.setup().restore(&before);
    }
    let metrics = gateway.metrics().await;
    assert_eq!(
        metrics.get("gateway_reloads_total{outcome=\"failed\"}"),
        6.0
    );
    assert_eq!(metrics.get("gateway_snapshot_generation"), 1.0);
    assert_eq!(gateway.reload().await["answer"], "done");
}

#[tokio::test]
async fn errors_name_their_place() {
    let upstream = Upstream::echo().await;
    let mut gateway = only_a(&upstream).await;
    gateway.setup().change(
        &["apis", "main", "routes", "GET /a", "authorizer"],
        json!("nobody"),
    );
    let answer = gateway.reload().await;
    let message = answer["message"].as_str().unwrap();
    let place = message.split_once("gateway.yaml:").expect(message).1;
    let line = place
        .split(':')
        .next()
        .unwrap()
        .parse::<u32>()
        .expect("a line");
    let column = place
        .split(':')
        .nth(1)
        .unwrap()
        .parse::<u32>()
        .expect("a column");
    assert!(line > 1 && column > 1, "{message}");
}

#[tokio::test]
async fn settings_that_need_a_restart_are_named() {
    let upstream = Upstream::echo().await;
    let mut gateway = only_a(&upstream).await;
    route(gateway.setup(), "GET /b");
    gateway.setup().change(&["workers"], json!(1));
    gateway
        .setup()
        .change(&["admin", "socket"], json!("elsewhere.sock"));
    let answer = gateway.reload().await;
    let message = answer["message"].as_str().unwrap();
    assert!(
        message.contains("workers, admin.socket can only change with a restart"),
        "{message}"
    );
    let client = Client::http1(gateway.address().await).await;
    assert_eq!(client.get("/b").await.status, 404);
}

#[tokio::test]
async fn listeners_come_and_go() {
    let upstream = Upstream::echo().await;
    let mut gateway = Gateway::start(Setup::forwarding(upstream.address)).await;
    let first = gateway.address().await;
    let kept = Client::http1(first).await;
    assert_eq!(kept.get("/").await.status, 200);
    gateway
        .setup()
        .change(&["listeners", "more", "address"], json!("127.0.0.1:0"));
    assert_eq!(gateway.reload().await["answer"], "done");
    let second = gateway.listener("more").await;
    assert_eq!(Client::http1(second).await.get("/").await.status, 200);
    gateway.setup().remove(&["listeners", "main"]);
    assert_eq!(gateway.reload().await["answer"], "done");
    gateway_tests::wait::until("its end", || async {
        tokio::net::TcpStream::connect(first)
            .await
            .is_err()
            .then_some(())
    })
    .await;
    assert_eq!(Client::http1(second).await.get("/").await.status, 200);
}

#[tokio::test]
async fn a_request_under_way_is_not_disturbed() {
    let (upstream, go) = Upstream::gated().await;
    let mut gateway = Gateway::start(Setup::forwarding(upstream.address)).await;
    let client = Client::http1(gateway.address().await).await;
    let call = tokio::spawn(async move { client.get("/long").await });
    upstream.when("the call", |seen| seen.requests == 1).await;
    // Its route, its listener and its upstream all go.
    let other = Upstream::echo().await;
    gateway.setup().change(
        &["upstreams"],
        json!({"other": {"url": format!("http://{}", other.address)}}),
    );
    let routes = json!({"GET /new": {"authorizer": "none", "integration": {"upstream": "other"}}});
    gateway.setup().change(&["apis", "main", "routes"], routes);
    gateway
        .setup()
        .change(&["listeners"], json!({"more": {"address": "127.0.0.1:0"}}));
    assert_eq!(gateway.reload().await["answer"], "done");
    go.add_permits(1);
    let answer = call.await.unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, "whole"));
    assert_eq!(gateway.path("/long").await["route"], "$default");
}

#[tokio::test]
async fn certificates_are_swapped_in_place() {
    let (upstream, authority) = (Upstream::echo().await, Authority::new());
    let setup = Setup::forwarding(upstream.address);
    let old = authority.write_certificate(setup.directory(), "api", &["old.test"]);
    let mut gateway = Gateway::start(setup.listener("tls", json!({"certificates": [old]}))).await;
    let address = gateway.address().await;
    let client = authority.client(&["http/1.1"]);
    assert!(tls(address, &client, HOST_NAME).await.is_err());
    // The same files, renewed.
    drop(authority.write_certificate(gateway.setup().directory(), "api", &[HOST_NAME]));
    assert!(
        tls(address, &client, HOST_NAME).await.is_err(),
        "not before the reload"
    );
    assert_eq!(gateway.reload().await["answer"], "done");
    assert_eq!(
        Client::tls(address, &client).await.get("/").await.status,
        200
    );
    // A key that is not the certificate's is refused, and the renewed one stays.
    let stranger =
        Authority::new().write_certificate(gateway.setup().directory(), "stranger", &[HOST_NAME]);
    let key = gateway.setup().directory().join("api.key");
    std::fs::copy(stranger["key"].as_str().unwrap(), key).unwrap();
    let answer = gateway.reload().await;
    assert!(
        answer["message"]
            .as_str()
            .unwrap()
            .contains("this key does not belong to the first certificate"),
        "{answer}"
    );
    assert_eq!(
        Client::tls(address, &client).await.get("/").await.status,
        200
    );
}

#[tokio::test]
async fn an_authorizer_that_appears_guards_at_once() {
    let upstream = Upstream::echo().await;
    let key = gateway_tests::issuer::Key::ec("key");
    let setup =
        gateway_tests::issuer::authorize(Setup::new().upstream("main", upstream.address), &[&key])
            .route("GET /a", json!({}));
    let mut gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    assert_eq!(client.get("/a").await.status, 200);
    gateway.setup().change(
        &["apis", "main", "routes", "GET /a", "authorizer"],
        json!("main"),
    );
    assert_eq!(gateway.reload().await["answer"], "done");
    assert_eq!(
        client.get("/a").await.status,
        401,
        "on the connection that was open"
    );
    // A decision made under an audience that is gone is gone too.
    let token = key.token(&gateway_tests::issuer::claims(json!({})));
    let headers = [("authorization", token.as_str())];
    assert_eq!(client.get_with("/a", &headers).await.status, 200);
    gateway
        .setup()
        .change(&["authorizers", "main", "audiences"], json!(["cats"]));
    assert_eq!(gateway.reload().await["answer"], "done");
    assert_eq!(client.get_with("/a", &headers).await.status, 401);
    assert!(client.try_send(get("/b")).await.is_ok());
}

#[tokio::test]
async fn reloads_under_load_lose_no_request() {
    let upstream = Upstream::echo().await;
    let mut gateway = Gateway::start(Setup::forwarding(upstream.address)).await;
    let address = gateway.address().await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..6 {
        let stopped = stopped.clone();
        clients.spawn(async move {
            let mut sent = 0_u32;
            let mut client = Client::http1(address).await;
            while !*stopped.borrow() {
                if number % 2 == 0 {
                    client = Client::http2(address).await;
                }
                assert_eq!(client.get("/flow").await.status, 200);
                sent += 1;
            }
            sent
        });
    }
    for round in 0..10 {
        upstream
            .when("a flow", |seen| seen.requests >= 20 * (round + 1))
            .await;
        route(gateway.setup(), &format!("GET /round/{round}"));
        assert_eq!(gateway.reload().await["answer"], "done");
    }
    stop.send_replace(true);
    let sent: u32 = clients.join_all().await.iter().sum();
    let records = gateway.all_records().await;
    assert_eq!(records.len(), usize::try_from(sent).unwrap());
    assert!(records.iter().all(|record| record["status"] == 200));
}

#[tokio::test]
async fn an_access_log_that_was_moved_away_is_opened_anew() {
    let upstream = Upstream::echo().await;
    let setup = Setup::forwarding(upstream.address);
    let (log, moved) = (
        setup.directory().join("access.log"),
        setup.directory().join("access.log.1"),
    );
    let setup = setup.set(&["telemetry", "access_log"], json!(log));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let written = |file: std::path::PathBuf, path: &'static str| async move {
        gateway_tests::wait::until(path, || async {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            text.contains(path).then_some(())
        })
        .await;
    };
    client.get("/before").await;
    written(log.clone(), "/before").await;
    std::fs::rename(&log, &moved).unwrap();
    client.get("/between").await;
    written(moved.clone(), "/between").await;
    assert_eq!(gateway.reload().await["answer"], "done");
    client.get("/after").await;
    written(log, "/after").await;
    assert!(!std::fs::read_to_string(moved).unwrap().contains("/after"));
}

/// Waits until `client` can send no more. What it sent before that was refused.
async fn cut_off(client: &Client) {
    gateway_tests::wait::until("the connection's end", || async {
        match client.try_send(get("/late")).await {
            Ok(answer) => {
                assert_eq!(answer.status, 421, "{answer:?}");
                None
            }
            Err(_closed) => Some(()),
        }
    })
    .await;
}

#[tokio::test]
async fn connections_in_plaintext_end_once_their_listener_has_tls() {
    let authority = Authority::new();
    for address in [None, Some("127.0.0.2:0")] {
        let (upstream, go) = Upstream::gated().await;
        let mut gateway = Gateway::start(Setup::forwarding(upstream.address)).await;
        let plain = gateway.address().await;
        let idle = [Client::http1(plain).await, Client::http2(plain).await];
        for client in &idle {
            assert_eq!(client.get("/early").await.status, 200);
        }
        let busy = [
            Arc::new(Client::http1(plain).await),
            Arc::new(Client::http2(plain).await),
        ];
        let calls = busy.each_ref().map(|client| {
            let client = Arc::clone(client);
            tokio::spawn(async move { client.get("/long").await })
        });
        upstream.when("the calls", |seen| seen.requests == 4).await;
        let certificate =
            authority.write_certificate(gateway.setup().directory(), "api", &[HOST_NAME]);
        let tls = json!({"certificates": [certificate]});
        let main = ["listeners", "main"];
        gateway.setup().change(&[&main[..], &["tls"]].concat(), tls);
        if let Some(address) = address {
            let path = [&main[..], &["address"]].concat();
            gateway.setup().change(&path, json!(address));
        }
        assert_eq!(gateway.reload().await["answer"], "done");
        for client in &idle {
            cut_off(client).await;
        }
        go.add_permits(2);
        for call in calls {
            let answer = call.await.unwrap();
            assert_eq!((answer.status, answer.text().as_str()), (200, "whole"));
        }
        for client in &busy {
            cut_off(client).await;
        }
        assert_eq!(upstream.seen().requests, 4);
        if address.is_none() {
            let secured = Client::tls(plain, &authority.client(&["http/1.1"])).await;
            assert_eq!(secured.get("/early").await.status, 200);
        }
    }
}

#[tokio::test]
async fn connections_of_a_listener_that_moves_or_goes_end_in_order() {
    let authority = Authority::new();
    for is_moved in [true, false] {
        let (upstream, go) = Upstream::gated().await;
        let mut setup = Setup::forwarding(upstream.address);
        let certificate = authority.write_certificate(setup.directory(), "api", &[HOST_NAME]);
        let tls = json!({"certificates": [certificate]});
        setup.change(
            &["listeners", "safe"],
            json!({"address": "127.0.0.1:0", "tls": tls}),
        );
        setup.change(&["listeners", "more", "address"], json!("127.0.0.1:0"));
        let mut gateway = Gateway::start(setup).await;
        let (plain, safe) = (gateway.address().await, gateway.listener("safe").await);
        let kept = Client::http2(gateway.listener("more").await).await;
        assert_eq!(kept.get("/early").await.status, 200);
        let clients = [
            Client::http1(plain).await,
            Client::http2(plain).await,
            Client::tls(safe, &authority.client(&["h2"])).await,
        ];
        let clients = clients.map(Arc::new);
        for client in &clients {
            assert_eq!(client.get("/early").await.status, 200);
        }
        let busy = Arc::new(Client::http2(plain).await);
        let calls = [&busy, &clients[0]].map(|client| {
            let client = Arc::clone(client);
            tokio::spawn(async move { client.get("/long").await })
        });
        upstream.when("the calls", |seen| seen.requests == 6).await;
        for name in ["main", "safe"] {
            if is_moved {
                let path = ["listeners", name, "address"];
                gateway.setup().change(&path, json!("127.0.0.2:0"));
            } else {
                gateway.setup().remove(&["listeners", name]);
            }
        }
        assert_eq!(gateway.reload().await["answer"], "done");
        for client in &clients[1..] {
            ended(client).await;
        }
        go.add_permits(2);
        for call in calls {
            let answer = call.await.unwrap();
            assert_eq!((answer.status, answer.text().as_str()), (200, "whole"));
        }
        for client in [&busy, &clients[0]] {
            ended(client).await;
        }
        assert_eq!(kept.get("/kept").await.status, 200);
    }
}

/// Waits until `client` can send no more.
async fn ended(client: &Client) {
    gateway_tests::wait::until("the connection's end", || async {
        client.try_send(get("/late")).await.is_err().then_some(())
    })
    .await;
}
