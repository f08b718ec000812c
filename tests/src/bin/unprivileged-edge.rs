//! Starts a kernel edge, gives its privileges up, and does everything a gateway does afterwards.
//! A process of its own, because privileges are given up before there is a second thread.
//! Panics where something does not work.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed check is what this reports"
)]

use std::net::IpAddr;
use std::process::Command;
use std::sync::atomic::Ordering;

use gateway::daemon::privilege::{Identity, drop_to};
use gateway::model::OnExit;
use gateway::store::list::{Change, Lists, Moment};
use gateway_tests::edge::{configuration, listener};

/// What every thread's status says afterwards.
const GIVEN_UP: [&str; 4] = [
    "CapEff:\t0000000000000000",
    "CapPrm:\t0000000000000000",
    "CapBnd:\t0000000000000000",
    "NoNewPrivs:\t1",
];

fn main() {
    let instance = std::env::args().nth(1).unwrap();
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
    let up = ["link", "set", "lo", "up"];
    assert!(Command::new("ip").args(up).status().unwrap().success());
    let mut gateway = configuration(&instance);
    gateway.listeners = vec![listener("127.0.0.1:8443")];
    gateway.edge.interfaces = vec!["lo".to_owned()];
    let gateway::xdp::Start::Attached(mut edge) =
        gateway::xdp::start(&gateway, |_sink| Ok(())).unwrap()
    else {
        panic!("not attached");
    };
    let state = tempfile::tempdir().unwrap();
    let lists = Lists::open(state.path(), Moment::now()).unwrap();
    lists.attach(edge.list_sink()).unwrap();

    let identity = Identity::resolve(Some("nobody"), None).unwrap();
    identity.own(state.path()).unwrap();
    edge.hand_over(identity.user, identity.group).unwrap();
    let dropped = drop_to(&identity, false, true).unwrap();
    assert_eq!(dropped.user, identity.user);
    for thread in std::fs::read_dir("/proc/self/task").unwrap() {
        let status = std::fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        for line in GIVEN_UP {
            assert!(status.contains(line), "{line} not in {status}");
        }
    }
    assert!(std::fs::read("/etc/shadow").is_err());

    // Maps, mappings, both switches and the list on disk.
    let address: IpAddr = "192.0.2.1".parse().unwrap();
    let prefix = "192.0.2.0/24".parse().unwrap();
    lists
        .add(Change::deny(prefix), None, Moment::now())
        .unwrap();
    assert!(lists.denies(address, Moment::now().monotonic_ns));
    let buckets = edge.buckets();
    let slot = buckets.claim_slot(1).unwrap();
    buckets.slot(slot).admitted.fetch_add(1, Ordering::Relaxed);
    let mut changed = gateway.clone();
    changed.listeners.push(listener("127.0.0.1:9000"));
    edge.apply(&changed).unwrap();
    assert_eq!(edge.statistics().read().unwrap().slots.len(), 1);
    edge.shutdown(OnExit::Detach).unwrap();
}
