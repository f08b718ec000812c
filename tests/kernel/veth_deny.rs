//! Denied sources get nothing, and nobody else notices; allowed ones come in all the same.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as the tests do")]

use gateway_common::reason::{Reason, Verdict};
use gateway_tests::capability::or_skip;
use gateway_tests::netns::{CLIENT, OTHER, Site, family};
use gateway_tests::wait::until;
use serde_json::json;

#[tokio::test]
async fn a_denied_address_or_network_gets_nothing_while_its_neighbour_is_served() {
    let Some(site) = or_skip(Site::new("deny").await) else {
        return;
    };
    let gateway = site.start(site.setup()).await;
    let config = gateway.config_path().display().to_string();
    let cases = [
        (CLIENT[0], OTHER[0], "10.77.0.2"),
        (CLIENT[0], OTHER[0], "10.77.0.2/32"),
        (OTHER[0], "10.77.0.4", "10.77.0.0/30"),
        (CLIENT[1], OTHER[1], "fd77:0:0:2::2"),
        (CLIENT[1], OTHER[1], "fd77:0:0:2::/64"),
    ];
    site.outside
        .ip("address add 10.77.0.4/24 dev client0")
        .unwrap();
    let level = site.level();
    for (denied, free, prefix) in cases {
        let count = || {
            site.counted()
                .of(Verdict::Drop, Reason::Denied, family(denied))
        };
        assert_eq!(site.call(denied, "/before").await.status, 200);
        let before = count();
        let said = site.succeed(&["deny", "add", prefix, "--config", &config]);
        assert!(said.contains(prefix), "{said}");
        // Silence on the wire: neither an answer nor a reset.
        assert!(!site.reaches(denied).await, "{prefix} is not in force");
        assert!(count() > before, "{prefix} is not counted");
        assert_eq!(site.call(free, "/meanwhile").await.status, 200);
        let list = site.succeed(&["deny", "list", "--config", &config]);
        assert!(list.contains(prefix), "{prefix} not in {list}");
        drop(site.succeed(&["deny", "remove", prefix, "--config", &config]));
        assert_eq!(site.call(denied, "/after").await.status, 200);
    }
    assert!(site.account(&level).await > 0);
}

#[tokio::test]
async fn a_denial_also_ends_connections_that_are_open() {
    let Some(site) = or_skip(Site::new("deny-open").await) else {
        return;
    };
    let gateway = site.start(site.setup()).await;
    let config = gateway.config_path().display().to_string();
    let client = site.client(CLIENT[0]).await.unwrap();
    assert_eq!(client.get("/open").await.status, 200);
    drop(site.succeed(&["deny", "add", CLIENT[0], "--config", &config]));
    let before = site.counted().packets(Verdict::Drop, Reason::Denied);
    let unanswered = tokio::time::timeout(gateway_tests::netns::SILENCE, client.get("/open")).await;
    assert!(
        unanswered.is_err(),
        "a denied source was answered: {unanswered:?}"
    );
    assert!(site.counted().packets(Verdict::Drop, Reason::Denied) > before);
    // What was lost is sent again, so the connection goes on where it was let in once more.
    drop(site.succeed(&["deny", "remove", CLIENT[0], "--config", &config]));
    assert_eq!(client.get("/open").await.status, 200);
}

#[tokio::test]
async fn a_denial_for_a_time_ends_by_itself() {
    let Some(site) = or_skip(Site::new("deny-for").await) else {
        return;
    };
    let gateway = site.start(site.setup()).await;
    let config = gateway.config_path().display().to_string();
    for source in CLIENT {
        drop(site.succeed(&["deny", "add", source, "--for", "2s", "--config", &config]));
        assert!(!site.reaches(source).await);
        until("the denial to end", || async {
            site.reaches(source).await.then_some(())
        })
        .await;
        assert_eq!(site.call(source, "/again").await.status, 200);
    }
}

/// The kernel decides by the entry's own end: nobody has to be there to take it away.
#[tokio::test]
async fn a_denial_ends_by_itself_while_no_gateway_runs() {
    let Some(site) = or_skip(Site::new("deny-dead").await) else {
        return;
    };
    let gateway = site.start(site.setup()).await;
    let config = gateway.config_path().display().to_string();
    drop(site.succeed(&[
        "deny", "add", CLIENT[0], "--for", "10s", "--config", &config,
    ]));
    let _setup = gateway.stop().await;
    assert!(!site.reaches(CLIENT[0]).await);
    // Past XDP there is nobody listening, and the stack says so.
    let target = Site::target(CLIENT[0]);
    let refused = until("the denial to end", || async {
        site.dial(CLIENT[0], target)
            .await
            .err()
            .filter(|error| error.kind() != std::io::ErrorKind::TimedOut)
    })
    .await;
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

/// Packets of one list, and the verdicts of its reason, as the kernel counted them.
fn decided(site: &Site, config: &str, name: &str) -> u64 {
    let lists = site.succeed(&["lists", "--json", "--config", config]);
    let lists: serde_json::Value = serde_json::from_str(&lists).unwrap();
    let mut found = lists.as_array().unwrap().iter();
    let found = found.find(|list| list["name"] == name);
    found.unwrap()["packets"].as_u64().unwrap()
}

#[tokio::test]
async fn management_beats_allow_beats_deny_and_a_monitored_list_only_counts() {
    let Some(site) = or_skip(Site::new("lists").await) else {
        return;
    };
    let setup = site.setup();
    drop(setup.file("feed", "10.77.0.0/24\nfd77::/56\n"));
    let feed =
        |mode: &str| json!([{"name": "feed", "action": "deny", "file": "feed", "mode": mode}]);
    let setup = setup
        .set(&["lists", "named"], feed("monitor"))
        .set(&["lists", "management"], json!([CLIENT[1]]));
    let mut gateway = site.start(setup).await;
    let config = gateway.config_path().display().to_string();

    // Only counted.
    for source in [CLIENT[0], OTHER[0], CLIENT[1], OTHER[1]] {
        assert_eq!(site.call(source, "/monitored").await.status, 200);
    }
    let counted = site.counted();
    for source in [CLIENT[0], OTHER[1]] {
        let would = counted.of(Verdict::WouldDrop, Reason::Denied, family(source));
        assert!(would > 0, "{source}");
    }
    assert!(counted.of(Verdict::Pass, Reason::Management, family(CLIENT[1])) > 0);
    assert!(decided(&site, &config, "feed") > 0);
    assert!(decided(&site, &config, "management") > 0);

    // Enforced, but for those who are let in.
    gateway.setup().change(&["lists", "named"], feed("enforce"));
    assert_eq!(gateway.reload().await["answer"], "done");
    drop(site.succeed(&["allow", "add", OTHER[0], "--config", &config]));
    assert!(!site.reaches(CLIENT[0]).await && !site.reaches(OTHER[1]).await);
    assert_eq!(site.call(OTHER[0], "/allowed").await.status, 200);
    assert_eq!(site.call(CLIENT[1], "/management").await.status, 200);
    let passed = |reason| site.counted().packets(Verdict::Pass, reason);
    assert!(passed(Reason::Allowed) > 0);
    drop(site.succeed(&["deny", "add", CLIENT[1], "--config", &config]));
    assert_eq!(site.call(CLIENT[1], "/managed").await.status, 200);

    // Off the allow list, and off the file: neither opens what the other keeps shut.
    drop(site.succeed(&["deny", "add", OTHER[0], "--config", &config]));
    drop(site.succeed(&["allow", "remove", OTHER[0], "--config", &config]));
    let draft = gateway.setup().file("draft", "192.0.2.0/24\n");
    std::fs::rename(draft, gateway.setup().directory().join("feed")).unwrap();
    until("the file to be followed", || async {
        site.reaches(CLIENT[0]).await.then_some(())
    })
    .await;
    assert!(!site.reaches(OTHER[0]).await);
    let listed = site.succeed(&["deny", "list", "--json", "--config", &config]);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert!(listed[0]["hits"].as_u64().unwrap() > 0, "{listed}");

    // While no gateway runs, a change by hand keeps what the file says.
    std::fs::write(
        gateway.setup().directory().join("feed"),
        format!("{}/32\n", CLIENT[0]),
    )
    .unwrap();
    until("the file to be followed", || async {
        (!site.reaches(CLIENT[0]).await).then_some(())
    })
    .await;
    let _setup = gateway.stop().await;
    drop(site.succeed(&["deny", "remove", OTHER[0], "--config", &config]));
    assert!(!site.reaches(CLIENT[0]).await);
    let target = Site::target(OTHER[0]);
    let refused = site.dial(OTHER[0], target).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}
