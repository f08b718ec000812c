//! Under attack, whoever has proven themselves goes on, and newcomers share a budget.

use gateway_common::reason::{Reason, Verdict};
use gateway_tests::capability::or_skip;
use gateway_tests::gateway::Gateway;
use gateway_tests::netns::{CLIENT, OTHER, Site};
use gateway_tests::wait::until;
use serde_json::json;

/// Packets of the flood that have to arrive.
const FLOOD: u64 = 20_000;
/// Of each family.
const PER_SECOND: u64 = 40_000;
/// Connections that newcomers have together; nothing grows back within the test.
const BUDGET: u64 = 40;
/// Rounds of new connections that the vouched sources make at least.
const ROUNDS: u32 = 10;

#[tokio::test]
async fn vouched_sources_are_served_while_newcomers_share_their_budget() {
    let Some(site) = or_skip(Site::new("known").await) else {
        return;
    };
    // Answers to spoofed sources have somewhere to go: as on the internet, they cost work.
    site.inside.ip("route add default via 10.77.0.2").unwrap();
    site.inside
        .ip("-6 route add default via fd77:0:0:2::2")
        .unwrap();
    let setup = site.setup().set(
        &["xdp", "under_attack", "newcomers"],
        json!({
            "connections": {"rate": 0.0003, "burst": BUDGET},
            "packets": {"rate": 100_000, "burst": 1_000_000},
        }),
    );
    let gateway = site.start(setup).await;
    for source in CLIENT {
        assert_eq!(site.call(source, "/proof").await.status, 200);
    }
    declare(&gateway, "on").await;

    let (level, before) = (site.level(), site.counted());
    let sent_before = (site.opened(), site.received());
    let floods = site.flood_with_syns(PER_SECOND);
    let (mut rounds, mut calls) = (0, 0);
    while site.received() - sent_before.1 < FLOOD || rounds < ROUNDS {
        assert!(!floods.iter().any(gateway_tests::flood::Flood::has_ended));
        for source in CLIENT {
            assert_eq!(site.call(source, "/meanwhile").await.status, 200);
            calls += 1;
        }
        rounds += 1;
    }
    for flood in floods {
        flood.stop().unwrap();
    }
    for newcomer in OTHER {
        assert!(!site.reaches(newcomer).await, "{newcomer} found a budget");
    }

    site.account(&level).await;
    let after = site.counted();
    let grown = |verdict, reason| after.packets(verdict, reason) - before.packets(verdict, reason);
    let passed = grown(Verdict::Pass, Reason::NewConnection);
    let refused = grown(Verdict::Drop, Reason::NewcomerConnections);
    // Two processors charge the budget: each may be off by one. What this side sent again may have
    // been seen twice.
    let most = site.opened() - sent_before.0 + BUDGET + 2;
    println!("{calls} calls, {passed} passed of at most {most}, {refused} refused");
    assert!(
        passed >= calls + BUDGET && passed <= most,
        "{passed} of {most}"
    );
    assert!(refused >= FLOOD / 2, "{refused}");
    assert_eq!(grown(Verdict::Drop, Reason::ConnectionRate), 0);

    declare(&gateway, "off").await;
    for newcomer in OTHER {
        until("newcomers to be let in again", || async {
            site.reaches(newcomer).await.then_some(())
        })
        .await;
    }
}

/// Says whether the gateway is under attack, as `gateway attack` does.
async fn declare(gateway: &Gateway, mode: &str) {
    let request = json!({"do": "attack", "mode": mode});
    let answer = gateway.admin(&request.to_string()).await;
    assert_eq!(answer["answer"], "done", "{answer}");
}
