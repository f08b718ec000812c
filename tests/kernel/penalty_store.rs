//! What the daemon writes as penalties, and what the program makes of it.

use std::io::{Read as _, Write as _};
use std::iter;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use gateway::clock::monotonic_ns;
use gateway::model::{ProxyProtocol, SourceRate};
use gateway::store::connection::ListenerRules;
use gateway::store::penalty::{Debt, FlowError, Offender, Penalties};
use gateway::xdp::EdgeHandle;
use gateway_common::capacity::FLOW_MAX;
use gateway_common::flow::{FlowKey, FlowRow};
use gateway_common::limit::{Limit, Rate};
use gateway_common::name::MAP_FLOWS;
use gateway_common::reason::{Reason, Verdict};
use gateway_common::settings::SourceLimit;
use gateway_tests::capability::or_skip;
use gateway_tests::counted::Counted;
use gateway_tests::edge::{Bench, CLIENT, OTHER_CLIENT, PORT, SERVER, listener, source_rate};
use gateway_tests::pinned::pinned;
use gateway_tests::wait::received;

/// How often something is tried that is to work in the end.
const ATTEMPTS_MAX: usize = 60;

fn counted(edge: &EdgeHandle, verdict: Verdict, reason: Reason) -> u64 {
    Counted::by(edge).packets(verdict, reason)
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn offender(text: &str) -> Offender {
    direct(SocketAddr::new(address(text), 40_000))
}

/// One who has come without a proxy.
fn direct(peer: SocketAddr) -> Offender {
    Offender::new(peer, iter::empty()).unwrap()
}

/// Many clients stand behind them, and a penalty would shut all of them out.
#[test]
fn proxies_and_balancers_are_never_penalised() {
    let mut listener = listener("10.77.1.1:443");
    listener.trusted_proxies = vec![
        "10.77.0.0/24".parse().unwrap(),
        "fd77::/32".parse().unwrap(),
    ];
    listener.proxy_protocol = Some(ProxyProtocol {
        from: vec!["10.78.0.0/24".parse().unwrap()],
        timeout: Duration::from_secs(5),
    });
    for proxy in ["10.77.0.9", "::ffff:10.77.0.9", "fd77::9", "10.78.0.9"] {
        let peer = SocketAddr::new(address(proxy), 1);
        assert_eq!(Offender::new(peer, listener.proxies()), None, "{proxy}");
    }
    for client in ["10.77.1.9", "fd78::9", "10.78.1.9"] {
        let peer = SocketAddr::new(address(client), 1);
        assert!(
            Offender::new(peer, listener.proxies()).is_some(),
            "{client}"
        );
    }
}

/// The limit that the program charges connections of the only listener to.
fn connection_limit(bench: &Bench, edge: &EdgeHandle) -> SourceLimit {
    let gateway = &bench.gateway;
    let seed = edge.buckets().seed();
    ListenerRules::of(gateway, 1, &gateway.listeners[0], seed).connections
}

/// Two at once, and the next one not while a test runs.
fn slow_trickle() -> SourceRate {
    let rate = Rate {
        micro_per_second: 1_000,
    };
    let limit = Limit::new(rate, 2, 1).unwrap();
    SourceRate {
        source: limit,
        aggregate: limit,
        rate_micro_per_second: rate.micro_per_second,
        burst: 2,
    }
}

/// Rows of the flow table as the kernel has them.
fn rows(bench: &Bench) -> usize {
    let flows: aya::maps::HashMap<_, FlowKey, FlowRow> =
        pinned(bench.gateway.instance.as_str(), MAP_FLOWS);
    flows.keys().map(Result::unwrap).count()
}

#[test]
fn a_source_in_debt_keeps_the_trickle_until_the_debt_has_passed() {
    let Some(mut bench) = or_skip(Bench::new("debt")) else {
        return;
    };
    bench.gateway.edge.connections = Some(source_rate(100, 10));
    bench.gateway.edge.trickle = slow_trickle();
    let edge = bench.start().unwrap();
    let _listener = bench.listen(&format!("{SERVER}:{PORT}"));
    assert!(bench.reaches(CLIENT));
    let (penalties, limit) = (edge.penalties(), connection_limit(&bench, &edge));
    let most = Duration::from_secs(60);
    let add = |debt| penalties.add_debt(offender(CLIENT), &limit, debt, most, monotonic_ns());

    // Debt within a full bucket refuses nobody.
    assert_eq!(add(Duration::from_millis(1)), Debt::Owed(Duration::ZERO));
    assert!(bench.reaches(CLIENT));
    assert_eq!(counted(&edge, Verdict::Pass, Reason::Trickle), 0);

    let Debt::Owed(beyond) = add(Duration::from_secs(12)) else {
        panic!("no room in an empty table")
    };
    assert!(beyond > Duration::from_secs(11), "{beyond:?}");
    assert!(bench.reaches(CLIENT) && bench.reaches(CLIENT));
    assert_eq!(counted(&edge, Verdict::Pass, Reason::Trickle), 2);
    assert!(!bench.reaches(CLIENT));
    assert!(counted(&edge, Verdict::Drop, Reason::ConnectionRate) >= 1);
    // Nobody else is concerned.
    assert!(bench.reaches(OTHER_CLIENT));

    let admitted = counted(&edge, Verdict::Pass, Reason::NewConnection);
    assert!((0..ATTEMPTS_MAX).any(|_| bench.reaches(CLIENT)));
    assert_eq!(
        counted(&edge, Verdict::Pass, Reason::NewConnection),
        admitted + 1
    );
    assert_eq!(counted(&edge, Verdict::Pass, Reason::Trickle), 2);
}

#[test]
fn debt_needs_a_limit_and_ends_at_its_most() {
    let Some(mut bench) = or_skip(Bench::new("most")) else {
        return;
    };
    bench.gateway.edge.connections = Some(source_rate(100, 10));
    let edge = bench.start().unwrap();
    let (penalties, limit) = (edge.penalties(), connection_limit(&bench, &edge));
    let now = monotonic_ns();
    let minute = Duration::from_secs(60);
    for _ in 0..3 {
        let owed = penalties.add_debt(offender(CLIENT), &limit, 2 * minute, minute, now);
        assert_eq!(owed, Debt::Owed(minute));
    }
    let off = SourceLimit::default();
    let owed = penalties.add_debt(offender(CLIENT), &off, minute, minute, now);
    assert_eq!(owed, Debt::Unlimited);
}

/// A connection from the client whose other end sends back what it gets.
fn echo(bench: &Bench, listener: &std::net::TcpListener) -> (TcpStream, TcpStream) {
    let client = bench.connect(CLIENT, &format!("{SERVER}:{PORT}")).unwrap();
    let (server, _) = listener.accept().unwrap();
    for stream in [&client, &server] {
        stream
            .set_read_timeout(Some(Duration::from_millis(500)))
            .unwrap();
    }
    (client, server)
}

/// Whether a byte sent now arrives within half a second.
fn arrives(client: &mut TcpStream, server: &mut TcpStream) -> bool {
    client.write_all(b"x").unwrap();
    received(|| server.read(&mut [0; 64])).is_some_and(|bytes| bytes > 0)
}

/// Takes what TCP still delivers, until nothing comes for half a second.
fn drain(server: &mut TcpStream) {
    while received(|| server.read(&mut [0; 64])).is_some_and(|bytes| bytes > 0) {}
}

fn hold(
    penalties: &Penalties,
    server: &TcpStream,
    limit: &Limit,
) -> (gateway::store::penalty::HeldFlow, impl Fn(Duration) + use<>) {
    let (peer, local) = (server.peer_addr().unwrap(), server.local_addr().unwrap());
    let offender = direct(peer);
    let offence = penalties.offence(7, offender);
    let held = penalties.hold(offender, local, offence, limit).unwrap();
    let (penalties, limit) = (penalties.clone(), *limit);
    let offend = move |debt| {
        let most = Duration::from_secs(60);
        let beyond = penalties.offend(offence, &limit, debt, most, monotonic_ns());
        assert!(beyond.is_some());
        assert!(penalties.is_in_debt(offence, &limit, monotonic_ns()));
    };
    (held, offend)
}

#[test]
fn a_held_flow_is_dropped_only_while_its_offence_is_in_debt() {
    let Some(bench) = or_skip(Bench::new("flow")) else {
        return;
    };
    let edge = bench.start().unwrap();
    let listener = bench.listen(&format!("{SERVER}:{PORT}"));
    let (mut client, mut server) = echo(&bench, &listener);
    let (mut neighbour, mut neighbour_server) = echo(&bench, &listener);
    let penalties = edge.penalties();
    let limit = Limit::new(Rate::per_second(10), 5, 1).unwrap();

    assert!(arrives(&mut client, &mut server));
    let (held, offend) = hold(&penalties, &server, &limit);
    assert_eq!((penalties.counts().flows, rows(&bench)), (1, 1));
    assert!(arrives(&mut client, &mut server));
    assert_eq!(counted(&edge, Verdict::Drop, Reason::Penalised), 0);

    offend(Duration::from_secs(4));
    assert!(!arrives(&mut client, &mut server));
    assert!(counted(&edge, Verdict::Drop, Reason::Penalised) >= 1);
    // Another connection of the same source carries another key.
    assert!(arrives(&mut neighbour, &mut neighbour_server));
    // What TCP sends again arrives when the debt has passed.
    assert!((0..ATTEMPTS_MAX).any(|_| arrives(&mut client, &mut server)));
    drain(&mut server);

    offend(Duration::from_secs(60));
    assert!(!arrives(&mut client, &mut server));
    drop(held);
    assert_eq!((penalties.counts().flows, rows(&bench)), (0, 0));
    assert!((0..ATTEMPTS_MAX).any(|_| arrives(&mut client, &mut server)));
}

#[test]
fn full_tables_refuse_and_are_counted() {
    let Some(bench) = or_skip(Bench::new("full")) else {
        return;
    };
    let edge = bench.start().unwrap();
    let penalties = edge.penalties();
    let limit = Limit::new(Rate::per_second(1), 1, 1).unwrap();
    let local: SocketAddr = format!("{SERVER}:{PORT}").parse().unwrap();
    let offence = penalties.offence(7, offender(CLIENT));
    let hold = |port: usize| {
        let peer = SocketAddr::new(address(CLIENT), u16::try_from(port).unwrap());
        let offender = direct(peer);
        penalties.hold(offender, local, offence, &limit)
    };
    let held: Vec<_> = (1..=FLOW_MAX).map(|port| hold(port).unwrap()).collect();
    let before = penalties.counts().refused;
    let more = hold(FLOW_MAX + 1);
    assert!(matches!(more, Err(FlowError::Full)), "{more:?}");
    let counts = penalties.counts();
    assert_eq!(counts.refused, before + 1);
    assert_eq!(counts.flows, u64::try_from(FLOW_MAX).unwrap());
    drop(held);
    let counts = penalties.counts();
    assert_eq!((counts.flows, counts.failed, rows(&bench)), (0, 0, 0));

    // More offences than the table has ways: some find their line full of debtors.
    let before = counts.refused;
    let most = Duration::from_secs(600);
    let now = monotonic_ns();
    let refused = (0..=4 << 12)
        .filter(|&key| {
            let offence = penalties.offence(key, offender(CLIENT));
            penalties.offend(offence, &limit, most, most, now).is_none()
        })
        .count();
    assert!(refused > 0);
    assert_eq!(
        penalties.counts().refused - before,
        u64::try_from(refused).unwrap()
    );
}

#[test]
fn a_flow_is_held_once() {
    let Some(bench) = or_skip(Bench::new("twice")) else {
        return;
    };
    let edge = bench.start().unwrap();
    let penalties = edge.penalties();
    let limit = Limit::new(Rate::per_second(1), 1, 1).unwrap();
    let offender = offender(CLIENT);
    let local = SocketAddr::new(address(SERVER), PORT);
    let offence = penalties.offence(7, offender);
    let held = penalties.hold(offender, local, offence, &limit).unwrap();
    let again = penalties.hold(offender, local, offence, &limit);
    assert!(matches!(again, Err(FlowError::Held)), "{again:?}");
    assert_eq!((penalties.counts().flows, rows(&bench)), (1, 1));
    drop(held);
    assert_eq!((penalties.counts().flows, rows(&bench)), (0, 0));
}

#[test]
fn rows_that_a_killed_gateway_left_are_gone_with_the_next_start() {
    let Some(bench) = or_skip(Bench::new("left")) else {
        return;
    };
    let edge = bench.start().unwrap();
    let limit = Limit::new(Rate::per_second(1), 1, 1).unwrap();
    let offender = offender(CLIENT);
    let local = SocketAddr::new(address(SERVER), PORT);
    let penalties = edge.penalties();
    let offence = penalties.offence(7, offender);
    // As if the process had ended without a word.
    std::mem::forget(penalties.hold(offender, local, offence, &limit).unwrap());
    edge.shutdown(gateway::model::OnExit::Keep).unwrap();
    assert_eq!(rows(&bench), 1);
    let edge = bench.start().unwrap();
    assert_eq!((edge.penalties().counts().flows, rows(&bench)), (0, 0));
}
