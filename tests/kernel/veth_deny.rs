//! Denied sources get nothing, and nobody else notices.

use gateway_common::reason::{Reason, Verdict};
use gateway_tests::capability::or_skip;
use gateway_tests::netns::{CLIENT, OTHER, Site, family};
use gateway_tests::wait::until;

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
    drop(site.succeed(&["deny", "add", CLIENT[0], "--for", "3s", "--config", &config]));
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
