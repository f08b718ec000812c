//! Under attack: who is vouched for keeps its own limits, everybody else shares a budget.

use std::net::IpAddr;

use gateway::clock::monotonic_ns;
use gateway::xdp::EdgeHandle;
use gateway_common::reason::{Reason, Verdict};
use gateway_tests::capability::or_skip;
use gateway_tests::counted::Counted;
use gateway_tests::edge::{
    Bench, CLIENT, CLIENT6, OTHER_CLIENT, OTHER_CLIENT6, PORT, SERVER, SERVER6, listener,
    shared_rate,
};

fn counted(edge: &EdgeHandle, verdict: Verdict, reason: Reason) -> u64 {
    Counted::by(edge).packets(verdict, reason)
}

#[test]
fn newcomers_share_their_budget_and_vouched_sources_do_not_touch_it() {
    let Some(mut bench) = or_skip(Bench::new("vouched")) else {
        return;
    };
    bench
        .gateway
        .listeners
        .push(listener(&format!("[{SERVER6}]:{PORT}")));
    // Two at once, and no third one while the test runs.
    let mut rate = shared_rate(1, 2);
    rate.limit = gateway_common::limit::Limit::new(
        gateway_common::limit::Rate {
            micro_per_second: 1_000,
        },
        2,
        1,
    )
    .unwrap();
    rate.rate_micro_per_second = 1_000;
    bench.gateway.edge.under_attack.newcomer_connections = rate;
    let edge = bench.start().unwrap();
    let _listening = [
        bench.listen(&format!("{SERVER}:{PORT}")),
        bench.listen(&format!("[{SERVER6}]:{PORT}")),
    ];
    let (vouched, control) = (edge.vouched(), edge.control());
    let known: [IpAddr; 2] = [CLIENT, CLIENT6].map(|text| text.parse().unwrap());
    for source in known {
        vouched.vouch(source, monotonic_ns());
        assert!(vouched.is_vouched(source, monotonic_ns()));
    }
    // In peace nobody looks at any of this.
    for _ in 0..3 {
        assert!(bench.reaches(OTHER_CLIENT) && bench.reaches(OTHER_CLIENT6));
    }

    control.set_under_attack(true);
    // The budget is one for all newcomers, whatever their family.
    assert!(bench.reaches(OTHER_CLIENT) && bench.reaches(OTHER_CLIENT6));
    assert!(!bench.reaches(OTHER_CLIENT) && !bench.reaches(OTHER_CLIENT6));
    assert!(counted(&edge, Verdict::Drop, Reason::NewcomerConnections) >= 2);
    for _ in 0..5 {
        assert!(bench.reaches(CLIENT) && bench.reaches(CLIENT6));
    }

    control.set_under_attack(false);
    assert!(bench.reaches(OTHER_CLIENT) && bench.reaches(OTHER_CLIENT6));
}

#[test]
fn the_trip_wire_counts_every_syn_for_a_listener_once() {
    let Some(mut bench) = or_skip(Bench::new("syns")) else {
        return;
    };
    bench.gateway.edge.connections = Some(gateway_tests::edge::source_rate(1, 3));
    let edge = bench.start().unwrap();
    let _listening = bench.listen(&format!("{SERVER}:{PORT}"));
    let _elsewhere = bench.listen(&format!("{SERVER}:9000"));
    let syns = edge.syns();
    let before = syns.read().unwrap();
    let of_reasons = || {
        counted(&edge, Verdict::Pass, Reason::NewConnection)
            + counted(&edge, Verdict::Drop, Reason::ConnectionRate)
    };
    let counted_before = of_reasons();
    for _ in 0..3 {
        assert!(bench.reaches(CLIENT));
    }
    assert!(!bench.reaches(CLIENT));
    // What is for no listener does not count.
    bench
        .connect(OTHER_CLIENT, &format!("{SERVER}:9000"))
        .unwrap();
    let (after, counted_after) = (syns.read().unwrap(), of_reasons());
    assert!(after - before >= 4);
    assert_eq!(after - before, counted_after - counted_before);

    let rounds = 1_000_u32;
    let start = monotonic_ns();
    for _ in 0..rounds {
        assert!(syns.read().unwrap() >= after);
    }
    let mean_ns = (monotonic_ns() - start) / u64::from(rounds);
    println!("one reading of the trip-wire: {mean_ns} ns");
    // Ten readings a second; a hundredth of a processor would be a millisecond each.
    assert!(mean_ns < 1_000_000, "{mean_ns} ns");
}
