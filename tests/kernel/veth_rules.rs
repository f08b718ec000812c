//! Rules of one listener, and rules that only count, on real packets.

use gateway_common::reason::{Reason, Verdict};
use gateway_tests::capability::or_skip;
use gateway_tests::netns::{CLIENT, OTHER, Site, family};
use serde_json::json;

#[tokio::test]
async fn a_listener_has_limits_of_its_own() {
    let Some(site) = or_skip(Site::new("own").await) else {
        return;
    };
    let mut gateway = site
        .start(site.setup().set(
            &["listeners", "four", "xdp"],
            json!({"connections_per_source": {"rate": 0.001, "burst": 2}}),
        ))
        .await;
    let [four, six] = CLIENT;
    let [other, _] = OTHER;
    assert!(site.reaches(four).await && site.reaches(four).await);
    assert!(!site.reaches(four).await);
    // The other listener has the limit of all, and another source a bucket of its own.
    for _ in 0..5 {
        assert!(site.reaches(six).await);
    }
    assert!(site.reaches(other).await);

    // The shared limit changes; the listener that has its own does not care, and keeps its debt.
    gateway
        .setup()
        .change(&["xdp", "connections_per_source"], json!("off"));
    assert_eq!(gateway.reload().await["answer"], "done");
    assert!(!site.reaches(four).await);

    // Back under the shared rules it is limited no more.
    gateway.setup().remove(&["listeners", "four", "xdp"]);
    assert_eq!(gateway.reload().await["answer"], "done");
    for _ in 0..5 {
        assert!(site.reaches(four).await);
    }
}

#[tokio::test]
async fn rules_that_are_only_monitored_count_and_serve() {
    let Some(site) = or_skip(Site::new("monitor").await) else {
        return;
    };
    let setup = site
        .setup()
        .set(
            &["xdp", "connections_per_source"],
            json!({"rate": 0.001, "burst": 2}),
        )
        .set(
            &["xdp", "packets_per_source"],
            json!({"rate": 1, "burst": 3}),
        )
        .set(&["xdp", "monitor"], json!("all"))
        .set(
            &["listeners", "six", "xdp"],
            json!({"monitor": ["packet_rate"]}),
        );
    let mut gateway = site.start(setup).await;
    let config = gateway.config_path().display().to_string();
    let [four, six] = CLIENT;
    drop(site.succeed(&["deny", "add", OTHER[0], "--config", &config]));
    let level = site.level();
    for _ in 0..4 {
        assert_eq!(site.call(four, "/pets/1").await.status, 200);
    }
    // Denied, and let in: accept follows the same rule.
    assert_eq!(site.call(OTHER[0], "/pets/1").await.status, 200);
    let counted = site.counted();
    let would = |reason, source| counted.of(Verdict::WouldDrop, reason, family(source));
    assert!(would(Reason::ConnectionRate, four) >= 2);
    assert!(would(Reason::PacketRate, four) > 0);
    assert!(would(Reason::Denied, four) > 0);
    for reason in Reason::ALL {
        assert_eq!(counted.of(Verdict::Drop, *reason, family(four)), 0);
    }

    // The listener that monitors packets alone enforces connections.
    for _ in 0..2 {
        assert_eq!(site.call(six, "/pets/1").await.status, 200);
    }
    assert!(!site.reaches(six).await);
    let counted = site.counted();
    assert!(counted.of(Verdict::Drop, Reason::ConnectionRate, family(six)) >= 1);
    assert!(counted.of(Verdict::WouldDrop, Reason::PacketRate, family(six)) > 0);
    assert!(site.account(&level).await > 0);

    // Enforced from the next packet on.
    gateway.setup().remove(&["xdp", "monitor"]);
    assert_eq!(gateway.reload().await["answer"], "done");
    assert!(!site.reaches(OTHER[0]).await);
    assert!(!site.reaches(four).await);
}

#[tokio::test]
async fn bytes_over_the_rate_are_dropped_and_the_upload_arrives_in_the_end() {
    let Some(site) = or_skip(Site::new("bytes").await) else {
        return;
    };
    let setup = site.setup().set(
        &["xdp", "bytes_per_source"],
        json!({"rate": 200_000, "burst": 70_000}),
    );
    let _gateway = site.start(setup).await;
    let level = site.level();
    for source in CLIENT {
        let client = site.client(source).await.unwrap();
        let start = tokio::time::Instant::now();
        let upload = gateway_tests::client::whole(vec![b'x'; 400_000]);
        let request = gateway_tests::client::request(http::Method::POST, "/pets", upload);
        let bearer = site.bearer();
        let answer = client
            .send(gateway_tests::client::with(
                request,
                &[("authorization", &bearer)],
            ))
            .await;
        assert_eq!(answer.status, 200);
        // 400 kB less the burst take more than 1.6 s at this rate.
        assert!(start.elapsed() > std::time::Duration::from_millis(1_600));
        let dropped = site
            .counted()
            .of(Verdict::Drop, Reason::ByteRate, family(source));
        assert!(dropped > 0);
    }
    assert!(site.account(&level).await > 0);
}
