//! SYN cookies on real packets: a TLS handshake through them while a flood runs.

use gateway_common::counter::Incident;
use gateway_common::reason::{Reason, Verdict};
use gateway_tests::cable::pass_all;
use gateway_tests::capability::or_skip;
use gateway_tests::netns::{CLIENT, CLIENT_INTERFACE, Site};
use serde_json::json;

/// SYNs of each family.
const PER_SECOND: u64 = 40_000;

/// Connections that the stack has accepted by a cookie, as it counts them.
fn accepted_by_cookie(site: &Site) -> u64 {
    site.inside.run(|| {
        let text = std::fs::read_to_string("/proc/thread-self/net/netstat").unwrap();
        let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:"));
        let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
        let place = names.split(' ').position(|name| name == "SyncookiesRecv");
        values
            .split(' ')
            .nth(place.unwrap())
            .unwrap()
            .parse()
            .unwrap()
    })
}

#[tokio::test]
async fn a_tls_handshake_goes_through_a_cookie_during_a_syn_flood() {
    let Some(site) = or_skip(Site::new("cookies").await) else {
        return;
    };
    site.inside
        .run(|| std::fs::write("/proc/sys/net/ipv4/tcp_syncookies", "2").unwrap());
    // A veth takes what its peer sends back only where it polls itself.
    let _polling = pass_all(&site.outside, CLIENT_INTERFACE).unwrap();
    let setup = site.setup().set(
        &["xdp", "under_attack"],
        json!({
            "syn_cookies": true,
            "newcomers": {
                "connections": {"rate": 0.001, "burst": 1},
                "packets": {"rate": 1_000_000, "burst": 1_000_000},
            },
        }),
    );
    let gateway = site.start(setup).await;
    let config = gateway.config_path().display().to_string();
    drop(site.succeed(&["attack", "on", "--config", &config]));
    // The one connection that the budget holds.
    drop(site.dial(CLIENT[0], Site::target(CLIENT[0])).await);

    let floods = site.flood_with_syns(PER_SECOND);
    let before = accepted_by_cookie(&site);
    for source in CLIENT {
        let client = site.client(source).await.unwrap();
        assert_eq!(client.get("/open").await.status, 200, "{source}");
    }
    gateway_tests::wait::until_now("cookies for the flood", || {
        site.counted().packets(Verdict::Transmit, Reason::Cookie) > 100
    });
    for flood in floods {
        assert!(!flood.has_ended(), "the flood was over too early");
        flood.stop().unwrap();
    }

    assert!(accepted_by_cookie(&site) >= before + 2);
    let counted = site.counted();
    assert_eq!(
        counted.packets(Verdict::Drop, Reason::NewcomerConnections),
        0
    );
    let failed = counted.0.incidents.iter();
    let failed = failed.filter(|(incident, _)| matches!(incident, Incident::CookieFailed));
    assert_eq!(failed.map(|(_, number)| number).sum::<u64>(), 0);
}
