//! Under attack on real packets: by hand, by the trip-wire, and who is vouched for.

use gateway_common::reason::{Reason, Verdict};
use gateway_tests::capability::or_skip;
use gateway_tests::gateway::Gateway;
use gateway_tests::netns::{CLIENT, OTHER, Site};
use gateway_tests::wait::until;
use serde_json::json;

/// A budget of two connections that does not refill while a test runs.
fn scarce() -> serde_json::Value {
    json!({"connections": {"rate": 0.001, "burst": 2}})
}

fn attack(site: &Site, gateway: &Gateway, action: &str) -> String {
    let config = gateway.config_path().display().to_string();
    site.succeed(&["attack", action, "--config", &config])
}

/// Whether the metrics call it an attack, and how many have begun.
async fn figures(site: &Site, gateway: &Gateway) -> (f64, f64) {
    let metrics = site.metrics(gateway).await;
    (
        metrics.get("gateway_edge_under_attack"),
        metrics.get("gateway_edge_attacks_total"),
    )
}

#[tokio::test]
async fn by_hand_newcomers_share_a_budget_while_vouched_sources_keep_going() {
    let Some(site) = or_skip(Site::new("hand").await) else {
        return;
    };
    let setup = site
        .setup()
        .set(&["xdp", "under_attack", "newcomers"], scarce());
    let mut gateway = site.start(setup).await;
    assert_eq!(figures(&site, &gateway).await, (0.0, 0.0));
    for (source, other) in CLIENT.into_iter().zip(OTHER) {
        // An authorized request vouches for its source; an open route and a refusal do not.
        assert_eq!(site.call(source, "/pets/1").await.status, 200);
        let client = site.client(other).await.unwrap();
        assert_eq!(client.get("/open").await.status, 200);
        assert_eq!(client.get("/pets/1").await.status, 401);
    }

    let said = attack(&site, &gateway, "on");
    assert!(said.starts_with("under attack until"), "{said}");
    assert_eq!(figures(&site, &gateway).await, (1.0, 1.0));
    let status = attack(&site, &gateway, "status");
    assert!(status.starts_with("under attack for"), "{status}");
    assert!(status.contains("decided by: hand (on)"), "{status}");
    let [four, six] = OTHER;
    assert!(site.reaches(four).await && site.reaches(six).await);
    for (source, other) in CLIENT.into_iter().zip(OTHER) {
        assert!(!site.reaches(other).await, "{other} is a newcomer");
        for _ in 0..4 {
            assert_eq!(site.call(source, "/pets/2").await.status, 200);
        }
    }
    assert!(
        site.counted()
            .packets(Verdict::Drop, Reason::NewcomerConnections)
            >= 2
    );

    // What was said by hand outlives a reload, and nothing else does.
    gateway
        .setup()
        .change(&["xdp", "under_attack", "hold"], json!("1s"));
    assert_eq!(gateway.reload().await["answer"], "done");
    assert_eq!(figures(&site, &gateway).await, (1.0, 1.0));
    assert!(!site.reaches(four).await);

    let said = attack(&site, &gateway, "off");
    assert!(said.starts_with("not under attack"), "{said}");
    assert!(site.reaches(four).await && site.reaches(six).await);
    let ended = gateway.errors.all();
    let ended = ended
        .iter()
        .find(|line| line.contains("no longer under attack"))
        .unwrap();
    for part in ["by_hand=true", "new_connections=", "most_in_one_second="] {
        assert!(ended.contains(part), "no {part} in {ended}");
    }

    // A restart hands it back to the trip-wire, which has no threshold here.
    drop(attack(&site, &gateway, "on"));
    let gateway = site.start(gateway.stop().await).await;
    until("the attack to be over", || async {
        (figures(&site, &gateway).await.0 == 0.0).then_some(())
    })
    .await;
    assert!(site.reaches(four).await);
    let status = attack(&site, &gateway, "status");
    assert!(
        status.contains("decided by: the trip-wire (auto)"),
        "{status}"
    );
    let said = attack(&site, &gateway, "auto");
    assert!(said.contains("no threshold is configured"), "{said}");
}

#[tokio::test]
async fn the_trip_wire_calls_it_an_attack_and_ends_it() {
    let Some(site) = or_skip(Site::new("wire").await) else {
        return;
    };
    let setup = site.setup().set(
        &["xdp", "under_attack"],
        json!({"syns_per_second": 30, "hold": "2s", "newcomers": scarce()}),
    );
    let gateway = site.start(setup).await;
    let [source, _] = CLIENT;
    let [other, _] = OTHER;
    assert_eq!(site.call(source, "/pets/1").await.status, 200);
    // A few connections are none.
    for _ in 0..5 {
        assert!(site.reaches(other).await);
    }
    assert_eq!(figures(&site, &gateway).await, (0.0, 0.0));

    // Many at once, as long as it takes: a slow machine spreads them.
    until("the wire to trip", || async {
        for _ in 0..60 {
            if !site.reaches(other).await {
                break;
            }
        }
        (figures(&site, &gateway).await.0 == 1.0).then_some(())
    })
    .await;
    let began = gateway
        .errors
        .find("the attack in the log", |line| {
            let is_it = line.contains("under attack: sources not vouched for");
            is_it.then(|| line.to_owned())
        })
        .await;
    assert!(began.contains("by_hand=false"), "{began}");
    let counted = began
        .split("new_connections_in_last_second=")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    assert!(counted.is_some_and(|syns| syns >= 30), "{began}");
    assert_eq!(site.call(source, "/pets/2").await.status, 200);

    gateway
        .errors
        .find("the end of the attack", |line| {
            line.contains("no longer under attack").then_some(())
        })
        .await;
    assert_eq!(figures(&site, &gateway).await, (0.0, 1.0));
    until("newcomers to be let in again", || async {
        site.reaches(other).await.then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_trusted_proxy_is_no_newcomer_and_is_not_vouched_for_by_what_it_forwards() {
    let Some(site) = or_skip(Site::new("proxy").await) else {
        return;
    };
    let [source, _] = CLIENT;
    let setup = site
        .setup()
        .set(&["xdp", "under_attack", "newcomers"], scarce())
        .set(&["listeners", "four", "trusted_proxies"], json!([source]));
    let mut gateway = site.start(setup).await;
    assert_eq!(site.call(source, "/pets/1").await.status, 200);
    drop(attack(&site, &gateway, "on"));
    for _ in 0..4 {
        assert!(site.reaches(source).await);
    }
    // A proxy no more, it is one of those who share what is left for newcomers.
    gateway
        .setup()
        .remove(&["listeners", "four", "trusted_proxies"]);
    assert_eq!(gateway.reload().await["answer"], "done");
    assert!(site.reaches(source).await && site.reaches(source).await);
    assert!(!site.reaches(source).await);
}

#[tokio::test]
async fn without_xdp_there_is_no_attack_to_speak_of() {
    let Some(site) = or_skip(Site::new("none").await) else {
        return;
    };
    let setup = site.setup().set(&["xdp"], json!({"mode": "off"}));
    let gateway = site.start(setup).await;
    let config = gateway.config_path().display().to_string();
    let output = site.command(&["attack", "on", "--config", &config]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("XDP is not attached"), "{said}");
}
