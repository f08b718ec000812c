//! What a source may owe to give way to another one, and that the program and the daemon mean the same.

use aya::maps::{Array, MapData};
use gateway::model::{Gateway, ListenerRate, OtherTraffic, SourceRate, Treatments};
use gateway::store::bucket::LeastSlack;
use gateway::store::connection::ListenerRules;
use gateway_common::limit::{Limit, Rate};
use gateway_common::name::{MAP_CONTROL, MAP_RULES, MAP_SETTINGS};
use gateway_common::settings::{Control, Rules, Settings, SourceLimit, Treatment, rules_index};
use gateway_tests::capability::or_skip;
use gateway_tests::edge::{Bench, PORT, SERVER6, configuration, listener, source_rate};
use gateway_tests::pinned::pinned;

const SECOND: u64 = 1_000_000_000;
const MILLISECOND: u64 = 1_000_000;

/// A megabyte per second and source.
fn byte_rate(burst: u64) -> SourceRate {
    let limit = Limit::new(Rate::per_second(1_000_000), burst, 1_500).unwrap();
    SourceRate {
        source: limit,
        aggregate: limit,
        ..source_rate(1, 1)
    }
}

fn limiting(gateway: &mut Gateway, treatment: Treatment) {
    let treatments = Treatments {
        udp: treatment,
        ..Treatments::default()
    };
    gateway.edge.other_traffic = OtherTraffic {
        treatments: Treatments::default(),
        interfaces: vec![("eth0".to_owned(), treatments)],
        udp_reply_ports: Vec::new(),
        packets: source_rate(100, 1),
    };
}

#[test]
fn nobody_owes_less_than_the_limit_with_the_least_slack_admits_one_charge_at() {
    /// No unit is longer.
    const DAILY: Rate = Rate {
        micro_per_second: 12,
    };
    let slowest = Limit::new(DAILY, 1, 1).unwrap();
    let check = |name: &str, change: fn(&mut Gateway), expected_ns: u64| {
        let mut gateway = configuration("slack");
        change(&mut gateway);
        let yields_ns = LeastSlack::of(&gateway).yields_ns(&slowest);
        assert_eq!(yields_ns, expected_ns, "{name}");
    };
    check("the trickle alone", |_| (), SECOND);
    check(
        "connections",
        |gateway| gateway.edge.connections = Some(source_rate(100, 11)),
        SECOND / 10,
    );
    check(
        "a burst of one",
        |gateway| gateway.edge.packets = Some(source_rate(100, 1)),
        0,
    );
    check(
        "a listener's own instead of the shared one",
        |gateway| {
            gateway.edge.packets = Some(source_rate(100, 1));
            gateway.listeners[0].edge.packets = ListenerRate::Own(source_rate(10, 3));
        },
        SECOND / 5,
    );
    check(
        "off for every listener",
        |gateway| {
            gateway.edge.packets = Some(source_rate(100, 1));
            gateway.listeners[0].edge.packets = ListenerRate::Off;
        },
        SECOND,
    );
    // The largest packet has 65,535 bytes.
    check(
        "bytes",
        |gateway| gateway.edge.bytes = Some(byte_rate(100_000)),
        34_465_000,
    );
    check(
        "other traffic that passes",
        |gateway| limiting(gateway, Treatment::Pass),
        SECOND,
    );
    check(
        "other traffic that is limited on one interface",
        |gateway| limiting(gateway, Treatment::Limit),
        0,
    );
}

#[test]
fn the_program_and_the_daemon_agree_on_who_gives_way() {
    let Some(mut bench) = or_skip(Bench::new("slack")) else {
        return;
    };
    let mut second = listener(&format!("[{SERVER6}]:{PORT}"));
    second.edge.packets = ListenerRate::Own(source_rate(1_000, 200));
    bench.gateway.listeners.push(second);
    bench.gateway.edge.connections = Some(source_rate(2, 100));
    let edge = bench.start().unwrap();
    let (gateway, seed) = (&bench.gateway, edge.buckets().seed());

    let instance = gateway.instance.as_str();
    let control: Array<MapData, Control> = pinned(instance, MAP_CONTROL);
    let settings: Array<MapData, Settings> = pinned(instance, MAP_SETTINGS);
    let rules: Array<MapData, Rules> = pinned(instance, MAP_RULES);
    let active = u32::try_from(control.get(&0, 0).unwrap().active).unwrap();
    let mut packets = Vec::new();
    for (number, listener) in (1..).zip(&gateway.listeners) {
        let rules = rules.get(&rules_index(active, number), 0).unwrap();
        let ours = ListenerRules::of(gateway, number, listener, seed).connections;
        let theirs = SourceLimit {
            // The clock of the program is no matter of the daemon's.
            precise: ours.precise,
            ..rules.limits[0]
        };
        assert_eq!(theirs, ours, "listener {number}");
        // Half a second is one connection; a full bucket of packets is worth less.
        assert_eq!(ours.yields_ns, 199 * MILLISECOND);
        packets.push(rules.limits[1].yields_ns);
    }
    assert_eq!(packets, [0, MILLISECOND], "off, and one unit");
    let settings = settings.get(&active, 0).unwrap();
    assert_eq!(settings.trickle.yields_ns, 199 * MILLISECOND);
}
