//! Sources over their rate are dropped, recover by themselves, and harm nobody else.

use gateway_common::reason::{Reason, Verdict};
use gateway_tests::capability::or_skip;
use gateway_tests::netns::{CLIENT, OTHER, Site, family};
use gateway_tests::wait::until;
use serde_json::json;
use tokio::time::Instant;

#[tokio::test]
async fn connections_over_the_rate_are_dropped_and_the_source_recovers() {
    let Some(site) = or_skip(Site::new("connections").await) else {
        return;
    };
    let setup = site.setup().set(
        &["xdp", "connections_per_source"],
        json!({"rate": 2, "burst": 5}),
    );
    let _gateway = site.start(setup).await;
    let level = site.level();
    for (source, other) in CLIENT.into_iter().zip(OTHER) {
        let opened = || {
            site.counted()
                .of(Verdict::Pass, Reason::NewConnection, family(source))
        };
        let before = opened();
        let start = Instant::now();
        let mut admitted = 0_u32;
        let mut refused = 0_u32;
        while refused < 3 {
            if site.reaches(source).await {
                admitted += 1;
            } else {
                refused += 1;
            }
        }
        // Two processors enforce: each may be off by one.
        let most = 5.0 + 2.0 * start.elapsed().as_secs_f64() + 2.0;
        assert!(
            admitted >= 5 && f64::from(admitted) <= most,
            "{admitted} of at most {most}"
        );
        assert_eq!(opened() - before, u64::from(admitted));
        let dropped = site
            .counted()
            .of(Verdict::Drop, Reason::ConnectionRate, family(source));
        assert!(dropped >= u64::from(refused), "{dropped} of {refused}");
        assert_eq!(site.call(other, "/meanwhile").await.status, 200);
        until("the source to recover", || async {
            site.reaches(source).await.then_some(())
        })
        .await;
    }
    assert!(site.account(&level).await > 0);
}

#[tokio::test]
async fn packets_over_the_rate_are_dropped_and_the_source_recovers() {
    let Some(site) = or_skip(Site::new("packets").await) else {
        return;
    };
    let setup = site
        .setup()
        .set(
            &["xdp", "packets_per_source"],
            json!({"rate": 20, "burst": 60}),
        )
        .set(&["xdp", "connections_per_source"], json!("off"));
    let _gateway = site.start(setup).await;
    let level = site.level();
    for (source, other) in CLIENT.into_iter().zip(OTHER) {
        let family = family(source);
        let limited = || site.counted().of(Verdict::Drop, Reason::PacketRate, family);
        let admitted = || site.counted().of(Verdict::Pass, Reason::Admitted, family);
        let (before, start) = (admitted(), Instant::now());
        let client = site.client(source).await.unwrap();
        // Every request is some packets; a few of them and the burst is spent.
        let mut answered = 0;
        while limited() == 0 {
            assert_eq!(client.get("/open").await.status, 200);
            answered += 1;
            assert!(answered < 10_000, "no packet was ever dropped");
        }
        assert_eq!(site.call(other, "/meanwhile").await.status, 200);
        // What TCP sends again is admitted as the debt decays.
        until("an answer after the debt", || async {
            let answer =
                tokio::time::timeout(std::time::Duration::from_secs(5), client.get("/open"));
            answer.await.ok().filter(|answer| answer.status == 200)
        })
        .await;
        // The other source is of the same family and far below its own burst.
        let most = 2.0 * 60.0 + 20.0 * start.elapsed().as_secs_f64() + 2.0;
        let seen = admitted() - before;
        assert!(seen as f64 <= most, "{seen} packets of at most {most}");
    }
    assert!(site.account(&level).await > 0);
}
