//! Tagged frames are judged like plain ones, to the depth that is read; deeper ones are no bypass.
//!
//! Tags are written into the frames where they leave the clients' side and taken off behind XDP on
//! the gateway's side, because the stack knows no VLAN interfaces everywhere.

use gateway_common::reason::{Reason, Verdict};
use gateway_tests::cable::{tag, untag};
use gateway_tests::capability::or_skip;
use gateway_tests::netns::{CLIENT, CLIENT_INTERFACE, INTERFACE, OTHER, Site, family};

/// IEEE 802.1Q.
const CUSTOMER: u16 = 0x8100;
/// IEEE 802.1ad.
const SERVICE: u16 = 0x88a8;

#[tokio::test]
async fn tagged_clients_are_served_judged_and_counted() {
    let Some(site) = or_skip(Site::new("vlan").await) else {
        return;
    };
    // Room for the tags on the way in.
    site.outside.ip("link set client0 mtu 1400").unwrap();
    let gateway = site.start(site.setup()).await;
    let config = gateway.config_path().display().to_string();
    let _untag = untag(&site.inside, INTERFACE).unwrap();
    let level = site.level();
    let depths: [&[u16]; 3] = [
        &[CUSTOMER],
        &[CUSTOMER, SERVICE],
        &[CUSTOMER, CUSTOMER, SERVICE, SERVICE],
    ];
    for types in depths {
        let tags = tag(&site.outside, CLIENT_INTERFACE, types).unwrap();
        for (source, other) in CLIENT.into_iter().zip(OTHER) {
            let opened = || {
                site.counted()
                    .of(Verdict::Pass, Reason::NewConnection, family(source))
            };
            let denied = || {
                site.counted()
                    .of(Verdict::Drop, Reason::Denied, family(source))
            };
            let before = opened();
            assert_eq!(
                site.call(source, "/tagged").await.status,
                200,
                "{} tags",
                types.len()
            );
            assert_eq!(opened() - before, 1);
            drop(site.succeed(&["deny", "add", source, "--config", &config]));
            let before = denied();
            assert!(
                !site.reaches(source).await,
                "{} tags hide a denied source",
                types.len()
            );
            assert!(denied() > before);
            assert_eq!(site.call(other, "/tagged").await.status, 200);
            drop(site.succeed(&["deny", "remove", source, "--config", &config]));
        }
        drop(tags);
    }
    assert!(site.account(&level).await > 0);
}

#[tokio::test]
async fn a_tag_too_deep_gets_nothing() {
    let Some(site) = or_skip(Site::new("deep").await) else {
        return;
    };
    site.outside.ip("link set client0 mtu 1400").unwrap();
    let _gateway = site.start(site.setup()).await;
    let _untag = untag(&site.inside, INTERFACE).unwrap();
    // Neighbours are known before, because what is too deep is dropped whatever it is.
    assert!(site.reaches(CLIENT[0]).await && site.reaches(CLIENT[1]).await);
    let tags = tag(&site.outside, CLIENT_INTERFACE, &[CUSTOMER; 5]).unwrap();
    for source in CLIENT {
        let dropped = || site.counted().packets(Verdict::Drop, Reason::UnparsedToUs);
        let before = dropped();
        assert!(
            !site.reaches(source).await,
            "a fifth tag is a way round every limit"
        );
        assert!(dropped() > before);
    }
    drop(tags);
    assert_eq!(site.call(CLIENT[0], "/plain").await.status, 200);
}
