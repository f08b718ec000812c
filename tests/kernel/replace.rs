//! Replacing the program under load, again and again: no packet goes uncounted, and no word that a
//! run before wrote is lost.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as the tests do")]

use std::collections::HashMap;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use aya::maps::Array;
use gateway::model::{OnExit, SourceRate};
use gateway::store::bucket::{LeastSlack, Owner, source_limit};
use gateway::store::list::{Change, Lists, Moment};
use gateway::xdp::stats;
use gateway_common::address::KIND_CONNECTIONS;
use gateway_common::limit::{Charge, Limit, Rate};
use gateway_common::name::MAP_SOURCES;
use gateway_common::reason::Reason;
use gateway_tests::capability::or_skip;
use gateway_tests::edge::{
    Bench, CLIENT, CLIENT_INTERFACE, INTERFACE, OTHER_CLIENT, OTHER_CLIENT6, PORT, SERVER, SERVER6,
    listener,
};
use gateway_tests::namespace::Namespace;
use gateway_tests::pinned::pinned;

/// Replacements. `GATEWAY_SOAK_REPLACEMENTS` says otherwise.
const REPLACEMENTS: u32 = 40;
/// Packets of load that have to arrive between two replacements.
const LOAD: u64 = 200;
/// Looks at counters that a packet in flight may still change.
const ATTEMPTS_MAX: u32 = 10_000;
/// Burst of the limit, more than there are connections in any run of this test.
const BURST: u64 = 3_000;
/// Charges of the debt that has to survive: a part of the burst, worth 200 s.
const DEBT: u64 = 2_000;

fn limit() -> SourceRate {
    SourceRate {
        source: Limit::new(Rate::per_second(10), BURST, 1).unwrap(),
        aggregate: Limit::OFF,
        rate_micro_per_second: 10_000_000,
        burst: BURST,
    }
}

/// Every tag in the pinned table of sources with its word.
fn words(bench: &Bench) -> HashMap<u64, u64> {
    let lines: Array<_, [[u64; 2]; 4]> = pinned(bench.gateway.instance.as_str(), MAP_SOURCES);
    lines
        .iter()
        .flat_map(|line| line.unwrap())
        .filter(|[tag, _]| *tag != 0)
        .map(|[tag, word]| (tag, word))
        .collect()
}

/// Some columns of an interface in `/proc/net/dev`.
fn columns<const N: usize>(
    namespace: &Namespace,
    interface: &'static str,
    wanted: [usize; N],
) -> [u64; N] {
    namespace.run(move || {
        // Of this thread's namespace; /sys shows that in which it was mounted.
        let text = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap();
        let line = text
            .lines()
            .find_map(|line| line.trim().strip_prefix(interface)?.strip_prefix(':'))
            .unwrap();
        let fields: Vec<&str> = line.split_whitespace().collect();
        wanted.map(|column| fields[column].parse().unwrap())
    })
}

/// Packets that the gateway's interface has received.
fn received(bench: &Bench) -> u64 {
    let [packets] = columns(&bench.server, INTERFACE, [1]);
    packets
}

/// Packets that an interface has dropped, in both directions.
fn dropped(namespace: &Namespace, interface: &'static str) -> u64 {
    columns(namespace, interface, [3, 11]).iter().sum()
}

fn total(snapshot: &stats::Snapshot) -> u64 {
    snapshot
        .verdicts
        .iter()
        .map(|count| count.counter.packets)
        .sum()
}

/// No cell of `before` is larger than the same cell of `after`.
fn never_back(before: &stats::Snapshot, after: &stats::Snapshot) {
    for old in &before.verdicts {
        let same = |new: &&stats::VerdictCount| {
            (new.verdict, new.reason, new.family) == (old.verdict, old.reason, old.family)
        };
        let new = after.verdicts.iter().find(same).unwrap();
        assert!(
            new.counter.packets >= old.counter.packets,
            "{old:?}, {new:?}"
        );
    }
}

fn read(bench: &Bench) -> stats::Snapshot {
    let instance = bench.gateway.instance.clone();
    let pinned = bench
        .server
        .run(move || stats::open_pinned(&instance))
        .unwrap()
        .unwrap();
    pinned.statistics.read().unwrap()
}

/// Sends datagrams until it is dropped.
struct Flood {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Flood {
    fn start(bench: &Bench) -> Self {
        let (stop, sent) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let (flag, count) = (Arc::clone(&stop), Arc::clone(&sent));
        let thread = bench.client.spawn(move || {
            let socket = UdpSocket::bind((CLIENT, 0)).unwrap();
            while !flag.load(Ordering::Relaxed) {
                // A refused port answers by ICMP, which the next send reports.
                match socket.send_to(b"traffic", (SERVER, PORT)) {
                    Ok(_) => drop(count.fetch_add(1, Ordering::Relaxed)),
                    Err(error) => {
                        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
                    }
                }
            }
        });
        Self {
            stop,
            sent,
            thread: Some(thread),
        }
    }

    /// Returns once more of it has been sent.
    fn go_on(&self) {
        let start = self.sent.load(Ordering::Relaxed);
        while self.sent.load(Ordering::Relaxed) < start + LOAD {
            std::thread::yield_now();
        }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking());
    }
}

#[test]
fn replacements_under_load_count_every_packet_once_and_lose_no_word() {
    let Some(mut bench) = or_skip(Bench::new("storm")) else {
        return;
    };
    let replacements = std::env::var("GATEWAY_SOAK_REPLACEMENTS");
    let replacements = replacements.map_or(REPLACEMENTS, |text| {
        text.parse().expect("GATEWAY_SOAK_REPLACEMENTS is a number")
    });
    bench
        .gateway
        .listeners
        .push(listener(&format!("[{SERVER6}]:{PORT}")));
    bench.gateway.edge.connections = Some(limit());
    let mut edge = bench.start().unwrap();
    let four = bench.listen(&format!("{SERVER}:{PORT}"));
    let _six = bench.listen(&format!("[{SERVER6}]:{PORT}"));

    // A debt, a slot and a denied source that every run after this one has to know.
    let buckets = edge.buckets();
    let charged = source_limit(
        Some(&limit()),
        KIND_CONNECTIONS,
        Owner::All,
        LeastSlack::of(&bench.gateway),
        buckets.seed(),
    );
    let now = Moment::now().monotonic_ns;
    for _ in 0..DEBT {
        let charge = buckets.charge_source(OTHER_CLIENT.parse().unwrap(), now, &charged);
        assert!(matches!(charge, Charge::Admitted { .. }));
    }
    let slot = buckets.claim_slot(42).unwrap();
    buckets.slot(slot).admitted.store(7, Ordering::Relaxed);
    let state = tempfile::tempdir().unwrap();
    let list = Lists::open(state.path(), Moment::now()).unwrap();
    list.attach(edge.list_sink()).unwrap();
    let denied = format!("{OTHER_CLIENT6}/128").parse().unwrap();
    list.add(Change::deny(denied), None, Moment::now()).unwrap();
    drop((buckets, list));
    let owed = words(&bench);
    assert!(owed.values().any(|word| *word > now + 190_000_000_000));

    // Once the neighbour is known, nothing is lost waiting for it.
    assert!(bench.reaches(CLIENT));
    drop(four.accept().unwrap());
    let arrived_before = received(&bench);
    let mut seen = read(&bench);
    let counted_before = total(&seen);
    let flood = Flood::start(&bench);
    for number in 0..replacements {
        edge.shutdown(OnExit::Keep).unwrap();
        flood.go_on();
        edge = bench.start().unwrap();
        assert!(edge.attachments()[0].adopted);
        assert!(bench.reaches(CLIENT), "not after replacement {number}");
        // The queue of those that nobody accepts is short.
        drop(four.accept().unwrap());
        let now = edge.statistics().read().unwrap();
        never_back(&seen, &now);
        seen = now;
    }
    let sent = flood.sent.load(Ordering::Relaxed);
    drop(flood);
    assert!(!bench.reaches(OTHER_CLIENT6), "the denied source gets in");
    edge.shutdown(OnExit::Keep).unwrap();

    // What is still on its way is judged as soon as its softirq runs; nothing else is sent.
    let even = (0..ATTEMPTS_MAX).find_map(|_| {
        let arrived = received(&bench) - arrived_before;
        let counted = total(&read(&bench)) - counted_before;
        (counted == arrived && received(&bench) - arrived_before == arrived).then_some(counted)
    });
    let counted = even.expect("as many packets are counted as have arrived");
    let lost = dropped(&bench.server, INTERFACE) + dropped(&bench.client, CLIENT_INTERFACE);
    assert!(counted + lost >= sent, "{counted} and {lost} of {sent}");

    let after = words(&bench);
    for (tag, word) in owed {
        assert!(after.get(&tag).is_some_and(|now| *now >= word), "{tag:x}");
    }
    let end = read(&bench);
    assert_eq!((end.slots.len(), end.slots[0].admitted), (1, 7));
    let connections = end
        .verdicts
        .iter()
        .filter(|count| count.reason == Reason::NewConnection);
    let connections: u64 = connections.map(|count| count.counter.packets).sum();
    assert!(connections >= u64::from(replacements));
}
