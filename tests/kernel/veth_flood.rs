//! A SYN flood from spoofed sources: honest clients are served, offenders are remembered.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use etherparse::PacketBuilder;
use gateway_common::counter::Incident;
use gateway_common::reason::{Reason, Verdict};
use gateway_tests::capability::or_skip;
use gateway_tests::netns::{CLIENT, Counted, OTHER, PORT, SERVER, Site};
use rustix::net::{AddressFamily, SocketType, ipproto};
use serde_json::json;

/// Packets of the flood that have to arrive. `GATEWAY_SOAK_FLOOD` says otherwise.
const FLOOD: u64 = 20_000;
/// So many times that may be sent: a link that is full loses some before XDP.
const LOSS: u64 = 50;
/// The first spoofed IPv4 source; the flood walks through this half of 10.0.0.0/8.
const FIRST4: u32 = 0x0a80_0000;
/// The first spoofed IPv6 source; the flood walks through its networks.
const FIRST6: u128 = 0xfd66 << 112;
/// Odd, so that every source of the half is met before one is met twice.
const STRIDE: u32 = 0x9e_3779;

#[tokio::test]
async fn a_syn_flood_leaves_honest_clients_served_and_offenders_remembered() {
    let Some(site) = or_skip(Site::new("flood").await) else {
        return;
    };
    let count = std::env::var("GATEWAY_SOAK_FLOOD");
    let count = count.map_or(FLOOD, |text| {
        text.parse().expect("GATEWAY_SOAK_FLOOD is a number")
    });
    // Answers to spoofed sources have somewhere to go: as on the internet, they cost work.
    site.inside.ip("route add default via 10.77.0.2").unwrap();
    site.inside
        .ip("-6 route add default via fd77:0:0:2::2")
        .unwrap();
    let setup = site.setup().set(
        &["xdp", "connections_per_source"],
        json!({"rate": 0.0003, "burst": 50}),
    );
    let _gateway = site.start(setup).await;

    // An offender of each family spends all it has; nothing grows back within this test.
    for offender in OTHER {
        while site.reaches(offender).await {}
    }
    let level = site.level();
    let before = site.counted();

    let sockets = raw_sockets(&site);
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let flood = std::thread::spawn(move || flood(&sockets, count * LOSS, &flag));
    let start = site.received();
    let keeping = [
        site.client(CLIENT[0]).await.unwrap(),
        site.client(CLIENT[1]).await.unwrap(),
    ];
    let mut served = 0;
    while site.received() - start < count || served < 10 {
        assert!(!flood.is_finished(), "too little of the flood arrived");
        for client in &keeping {
            assert_eq!(client.get("/open").await.status, 200);
        }
        // New connections as well, as many as their own limit allows.
        if served < 20 {
            for source in CLIENT {
                assert_eq!(site.call(source, "/honest").await.status, 200);
            }
        }
        served += 1;
    }
    stop.store(true, Ordering::Relaxed);
    flood.join().unwrap();

    for offender in OTHER {
        assert!(
            !site.reaches(offender).await,
            "the flood washed the debt of {offender} away"
        );
    }
    assert!(site.account(&level).await >= count);
    let after = site.counted();
    let judged = |counted: &Counted| {
        counted.packets(Verdict::Pass, Reason::NewConnection)
            + counted.packets(Verdict::Drop, Reason::ConnectionRate)
    };
    // The honest clients' packets are few beside the flood, and most of those open nothing.
    let judged = judged(&after) - judged(&before);
    assert!(judged >= count / 2, "{judged} of {count}");
    for (incident, number) in &after.0.incidents {
        if matches!(incident, Incident::MapFailed) {
            assert_eq!(*number, 0);
        }
    }
}

/// Sockets on the clients' side whose packets are sent as they are, source address included
/// (raw(7), ipv6(7)).
pub(crate) fn raw_sockets(site: &Site) -> [UdpSocket; 2] {
    let _outside = site.outside.enter();
    [AddressFamily::INET, AddressFamily::INET6].map(|family| {
        let raw = rustix::net::socket(family, SocketType::RAW, Some(ipproto::RAW));
        UdpSocket::from(raw.unwrap())
    })
}

/// One SYN from each of at most `count` sources, of both families in turn.
pub(crate) fn flood([four, six]: &[UdpSocket; 2], count: u64, stop: &AtomicBool) {
    let [server4, server6] = SERVER;
    let server4: Ipv4Addr = server4.parse().unwrap();
    let server6: Ipv6Addr = server6.parse().unwrap();
    let mut packet = Vec::new();
    for number in (0..u32::try_from(count).unwrap()).take_while(|_| !stop.load(Ordering::Relaxed)) {
        let spread = number.wrapping_mul(STRIDE) & 0x007f_ffff;
        let port = 1_024 + u16::try_from(number % 60_000).unwrap();
        packet.clear();
        let (socket, target) = if number.is_multiple_of(2) {
            let source = Ipv4Addr::from(FIRST4 | spread);
            PacketBuilder::ipv4(source.octets(), server4.octets(), 64)
                .tcp(port, PORT, number, 64_240)
                .syn()
                .write(&mut packet, &[])
                .unwrap();
            (four, SocketAddr::from((server4, 0)))
        } else {
            // Another /64 each time.
            let source = Ipv6Addr::from(FIRST6 | u128::from(spread) << 64 | 1);
            PacketBuilder::ipv6(source.octets(), server6.octets(), 64)
                .tcp(port, PORT, number, 64_240)
                .syn()
                .write(&mut packet, &[])
                .unwrap();
            (six, SocketAddr::from((server6, 0)))
        };
        socket.send_to(&packet, target).unwrap();
    }
}
