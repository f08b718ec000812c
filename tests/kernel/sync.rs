//! Lists, settings and addresses as they reach the program.

use std::time::Duration;

use aya::maps::Array;
use gateway::model::{OnExit, SharedRate, SourceRate};
use gateway::store::list::{Change, Lists, Moment};
use gateway::xdp::offline_list_sink;
use gateway_common::limit::{Limit, Rate};
use gateway_common::name::MAP_CONTROL;
use gateway_common::reason::{Reason, Verdict};
use gateway_common::settings::Control;
use gateway_tests::capability::or_skip;
use gateway_tests::counted::Counted;
use gateway_tests::edge::{
    Bench, CLIENT, CLIENT6, OTHER_CLIENT, OTHER_CLIENT6, PORT, SERVER, SERVER6, listener,
};
use gateway_tests::pinned::pinned;

/// Attempts within which something that happens elsewhere has to have happened.
const ATTEMPTS_MAX: usize = 200;

#[test]
fn denied_addresses_get_nothing_while_others_connect() {
    let Some(bench) = or_skip(Bench::new("deny")) else {
        return;
    };
    let state = tempfile::tempdir().unwrap();
    let edge = bench.start().unwrap();
    let list = Lists::open(state.path(), Moment::now()).unwrap();
    list.attach(edge.list_sink()).unwrap();
    let _listener = bench.listen(&format!("{SERVER}:{PORT}"));

    let client = format!("{CLIENT}/32").parse().unwrap();
    list.add(Change::deny(client), None, Moment::now()).unwrap();
    assert!(!bench.reaches(CLIENT));
    assert!(bench.reaches(OTHER_CLIENT));
    assert!(Counted::by(&edge).packets(Verdict::Drop, Reason::Denied) >= 1);

    // Under a live prefix that covers it, taking the address off changes nothing for it.
    let both = "10.77.0.2/31".parse().unwrap();
    list.add(Change::deny(both), None, Moment::now()).unwrap();
    assert!(list.remove(Change::deny(client), Moment::now()).unwrap());
    assert!(!bench.reaches(CLIENT));
    assert!(!bench.reaches(OTHER_CLIENT));
    assert!(list.remove(Change::deny(both), Moment::now()).unwrap());
    assert!(bench.reaches(CLIENT));
    assert!(bench.reaches(OTHER_CLIENT));
}

#[test]
fn ipv6_is_denied_by_address_by_48_by_32_and_below() {
    let Some(mut bench) = or_skip(Bench::new("deny6")) else {
        return;
    };
    let state = tempfile::tempdir().unwrap();
    bench.gateway.listeners = vec![listener(&format!("[{SERVER6}]:{PORT}"))];
    let edge = bench.start().unwrap();
    let list = Lists::open(state.path(), Moment::now()).unwrap();
    list.attach(edge.list_sink()).unwrap();
    let _listener = bench.listen(&format!("[{SERVER6}]:{PORT}"));
    assert!(bench.reaches(CLIENT6) && bench.reaches(OTHER_CLIENT6));
    for prefix in ["fd77::2", "fd77::/48", "fd77::/40", "fd77::/20"] {
        let prefix = prefix.parse().unwrap();
        list.add(Change::deny(prefix), None, Moment::now()).unwrap();
        assert!(!bench.reaches(CLIENT6), "{prefix}");
        assert!(bench.reaches(OTHER_CLIENT6), "{prefix}");
        assert!(list.remove(Change::deny(prefix), Moment::now()).unwrap());
        assert!(bench.reaches(CLIENT6), "{prefix}");
    }
}

#[test]
fn an_entry_ends_by_itself() {
    let Some(bench) = or_skip(Bench::new("expiry")) else {
        return;
    };
    let state = tempfile::tempdir().unwrap();
    let edge = bench.start().unwrap();
    let list = Lists::open(state.path(), Moment::now()).unwrap();
    list.attach(edge.list_sink()).unwrap();
    let _listener = bench.listen(&format!("{SERVER}:{PORT}"));
    let network = "10.77.0.0/24".parse().unwrap();
    list.add(
        Change::deny(network),
        Some(Duration::from_millis(1_500)),
        Moment::now(),
    )
    .unwrap();
    assert!(!bench.reaches(CLIENT));
    assert!((0..ATTEMPTS_MAX).any(|_| bench.reaches(CLIENT)));
}

/// An address or prefix that ends opens nothing that a wider prefix denies.
#[test]
fn what_ends_inside_a_live_prefix_stays_denied() {
    const BRIEFLY: Duration = Duration::from_millis(300);
    let Some(bench) = or_skip(Bench::new("inside")) else {
        return;
    };
    let state = tempfile::tempdir().unwrap();
    let edge = bench.start().unwrap();
    let list = Lists::open(state.path(), Moment::now()).unwrap();
    list.attach(edge.list_sink()).unwrap();
    let _listener = bench.listen(&format!("{SERVER}:{PORT}"));
    let network = Change::deny("10.77.0.0/24".parse().unwrap());
    list.add(network, None, Moment::now()).unwrap();
    for inside in ["10.77.0.2/32", "10.77.0.2/31"] {
        let inside = Change::deny(inside.parse().unwrap());
        list.add(inside, Some(BRIEFLY), Moment::now()).unwrap();
    }
    std::thread::sleep(2 * BRIEFLY);
    assert!(!bench.reaches(CLIENT));
    assert!(!bench.reaches(OTHER_CLIENT));
    assert!(list.remove(network, Moment::now()).unwrap());
    assert!(bench.reaches(CLIENT));
    assert!(bench.reaches(OTHER_CLIENT));
}

#[test]
fn a_restart_swaps_the_whole_list_and_keeps_nothing_stale() {
    let Some(bench) = or_skip(Bench::new("swap")) else {
        return;
    };
    let state = tempfile::tempdir().unwrap();
    let edge = bench.start().unwrap();
    let list = Lists::open(state.path(), Moment::now()).unwrap();
    list.attach(edge.list_sink()).unwrap();
    let _listener = bench.listen(&format!("{SERVER}:{PORT}"));
    for prefix in [
        "10.77.0.2/32",
        "10.0.0.0/9",
        "2001:db8::/32",
        "2001:db8::1/128",
    ] {
        list.add(Change::deny(prefix.parse().unwrap()), None, Moment::now())
            .unwrap();
    }
    assert!(!bench.reaches(CLIENT));
    edge.shutdown(OnExit::Keep).unwrap();
    drop(list);

    // While no daemon runs the command line changes list and tables under both locks.
    let instance = bench.gateway.instance.clone();
    let list = Lists::open(state.path(), Moment::now()).unwrap();
    list.attach(offline_list_sink(&instance).unwrap().unwrap())
        .unwrap();
    assert!(!bench.reaches(CLIENT));
    assert!(
        bench
            .start()
            .unwrap_err()
            .to_string()
            .contains("already running")
    );
    list.remove(Change::deny("10.77.0.2/32".parse().unwrap()), Moment::now())
        .unwrap();
    assert!(!bench.reaches(CLIENT));
    list.remove(Change::deny("10.0.0.0/9".parse().unwrap()), Moment::now())
        .unwrap();
    assert!(bench.reaches(CLIENT));
    list.add(
        Change::deny("10.77.0.3/32".parse().unwrap()),
        None,
        Moment::now(),
    )
    .unwrap();
    drop(list);
    assert!(!bench.reaches(OTHER_CLIENT));

    let edge = bench.start().unwrap();
    assert!(!bench.reaches(OTHER_CLIENT));
    let list = Lists::open(state.path(), Moment::now()).unwrap();
    list.attach(edge.list_sink()).unwrap();
    assert!(!bench.reaches(OTHER_CLIENT));
    assert!(bench.reaches(CLIENT));
}

#[test]
fn a_change_while_no_gateway_runs_keeps_the_limits_in_force() {
    let Some(mut bench) = or_skip(Bench::new("keep")) else {
        return;
    };
    let rate = Rate {
        micro_per_second: 1_000,
    };
    let limit = Limit::new(rate, 2, 1).unwrap();
    bench.gateway.edge.connections = Some(SourceRate {
        source: limit,
        aggregate: limit,
        rate_micro_per_second: rate.micro_per_second,
        burst: 2,
    });
    let edge = bench.start().unwrap();
    let _listener = bench.listen(&format!("{SERVER}:{PORT}"));
    edge.shutdown(OnExit::Keep).unwrap();

    let state = tempfile::tempdir().unwrap();
    let list = Lists::open(state.path(), Moment::now()).unwrap();
    let instance = bench.gateway.instance.clone();
    list.attach(offline_list_sink(&instance).unwrap().unwrap())
        .unwrap();
    let other = Change::deny("10.77.0.3/32".parse().unwrap());
    list.add(other, None, Moment::now()).unwrap();
    drop(list);
    assert!(bench.reaches(CLIENT) && bench.reaches(CLIENT));
    assert!(!bench.reaches(CLIENT));
}

#[test]
fn a_connection_rate_drops_and_recovers() {
    let Some(mut bench) = or_skip(Bench::new("rate")) else {
        return;
    };
    let limit = Limit::new(Rate::per_second(1), 2, 1).unwrap();
    bench.gateway.edge.connections = Some(SourceRate {
        source: limit,
        aggregate: limit,
        rate_micro_per_second: 1_000_000,
        burst: 2,
    });
    let edge = bench.start().unwrap();
    let _listener = bench.listen(&format!("{SERVER}:{PORT}"));
    assert!(bench.reaches(CLIENT) && bench.reaches(CLIENT));
    assert!(!bench.reaches(CLIENT));
    assert!(bench.reaches(OTHER_CLIENT));
    assert!(Counted::by(&edge).packets(Verdict::Drop, Reason::ConnectionRate) >= 1);
    assert!((0..ATTEMPTS_MAX).any(|_| bench.reaches(CLIENT)));
}

/// A limit that was too tight goes on refusing for as long as its debts last; once it is corrected
/// nobody owes anything under the old one. A configuration that says the same keeps all debts.
#[test]
fn debts_end_with_the_limit_they_were_made_under() {
    let Some(mut bench) = or_skip(Bench::new("corrected")) else {
        return;
    };
    let connections = |burst| {
        let rate = Rate {
            micro_per_second: 1_000,
        };
        let limit = Limit::new(rate, burst, 1).unwrap();
        Some(SourceRate {
            source: limit,
            aggregate: limit,
            rate_micro_per_second: rate.micro_per_second,
            burst,
        })
    };
    bench.gateway.edge.connections = connections(1);
    let mut edge = bench.start().unwrap();
    let _listener = bench.listen(&format!("{SERVER}:{PORT}"));
    assert!(bench.reaches(CLIENT));
    assert!(!bench.reaches(CLIENT));
    bench.apply(&mut edge, &bench.gateway).unwrap();
    assert!(!bench.reaches(CLIENT));

    let mut corrected = bench.gateway.clone();
    corrected.edge.connections = connections(2);
    bench.apply(&mut edge, &corrected).unwrap();
    assert!(bench.reaches(CLIENT) && bench.reaches(CLIENT));
    assert!(!bench.reaches(CLIENT));

    // Nor does what newcomers share.
    edge.control().set_under_attack(true);
    let mut shared = |burst| {
        let limit = connections(burst).unwrap();
        corrected.edge.under_attack.newcomer_connections = SharedRate {
            limit: limit.source,
            rate_micro_per_second: limit.rate_micro_per_second,
            burst,
        };
        bench.apply(&mut edge, &corrected).unwrap();
    };
    shared(1);
    assert!(bench.reaches(OTHER_CLIENT));
    assert!(!bench.reaches(OTHER_CLIENT));
    shared(2);
    assert!(bench.reaches(OTHER_CLIENT));
}

#[test]
fn other_listeners_and_limits_are_put_in_force_by_one_word() {
    let Some(bench) = or_skip(Bench::new("apply")) else {
        return;
    };
    let mut edge = bench.start().unwrap();
    let _listener = bench.listen(&format!("{SERVER}:{PORT}"));
    let _other = bench.listen(&format!("{SERVER}:9000"));
    let active = || {
        let control: Array<_, Control> = pinned(bench.gateway.instance.as_str(), MAP_CONTROL);
        control.get(&0, 0).unwrap().active
    };
    let before = active();
    let mut changed = bench.gateway.clone();
    changed.listeners = vec![listener(&format!("{SERVER}:9000"))];
    let limit = Limit::new(Rate::per_second(1), 1, 1).unwrap();
    changed.edge.connections = Some(SourceRate {
        source: limit,
        aggregate: limit,
        rate_micro_per_second: 1_000_000,
        burst: 1,
    });
    bench.apply(&mut edge, &changed).unwrap();
    assert_ne!(active(), before);
    // The old listener is not ours any more, so no limit applies to it.
    for _ in 0..3 {
        assert!(bench.reaches(CLIENT));
    }
    let target = format!("{SERVER}:9000");
    assert!(bench.connect(CLIENT, &target).is_ok());
    assert!(bench.connect(CLIENT, &target).is_err());
    // The same configuration again moves nothing.
    let before = active();
    bench.apply(&mut edge, &changed).unwrap();
    assert_eq!(active(), before);
}

#[test]
fn a_wildcard_follows_the_addresses_of_the_host() {
    let Some(mut bench) = or_skip(Bench::new("follow")) else {
        return;
    };
    bench.gateway.listeners = vec![listener(&format!("0.0.0.0:{PORT}"))];
    let edge = bench.start().unwrap();
    let coverage = edge.coverage();
    let address = |text: &str| text.parse::<std::net::IpAddr>().unwrap();
    assert!(coverage.covers(address(SERVER)) && !coverage.covers(address("127.0.0.1")));
    assert!(!coverage.covers(address("10.77.0.9")));
    let _listener = bench.listen(&format!("0.0.0.0:{PORT}"));
    assert!(bench.reaches(CLIENT));
    assert_eq!(
        Counted::by(&edge).packets(Verdict::Pass, Reason::NewConnection),
        1
    );

    let follower = edge.address_follower();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (started, running) = std::sync::mpsc::sync_channel(1);
    std::thread::scope(|scope| {
        let server = &bench.server;
        let task = scope.spawn(move || {
            server.run(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                runtime.block_on(async {
                    started.send(()).unwrap();
                    tokio::select! {
                        ended = follower.run() => panic!("{ended:?}"),
                        _ = stopped => {}
                    }
                });
            });
        });
        running.recv().unwrap();
        // The namespace's thread is busy following, so the address is added from outside it.
        bench
            .server
            .ip_from_outside("address add 10.77.0.9/24 dev gw0")
            .unwrap();
        let target = format!("10.77.0.9:{PORT}");
        let is_judged = (0..ATTEMPTS_MAX).any(|_| {
            bench.connect(CLIENT, &target).unwrap();
            Counted::by(&edge).packets(Verdict::Pass, Reason::NewConnection) >= 2
        });
        stop.send(()).unwrap();
        task.join().unwrap();
        assert!(is_judged, "the new address was never judged");
    });
    assert!(coverage.covers(address("10.77.0.9")));
}
