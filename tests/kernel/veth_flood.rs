//! A SYN flood from spoofed sources: honest clients are served, offenders are remembered, and
//! nobody is limited but by an aggregate that is exhausted.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use aya::maps::Array;
use gateway::clock::monotonic_ns;
use gateway_common::bucket::PlainLine;
use gateway_common::capacity::SOURCE_LINE_BITS;
use gateway_common::counter::Incident;
use gateway_common::name;
use gateway_common::reason::{Reason, Verdict};
use gateway_tests::capability::or_skip;
use gateway_tests::counted::Counted;
use gateway_tests::flood::{Flood, Kind};
use gateway_tests::netns::{CLIENT, OTHER, PORT, SERVER, Site};
use gateway_tests::pinned::pinned;
use serde_json::json;

/// Packets of the flood that have to arrive. `GATEWAY_SOAK_FLOOD` says otherwise.
const FLOOD: u64 = 20_000;
/// Of each family: as many as leave the processors something for honest clients.
const PER_SECOND: u64 = 100_000;
/// Connections that a source has, at a rate that gives none back within this test.
const BURST: u64 = 50;
/// Of one unit, at that rate.
const UNIT_NS: u64 = 3_334 * 1_000_000_000;
/// Spoofed sources that spend all they have before the flood, as a power of two.
const OFFENDER_BITS: u32 = 8;

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
        json!({"rate": 0.0003, "burst": BURST}),
    );
    let _gateway = site.start(setup).await;

    // An offender of each family spends all it has; nothing grows back within this test.
    for offender in OTHER {
        while site.reaches(offender).await {}
    }
    offend(&site);
    let debtors = debtors(&site);
    assert!(debtors.len() >= 1 << OFFENDER_BITS, "{}", debtors.len());
    let level = site.level();
    let before = site.counted();

    let floods = site.flood_with_syns(PER_SECOND);
    let start = site.received();
    let keeping = [
        site.client(CLIENT[0]).await.unwrap(),
        site.client(CLIENT[1]).await.unwrap(),
    ];
    let mut served = 0;
    while site.received() - start < count || served < 10 {
        assert!(!floods.iter().any(Flood::has_ended));
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
    for flood in floods {
        flood.stop().unwrap();
    }

    assert!(site.account(&level).await >= count);
    let after = site.counted();
    let grown = |verdict, reason| after.packets(verdict, reason) - before.packets(verdict, reason);
    let passed = grown(Verdict::Pass, Reason::NewConnection);
    let refused = grown(Verdict::Drop, Reason::ConnectionRate);
    // The honest clients' packets are few beside the flood, and most of those open nothing.
    assert!(passed + refused >= count / 2, "{passed} and {refused}");
    // Every source of the flood opens far fewer connections than its limit allows, so that only an
    // aggregate can have refused it.
    let aggregates = incidents(&after, Incident::LineFull) - incidents(&before, Incident::LineFull);
    println!("{passed} passed, {aggregates} charged to aggregates, which refused {refused}");
    assert!(refused <= aggregates, "{refused} of {aggregates}");
    assert_eq!(incidents(&after, Incident::MapFailed), 0);

    let owing = words(&site);
    for (debtor, tat) in &debtors {
        let now = owing.get(debtor).copied().unwrap_or(0);
        assert!(
            now >= *tat,
            "{debtor:?} owed until {tat} and owes until {now}"
        );
    }
    for offender in OTHER {
        assert!(
            !site.reaches(offender).await,
            "the flood washed the debt of {offender} away"
        );
    }
}

/// Spoofed sources spend all they have.
fn offend(site: &Site) {
    let [four, _] = SERVER;
    let kind = Kind::Syn4 {
        first: Ipv4Addr::new(10, 64, 0, 0),
        bits: OFFENDER_BITS,
        server: (four.parse().unwrap(), PORT),
    };
    let refused = || {
        site.counted()
            .packets(Verdict::Drop, Reason::ConnectionRate)
    };
    let (enough, flood) = (
        refused() + (BURST << OFFENDER_BITS),
        site.flood(kind, PER_SECOND),
    );
    while refused() < enough {
        assert!(!flood.has_ended());
    }
    flood.stop().unwrap();
}

fn incidents(counted: &Counted, wanted: Incident) -> u64 {
    let all = counted.0.incidents.iter();
    all.filter(|(incident, _)| *incident == wanted)
        .map(|(_, count)| count)
        .sum()
}

/// Line and tag of a bucket.
type Place = (u32, u64);

/// Every bucket that owes more than a unit, and until when.
fn debtors(site: &Site) -> HashMap<Place, u64> {
    let now = monotonic_ns();
    let mut words = words(site);
    words.retain(|_, tat| tat.saturating_sub(now) > UNIT_NS);
    words
}

/// Every bucket of the table of sources, and until when it owes.
fn words(site: &Site) -> HashMap<Place, u64> {
    let table: Array<_, PlainLine> = pinned(&site.instance, name::MAP_SOURCES);
    let mut words = HashMap::new();
    for index in 0..1 << SOURCE_LINE_BITS {
        for way in table.get(&index, 0).unwrap().ways {
            if way.tag != 0 {
                words.insert((index, way.tag), way.tat);
            }
        }
    }
    words
}
