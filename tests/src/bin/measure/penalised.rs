//! What the attempts of somebody who is penalised cost the whole machine.
//!
//! One generator sends the same frames over two cables. At the end of one the edge drops them, because their
//! source or their flow is penalised; at the end of the other a program drops whatever comes. What the machine
//! spends on the one beyond the other, for each frame that arrives, is the cost of an attempt. Where that is
//! less than the windows differ among themselves, the time that the kernel takes for the path by itself
//! (`BPF_PROG_TEST_RUN`) stands instead, and is marked so.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use gateway::clock::monotonic_ns;
use gateway::model::PenaltyRules;
use gateway::store::connection::ListenerRules;
use gateway::store::penalty::{Debt, HeldFlow, Offender};
use gateway::xdp::EdgeHandle;
use gateway_common::reason::{Family, Reason, Verdict};
use gateway_tests::cable::{Attached, drop_all};
use gateway_tests::edge::{Bench, CLIENT, CLIENT_INTERFACE, INTERFACE, PORT, SERVER, source_rate};
use gateway_tests::flood::{Kind, Link};
use gateway_tests::object::Object;
use gateway_tests::receive;

use crate::edge;
use crate::flood::number;
use crate::outcome::{Case, Outcome};
use crate::place::{self, Allowance};

/// Where the interfaces of the gateway receive, and where the generator runs.
const GATEWAY_CPU: usize = 0;
const OTHER_CPU: usize = 1;
/// Frames per second: enough that the receiving thread is not woken for a few of them at a time.
const RATE: u64 = 500_000;
/// Length of a window, and what goes before it.
const WINDOW: Duration = Duration::from_secs(2);
const SETTLING: Duration = Duration::from_millis(500);
/// How long a penalty lasts, which is longer than a measurement.
const PENALTY: Duration = Duration::from_secs(600);
/// The port of the flow that is held.
const CLIENT_PORT: u16 = 40_000;
/// Frames that may pass, of those that arrive: a source keeps a trickle.
const PASSED_MAX: f64 = 0.01;

/// The far end of a cable.
#[derive(Debug)]
struct End {
    bench: Bench,
    /// A program that drops everything.
    _dropping: Option<Attached>,
}

/// Measures attempts to connect of a penalised source, segments of a penalised flow, and attempts of a source
/// that others share, whose connections are limited and never shut out.
///
/// # Errors
/// What is missing on this machine, or a program that lets through what it should drop.
pub(crate) fn measure(windows: u16, outcome: &mut Outcome) -> anyhow::Result<()> {
    let empty = End::new("empty", true)?;
    let penalised = End::new("penalised", false)?;
    let edge = penalised.bench.start()?;
    let attempt = Kind::Syn4 {
        first: CLIENT.parse()?,
        bits: 0,
        server: (SERVER.parse()?, PORT),
    };
    let shared = compare(&penalised, &empty, (&edge, attempt), windows)?;
    penalise_source(&penalised, &edge)?;
    let attempts = compare(&penalised, &empty, (&edge, attempt), windows)?;
    let held = hold(&edge)?;
    let client: Ipv4Addr = CLIENT.parse()?;
    let segment = Kind::Segments4 {
        client: (client, CLIENT_PORT),
        server: (SERVER.parse()?, PORT),
    };
    let segments = compare(&penalised, &empty, (&edge, segment), windows)?;
    drop(held);
    let mut add = |name: &str, windows: Vec<f64>, path: fn() -> anyhow::Result<f64>| {
        let includes_zero = windows.iter().any(|spent| *spent <= 0.0);
        let windows = if includes_zero {
            outcome.notes.push(format!(
                "{name}: less than windows differ by, so this is the path alone, by a test run"
            ));
            vec![path()?]
        } else {
            windows
        };
        outcome.cases.push(Case {
            name: name.to_owned(),
            unit: "ns",
            windows,
            baseline: Vec::new(),
            budget: None,
        });
        anyhow::Ok(())
    };
    add("penalised_attempt", attempts, attempt_path)?;
    add("penalised_flow_segment", segments, segment_path)?;
    add("shared_source_attempt", shared, attempt_path)
}

/// Nanoseconds of the machine for each frame, beyond those that it takes to drop it unseen.
fn compare(
    edged: &End,
    empty: &End,
    (edge, kind): (&EdgeHandle, Kind),
    windows: u16,
) -> anyhow::Result<Vec<f64>> {
    let mut values = Vec::new();
    for _ in 0..windows {
        let before = passed(edge)?;
        let (with_edge, received) = edged.window(kind)?;
        let passed = number(passed(edge)?.saturating_sub(before));
        anyhow::ensure!(
            passed <= received * PASSED_MAX,
            "{passed} of {received} frames were let through"
        );
        let (without, _) = empty.window(kind)?;
        values.push(with_edge - without);
    }
    Ok(values)
}

impl End {
    fn new(name: &str, drops_all: bool) -> anyhow::Result<Self> {
        let mut bench = Bench::new(name)?;
        bench.gateway.edge.connections = Some(source_rate(20, 20));
        receive::pin(&bench.server, INTERFACE, GATEWAY_CPU)?;
        receive::pin(&bench.client, CLIENT_INTERFACE, OTHER_CPU)?;
        let dropping = drops_all.then(|| drop_all(&bench.server, INTERFACE));
        Ok(Self {
            _dropping: dropping.transpose()?,
            bench,
        })
    }

    /// Nanoseconds of the machine for each frame that arrives, and how many do.
    fn window(&self, kind: Kind) -> anyhow::Result<(f64, f64)> {
        let (client, server) = (&self.bench.client, &self.bench.server);
        let link = Link::open(client, CLIENT_INTERFACE, server, INTERFACE)?;
        let flood = link.flood(kind, RATE, Some(OTHER_CPU))?;
        std::thread::sleep(SETTLING);
        let (busy, before) = (busy_ns()?, self.received()?);
        std::thread::sleep(WINDOW);
        let (busy, received) = (busy_ns()? - busy, self.received()?.saturating_sub(before));
        flood.stop()?;
        anyhow::ensure!(received > 0, "no frame arrives");
        let received = number(received);
        Ok((busy / received, received))
    }

    /// Packets that the gateway's interface has received.
    fn received(&self) -> anyhow::Result<u64> {
        let _inside = self.bench.server.enter();
        // Of this thread's namespace; /sys shows the one in which it was mounted.
        let text = std::fs::read_to_string("/proc/thread-self/net/dev")?;
        let found = text.lines().find_map(|line| {
            let fields = line.trim().strip_prefix(INTERFACE)?.strip_prefix(':')?;
            fields.split_whitespace().nth(1)?.parse().ok()
        });
        found.context("the interface is gone")
    }
}

/// Processor time that everything on this machine has used, in nanoseconds: the fields `user`, `nice`,
/// `system`, `irq` and `softirq` of /proc/stat (proc_stat(5)).
fn busy_ns() -> anyhow::Result<f64> {
    let text = std::fs::read_to_string("/proc/stat")?;
    let line = text.lines().next().context("/proc/stat is empty")?;
    let fields: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let busy: u64 = [0, 1, 2, 5, 6]
        .iter()
        .filter_map(|index: &usize| fields.get(*index))
        .sum();
    let per_second = rustix::param::clock_ticks_per_second();
    Ok(number(busy) * 1e9 / number(per_second))
}

/// Frames that the program let through.
fn passed(edge: &EdgeHandle) -> anyhow::Result<u64> {
    let verdicts = edge.statistics().verdicts()?;
    let passed = verdicts.iter().filter(|count| {
        let is_of_flood = matches!(count.reason, Reason::NewConnection | Reason::Admitted);
        count.verdict == Verdict::Pass && count.family == Family::Ipv4 && is_of_flood
    });
    Ok(passed.map(|count| count.counter.packets).sum())
}

fn offender() -> anyhow::Result<Offender> {
    let peer = SocketAddr::new(CLIENT.parse()?, CLIENT_PORT);
    Offender::new(peer, std::iter::empty()).context("nobody is a proxy here")
}

fn penalise_source(end: &End, edge: &EdgeHandle) -> anyhow::Result<()> {
    let gateway = &end.bench.gateway;
    let listener = gateway.listeners.first().context("there is a listener")?;
    let seed = edge.buckets().seed();
    let limit = ListenerRules::of(gateway, 1, listener, seed).connections;
    let penalties = edge.penalties();
    let owed = penalties.add_debt(offender()?, &limit, PENALTY, PENALTY, monotonic_ns());
    anyhow::ensure!(matches!(owed, Debt::Owed(_)), "the source is {owed:?}");
    Ok(())
}

fn hold(edge: &EdgeHandle) -> anyhow::Result<HeldFlow> {
    let (penalties, limit) = (edge.penalties(), PenaltyRules::default().offences);
    let offence = penalties.offence(1, offender()?);
    let owed = penalties.offend(offence, &limit, PENALTY, PENALTY, monotonic_ns());
    owed.context("there is room for an offence")?;
    let local = SocketAddr::new(SERVER.parse()?, PORT);
    Ok(penalties.hold(offender()?, local, offence, &limit)?)
}

/// Nanoseconds over an empty program for a SYN that is refused for its source's debt.
fn attempt_path() -> anyhow::Result<f64> {
    let mut object = place::furnish(Object::load()?, Allowance::UNREACHED)?;
    place::shut_out(&mut object, place::CLIENT)?;
    edge::over_empty_ns(&mut object, place::attempt(place::CLIENT))
}

/// The same for a segment of a held flow.
fn segment_path() -> anyhow::Result<f64> {
    let mut object = place::furnish(Object::load()?, Allowance::UNREACHED)?;
    place::penalise(&mut object, place::CLIENT)?;
    edge::over_empty_ns(&mut object, place::segment(place::CLIENT))
}
