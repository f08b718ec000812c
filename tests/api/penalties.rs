//! What becomes of callers who go on although they were told to wait, or show tokens that are forged.

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

use gateway_tests::abuse::{ask, hammer, limited, not_signed, penalties, strays};
use gateway_tests::client::{Client, get, with};
use gateway_tests::command::{ask as ask_command, refused, told};
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::{Key, KeyServer, claims};
use gateway_tests::setup::Setup;
use gateway_tests::site::Site;
use gateway_tests::upstream::Upstream;
use gateway_tests::wait::{until, within};
use serde_json::{Value, json};

/// Penalties that come soon and end soon, and a route that anybody may call.
fn setup(setup: Setup, mode: &str) -> Setup {
    let penalties =
        json!({"mode": mode, "offences": {"rate": 0.1, "burst": 2}, "first": "6s", "most": "6s"});
    limited(setup, penalties).route("GET /open", json!({}))
}

/// Penalties that no test sees the end of.
fn long_lasting(setup: Setup) -> Setup {
    let penalties = json!({
        "mode": "enforce", "offences": {"rate": 0.1, "burst": 2}, "first": "5m", "most": "5m",
        "trickle": {"rate": 0.001, "burst": 3},
    });
    limited(setup, penalties).route("GET /open", json!({}))
}

async fn site(mode: &str) -> (Site, SocketAddr) {
    let site = Site::start(|new| setup(new, mode)).await;
    let address = site.gateway.address().await;
    (site, address)
}

/// Whether a request comes through from this source.
async fn gets_in(source: &str, address: SocketAddr) -> bool {
    let Ok(stream) = tokio::time::timeout(
        std::time::Duration::from_secs(5),
        gateway_tests::client::connect_from(source, address),
    )
    .await
    else {
        return false;
    };
    let client = Client::http1_over(stream).await;
    let answer = client.try_send(get("/open")).await;
    answer.is_ok_and(|answer| answer.status == 200)
}

/// Whether no more comes through from this source than the few connections that its trickle leaves it.
async fn is_shut_out(source: &str, address: SocketAddr) -> bool {
    for _ in 0..10 {
        if !gets_in(source, address).await {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn whoever_goes_on_is_slowed_then_cut_off_and_comes_back_when_it_is_over() {
    let (site, address) = site("enforce").await;
    let abuser = site.bearer(json!({"sub": "abuser"}));
    let client = Client::http1_from("127.0.0.7", address).await;
    let honest = Client::http1_from("127.0.0.8", address).await;
    let statuses = hammer(&client, &abuser).await;
    assert!(
        statuses.iter().all(|status| [200, 429].contains(status)),
        "{statuses:?}"
    );
    let record = site
        .gateway
        .record("the cut", |record| record["penalty"] == "cut");
    assert_eq!(record.await["subject"], "abuser");
    let steps = penalties(&site.gateway);
    assert_eq!(steps, ["slowed", "cut"]);
    site.gateway
        .record("the connection's end", |record| {
            record["reason"] == "penalised"
        })
        .await;
    // Others elsewhere see nothing of it, and the source itself is let in again.
    assert!(is_shut_out("127.0.0.7", address).await);
    let other = site.bearer(json!({"sub": "other"}));
    assert_eq!(ask(&honest, "/limited", &other).await.unwrap().status, 200);
    until("the source is let in", || async {
        gets_in("127.0.0.7", address).await.then_some(())
    })
    .await;
    let metrics = site.gateway.metrics().await;
    assert_eq!(
        metrics.get("gateway_connections_total{event=\"penalised\"}"),
        1.0
    );
}

#[tokio::test]
async fn whoever_comes_anew_for_each_request_and_closes_is_cut_off_as_well() {
    let site = Site::start(long_lasting).await;
    let address = site.gateway.address().await;
    let abuser = site.bearer(json!({"sub": "abuser"}));
    let asked = [("authorization", &*abuser), ("connection", "close")];
    let goes_on = async {
        loop {
            let stream = gateway_tests::client::connect_from("127.0.0.7", address).await;
            let client = Client::http1_over(stream).await;
            let answer = client.try_send(with(get("/limited"), &asked)).await;
            if let Ok(answer) = answer {
                assert!([200, 429].contains(&answer.status));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let is_cut = |record: &Value| record["reason"] == "penalised";
    tokio::select! {
        () = goes_on => {}
        record = site.gateway.record("its end", is_cut) => assert_eq!(record["kind"], "connection"),
    }
    assert!(is_shut_out("127.0.0.7", address).await);
}

#[tokio::test]
async fn a_neighbour_who_waits_as_it_is_told_is_not_blamed_for_whom_a_limit_of_their_source_refuses()
 {
    let limit = json!([{"key": "$context.identity.sourceIp", "rate": 0.5, "burst": 1}]);
    let further = |new| {
        long_lasting(new).set(
            &["apis", "main", "routes", "GET /limited", "caller_throttles"],
            limit,
        )
    };
    let site = Site::start(further).await;
    let address = site.gateway.address().await;
    let [abuser, honest] = ["abuser", "honest"].map(|subject| site.bearer(json!({"sub": subject})));
    let (beside, client) = (
        Client::http1_from("127.0.0.7", address).await,
        Client::http1_from("127.0.0.7", address).await,
    );
    // Its connection is told by whom it was admitted for.
    assert_eq!(ask(&client, "/limited", &abuser).await.unwrap().status, 200);
    let is_cut = |record: &Value| record["penalty"] == "cut";
    let penalised = async {
        tokio::join!(
            hammer(&client, &abuser),
            site.gateway.record("a cut", is_cut)
        )
    };
    let mut penalised = std::pin::pin!(penalised);
    let mut rounds_left = 3;
    let mut is_over = false;
    while rounds_left > 0 {
        let answer = within("an answer", ask(&beside, "/limited", &honest)).await;
        let answer = answer.expect("its connection stays");
        let wait: u64 = match answer.status {
            200 => 2,
            status => {
                assert_eq!(status, 429);
                answer.header("retry-after").parse().unwrap()
            }
        };
        let waits = tokio::time::sleep(Duration::from_millis(wait * 1_000 + 100));
        let mut waits = std::pin::pin!(waits);
        loop {
            tokio::select! {
                _ = &mut penalised, if !is_over => is_over = true,
                () = &mut waits => break,
            }
        }
        rounds_left -= u32::from(is_over);
    }
}

#[tokio::test]
async fn a_key_that_behaves_sees_nothing_of_one_that_does_not_at_its_address() {
    let (site, address) = site("enforce").await;
    let (abuser, honest) = (
        site.bearer(json!({"sub": "abuser"})),
        site.bearer(json!({"sub": "honest"})),
    );
    let beside = Client::http1_from("127.0.0.7", address).await;
    assert_eq!(ask(&beside, "/limited", &honest).await.unwrap().status, 200);
    let client = Client::http1_from("127.0.0.7", address).await;
    let hammering = hammer(&client, &abuser);
    let held = site
        .gateway
        .record("a hold", |record| record["penalty"] == "held");
    tokio::select! {
        statuses = hammering => panic!("it was cut: {statuses:?}"),
        record = held => assert_eq!(record["subject"], "abuser"),
    }
    // Over its own connection and over new ones.
    let answer = ask(&beside, "/open", &honest).await.unwrap();
    assert_eq!(answer.status, 200);
    for _ in 0..20 {
        assert!(gets_in("127.0.0.7", address).await);
    }
    assert!(!penalties(&site.gateway).contains(&"cut".to_owned()));
}

#[tokio::test]
async fn a_neighbour_nobody_has_seen_yet_comes_in_by_the_trickle_and_shows_itself() {
    let site = Site::start(long_lasting).await;
    let address = site.gateway.address().await;
    let [abuser, honest] = ["abuser", "honest"].map(|subject| site.bearer(json!({"sub": subject})));
    let source = "127.0.0.7";
    drop(hammer(&Client::http1_from(source, address).await, &abuser).await);
    let cut = |record: &Value| record["penalty"] == "cut";
    drop(site.gateway.record("the cut", cut).await);
    let neighbour = Client::http1_from(source, address).await;
    let answer = ask(&neighbour, "/limited", &honest).await;
    assert_eq!(answer.unwrap().status, 200);
    // From now on the address is one that others share.
    let again = Client::http1_from(source, address).await;
    let is_held = |record: &Value| record["penalty"] == "held";
    tokio::select! {
        statuses = hammer(&again, &abuser) => panic!("it was cut: {statuses:?}"),
        record = site.gateway.record("a hold", is_held) => assert_eq!(record["subject"], "abuser"),
    }
    assert!(gets_in(source, address).await);
    // That was the last of it.
    assert!(!gets_in(source, address).await);
    let answer = ask(&neighbour, "/open", &honest).await;
    assert_eq!(answer.unwrap().status, 200);
}

#[tokio::test]
async fn offences_use_up_the_connections_of_a_shared_address_but_the_last() {
    const EVERY: Duration = Duration::from_secs(5);
    let connections = json!({"rate": 0.2, "burst": 130});
    let further = |new| long_lasting(new).set(&["xdp", "connections_per_source"], connections);
    let site = Site::start(further).await;
    let address = site.gateway.address().await;
    let source = "127.0.0.7";
    let honest = site.bearer(json!({"sub": "honest"}));
    let beside = Client::http1_from(source, address).await;
    let answer = ask(&beside, "/limited", &honest).await;
    assert_eq!(answer.unwrap().status, 200);
    let bearer = not_signed("ec", "victim");
    // Two cost nothing, and each further one as much as fifty connections. Its connection is not read then.
    let began = tokio::time::Instant::now();
    let mut forgers = Vec::new();
    for refused in [3, 1, 1] {
        let forger = Client::http1_from(source, address).await;
        for _ in 0..refused {
            let answer = ask(&forger, "/limited", &bearer).await;
            assert_eq!(answer.unwrap().status, 401);
        }
        forgers.push(forger);
    }
    // What is left is one, and what is refilled.
    let mut came_in = 0;
    while gets_in(source, address).await {
        came_in += 1;
    }
    let refilled = began.elapsed().as_secs() / EVERY.as_secs() + 1;
    assert!((1..=1 + refilled).contains(&came_in), "{came_in}");
    until("the next one to come in", || async {
        gets_in(source, address).await.then_some(())
    })
    .await;
    let answer = ask(&beside, "/open", &honest).await;
    assert_eq!(answer.unwrap().status, 200);
}

#[tokio::test]
async fn what_is_only_monitored_penalises_nobody_and_is_told() {
    let connections = json!({"rate": 0.001, "burst": 9});
    let further = |new| setup(new, "monitor").set(&["xdp", "connections_per_source"], connections);
    let site = Site::start(further).await;
    let address = site.gateway.address().await;
    let abuser = site.bearer(json!({"sub": "abuser"}));
    let client = Client::http1_from("127.0.0.7", address).await;
    let told = |name: &'static str| {
        site.gateway
            .record(name, move |record| record["monitored"] == name)
    };
    tokio::select! {
        statuses = hammer(&client, &abuser) => panic!("it was cut: {statuses:?}"),
        () = async { told("slowed").await; told("cut").await; } => {}
    }
    // Nor is anything charged to its connections.
    for _ in 0..5 {
        assert!(gets_in("127.0.0.7", address).await);
    }
    assert_eq!(penalties(&site.gateway), Vec::<String>::new());
}

#[tokio::test]
async fn forged_tokens_are_their_senders_and_no_fault_of_whom_they_name() {
    let (site, address) = site("enforce").await;
    let victim = site.bearer(json!({"sub": "victim"}));
    let elsewhere = Client::http1_from("127.0.0.8", address).await;
    assert_eq!(
        ask(&elsewhere, "/limited", &victim).await.unwrap().status,
        200
    );
    let bearer = not_signed("ec", "victim");
    let client = Client::http1_from("127.0.0.7", address).await;
    let mut refused = 0;
    while let Some(answer) = ask(&client, "/limited", &bearer).await {
        assert_eq!(answer.status, 401);
        refused += 1;
        assert!(refused < 100, "it goes on and on");
    }
    let cut = |record: &serde_json::Value| record["penalty"] == "cut";
    drop(site.gateway.record("the cut", cut).await);
    assert_eq!(penalties(&site.gateway), ["slowed", "cut"]);
    assert!(is_shut_out("127.0.0.7", address).await);
    let answer = ask(&elsewhere, "/open", &victim).await.unwrap();
    assert_eq!(answer.status, 200);
    assert!(gets_in("127.0.0.8", address).await);
}

/// Offences of this kind so far.
async fn offences(gateway: &Gateway, reason: &str) -> f64 {
    let name = format!("gateway_offences_total{{reason=\"{reason}\"}}");
    gateway.metrics().await.get(&name)
}

#[tokio::test]
async fn tokens_of_keys_that_their_issuer_does_not_have_are_forged() {
    let (site, address) = site("enforce").await;
    let client = Client::http1_from("127.0.0.7", address).await;
    let mut refused = 0.0;
    loop {
        let bearer = not_signed(&format!("made up {refused}"), "victim");
        let Some(answer) = ask(&client, "/limited", &bearer).await else {
            break;
        };
        assert_eq!(answer.status, 401);
        refused += 1.0;
        assert!(refused < 100.0, "it goes on and on");
    }
    let cut = |record: &Value| record["penalty"] == "cut";
    let record = site.gateway.record("the cut", cut).await;
    assert_eq!(record["reason"], "token_unknown_key");
    assert_eq!(penalties(&site.gateway), ["slowed", "cut"]);
    // That with which it was cut has no answer.
    assert!(offences(&site.gateway, "forged_token").await >= refused);
    assert!(is_shut_out("127.0.0.7", address).await);
    assert!(gets_in("127.0.0.8", address).await);
}

/// A gateway that asks this issuer for keys.
async fn asking(issuer: &KeyServer) -> (Gateway, Upstream) {
    let upstream = Upstream::echo().await;
    let new = issuer.authorize(Setup::new().upstream("main", upstream.address));
    let gateway = Gateway::start(setup(new, "enforce")).await;
    (gateway, upstream)
}

#[tokio::test]
async fn keys_that_an_issuer_was_asked_for_and_does_not_have_are_made_up() {
    let issuer = KeyServer::start(&[&Key::ec("ec")]).await;
    let (gateway, _upstream) = asking(&issuer).await;
    let client = Client::http1_from("127.0.0.7", gateway.address().await).await;
    let bearer = not_signed("made up", "victim");
    while let Some(answer) = ask(&client, "/limited", &bearer).await {
        assert_eq!(answer.status, 401);
    }
    let cut = |record: &Value| record["penalty"] == "cut";
    let record = gateway.record("the cut", cut).await;
    assert_eq!(record["reason"], "token_unknown_key");
    assert_eq!(penalties(&gateway), ["slowed", "cut"]);
}

#[tokio::test]
async fn nobody_is_blamed_for_keys_of_an_issuer_that_cannot_be_asked() {
    /// Many more than offences that cost nothing.
    const CLIENTS: usize = 20;
    let key = Key::ec("ec");
    let issuer = KeyServer::start(&[&key]).await;
    let (gateway, _upstream) = asking(&issuer).await;
    let address = gateway.address().await;
    let known = key.bearer(json!({"sub": "honest"}));
    let client = Client::http1_from("127.0.0.7", address).await;
    assert_eq!(ask(&client, "/limited", &known).await.unwrap().status, 200);
    // It signs with another key, and publishes nothing any more.
    issuer.publish(None);
    let rotated: std::sync::Arc<str> = Key::ec("rotated").bearer(json!({})).into();
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let rotated = std::sync::Arc::clone(&rotated);
        asking.spawn(async move {
            let client = Client::http1_from("127.0.0.7", address).await;
            ask(&client, "/limited", &rotated).await.map(|it| it.status)
        });
    }
    for status in asking.join_all().await {
        assert_eq!(status, Some(401));
    }
    let record = gateway.reason("token_key_unavailable").await;
    assert_eq!(record["penalty"], Value::Null);
    assert_eq!(penalties(&gateway), Vec::<String>::new());
    assert!(offences(&gateway, "forged_token").await < 0.5);
    assert!(gets_in("127.0.0.7", address).await);
}

/// What a command about penalties says.
async fn said_of(gateway: &Gateway, word: &str) -> String {
    said(gateway, &["penalties", word]).await
}

/// What a command says.
async fn said(gateway: &Gateway, words: &[&str]) -> String {
    told(&ask_command(gateway, words).await)
}

#[tokio::test]
async fn operators_see_pardon_and_add_penalties() {
    let (site, address) = site("enforce").await;
    let gateway = &site.gateway;
    assert_eq!(
        said(gateway, &["penalties", "list"]).await,
        "nobody is penalised"
    );
    let words = ["penalties", "add", "127.0.0.7", "--for", "5m"];
    let answer = said(gateway, &words).await;
    assert_eq!(answer, "127.0.0.7 opens no new connection for 300 s");
    assert!(is_shut_out("127.0.0.7", address).await);
    assert!(gets_in("127.0.0.8", address).await);
    let listed = said(gateway, &["penalties", "list", "--json"]).await;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(
        (&listed[0]["source"], &listed[0]["step"]),
        (&json!("127.0.0.7"), &json!("cut"))
    );
    assert!(listed[0]["left_seconds"].as_u64() > Some(200), "{listed}");
    let pardoned = said(gateway, &["penalties", "pardon", "127.0.0.7"]).await;
    assert!(
        pardoned.contains("owes nothing, and nothing is remembered"),
        "{pardoned}"
    );
    assert!(gets_in("127.0.0.7", address).await);
    let nobody = said(gateway, &["penalties", "pardon", "127.0.0.9"]).await;
    assert!(
        nobody.starts_with("nothing was remembered of 127.0.0.9"),
        "{nobody}"
    );
    let refused = refused(&ask_command(gateway, &["penalties", "add", "::1", "--for", "1h"]).await);
    assert!(refused.contains("1 to 600 seconds"), "{refused}");

    let abuser = site.bearer(json!({"sub": "abuser"}));
    let client = Client::http1_from("127.0.0.7", address).await;
    drop(hammer(&client, &abuser).await);
    let table = said(gateway, &["penalties", "list"]).await;
    assert!(
        table.contains("cut") && table.ends_with("caller abuser"),
        "{table}"
    );
}

#[tokio::test]
async fn a_penalty_by_hand_says_what_comes_of_it_and_shortens_none() {
    let other = json!({"address": "127.0.0.1:0", "xdp": {"monitor": ["connection_rate"]}});
    let further = |new| {
        let setup = setup(new, "enforce").listener("trusted_proxies", json!(["127.0.0.9"]));
        let setup = setup.set(&["lists", "management"], json!(["127.0.0.20"]));
        setup.set(&["listeners", "other"], other)
    };
    let site = Site::start(further).await;
    let gateway = &site.gateway;
    let add = async |source, time| {
        ask_command(gateway, &["penalties", "add", source, "--for", time]).await
    };
    let line =
        json!({"do": "list_add", "list": "allow", "prefix": "127.0.0.21", "for_seconds": null});
    assert_eq!(gateway.admin(&line.to_string()).await["answer"], "done");
    for (source, list) in [
        ("127.0.0.20", "`lists.management`"),
        ("127.0.0.21", "`allow`"),
    ] {
        let answer = refused(&add(source, "1m").await);
        assert!(
            answer.contains("cannot be cut off") && answer.contains(list),
            "{answer}"
        );
    }
    let lets_in = "listener `other` lets it in: `connection_rate` is only monitored there";
    let answer = refused(&add("127.0.0.9", "1m").await);
    let proxy = "listener `main` lets it in: it is a proxy or balancer there";
    assert!(
        answer.contains(proxy) && answer.contains(lets_in),
        "{answer}"
    );
    assert_eq!(said_of(gateway, "list").await, "nobody is penalised");

    let answer = told(&add("127.0.0.7", "5m").await);
    let begins = "127.0.0.7 opens no new connection for 300 s; listener `other` lets it in";
    assert!(
        answer.starts_with(begins) && answer.contains(lets_in),
        "{answer}"
    );
    let answer = told(&add("127.0.0.7", "10s").await);
    assert!(
        answer.contains("it was cut off for longer already"),
        "{answer}"
    );
    let listed = said(gateway, &["penalties", "list", "--json"]).await;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert!(listed[0]["left_seconds"].as_u64() > Some(200), "{listed}");
    assert!(is_shut_out("127.0.0.7", gateway.address().await).await);
}

#[tokio::test]
async fn what_callers_call_themselves_says_nothing_to_terminals_of_operators() {
    let (site, address) = site("enforce").await;
    let named = format!("\u{1b}[2J{}", "x".repeat(500));
    let abuser = site.bearer(json!({"sub": named}));
    let client = Client::http1_from("127.0.0.7", address).await;
    drop(hammer(&client, &abuser).await);
    let listed = said_of(&site.gateway, "list").await;
    let shown = format!("caller \u{fffd}[2J{}", "x".repeat(122));
    assert!(listed.ends_with(&shown), "{listed}");
}

#[tokio::test]
async fn unknown_paths_expired_tokens_and_policies_never_leave_the_first_step() {
    let (site, address) = site("enforce").await;
    let expired = format!("Bearer {}", site.key.token(&claims(json!({"exp": 1_000}))));
    // What clients hold whose issuer has withdrawn its key.
    let withdrawn = Key::ec("withdrawn").bearer(json!({"exp": 1_000}));
    let client = Client::http1_from("127.0.0.7", address).await;
    for _ in 0..strays() {
        assert_eq!(ask(&client, "/nowhere", "").await.unwrap().status, 404);
        for bearer in [&*expired, &withdrawn, ""] {
            assert_eq!(ask(&client, "/limited", bearer).await.unwrap().status, 401);
        }
    }
    assert_eq!(penalties(&site.gateway), Vec::<String>::new());
    assert!(gets_in("127.0.0.7", address).await);
}

#[tokio::test]
async fn a_connection_that_is_held_is_let_go_when_its_source_is_pardoned() {
    let site = Site::start(long_lasting).await;
    let address = site.gateway.address().await;
    let (abuser, honest) = (
        site.bearer(json!({"sub": "abuser"})),
        site.bearer(json!({"sub": "honest"})),
    );
    let beside = Client::http1_from("127.0.0.7", address).await;
    assert_eq!(ask(&beside, "/limited", &honest).await.unwrap().status, 200);
    let client = Client::http1_from("127.0.0.7", address).await;
    let answers = Cell::new(0);
    let asks = async {
        while ask(&client, "/limited", &abuser).await.is_some() {
            answers.set(answers.get() + 1);
        }
    };
    let pardons = async {
        let is_held = |record: &Value| record["penalty"] == "held";
        drop(site.gateway.record("a hold", is_held).await);
        // The answer that it was held with may be on its way.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let known = answers.get();
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(answers.get(), known, "it is read");
        drop(said(&site.gateway, &["penalties", "pardon", "127.0.0.7"]).await);
        until("its requests to be read again", || async {
            (answers.get() > known + 2).then_some(())
        })
        .await;
    };
    tokio::select! {
        () = asks => panic!("it was cut"),
        () = pardons => {}
    }
}

#[tokio::test]
async fn a_connection_that_is_older_than_the_rules_is_penalised_by_them() {
    let (mut site, address) = site("off").await;
    let abuser = site.bearer(json!({"sub": "abuser"}));
    let client = Client::http1_from("127.0.0.7", address).await;
    assert_eq!(ask(&client, "/limited", &abuser).await.unwrap().status, 200);
    let mode = ["xdp", "penalties", "mode"];
    site.gateway.setup().change(&mode, json!("enforce"));
    assert_eq!(site.gateway.reload().await["answer"], "done");
    drop(hammer(&client, &abuser).await);
    let is_cut = |record: &Value| record["penalty"] == "cut";
    drop(site.gateway.record("the cut", is_cut).await);
    assert_eq!(penalties(&site.gateway), ["slowed", "cut"]);
}

#[tokio::test]
async fn offences_and_what_becomes_of_them_are_counted_by_reason_and_step() {
    let site = Site::start(long_lasting).await;
    let (gateway, address) = (&site.gateway, site.gateway.address().await);
    let client = Client::http1_from("127.0.0.7", address).await;
    let bearer = not_signed("ec", "victim");
    for _ in 0..3 {
        assert_eq!(ask(&client, "/limited", &bearer).await.unwrap().status, 401);
    }
    let client = Client::http1_from("127.0.0.8", address).await;
    drop(hammer(&client, &site.bearer(json!({"sub": "abuser"}))).await);

    let metrics = gateway
        .metrics_when("a cut", |it| it.connections("penalised") >= 1.0)
        .await;
    let offences =
        |reason: &str| metrics.get(&format!("gateway_offences_total{{reason=\"{reason}\"}}"));
    assert_eq!(
        [offences("forged_token"), offences("bad_signature")],
        [3.0, 0.0]
    );
    assert!(offences("overage") >= 4.0 && offences("unknown_key") < 0.5);
    let taken = |step: &str, mode: &str| {
        let labels = format!("step=\"{step}\",mode=\"{mode}\"");
        metrics.get(&format!("gateway_penalties_total{{{labels}}}"))
    };
    assert_eq!(
        [taken("slowed", "enforce"), taken("cut", "enforce")],
        [2.0, 1.0]
    );
    assert_eq!(
        [taken("held", "enforce"), taken("cut", "monitor")],
        [0.0, 0.0]
    );
    assert!((1.0..2.5).contains(&metrics.get("gateway_penalised_sources")));

    let stats: Value = serde_json::from_str(&said(gateway, &["stats", "--json"]).await).unwrap();
    let told = &stats["penalties"];
    assert_eq!(told["enforced"]["cut"], 1);
    assert!(told["offences"]["overage"].as_u64() >= Some(4), "{told}");
    let listed = told["penalties"].as_array().unwrap();
    assert!(
        listed.iter().any(|it| it["key"] == "caller abuser"),
        "{told}"
    );
    for words in [&["stats"][..], &["top", "--once", "--interval", "100ms"]] {
        let shown = said(gateway, words).await;
        for expected in ["cut 1", "slowed 2", "127.0.0.8", "caller abuser"] {
            assert!(shown.contains(expected), "`{expected}` is not in\n{shown}");
        }
    }
}
