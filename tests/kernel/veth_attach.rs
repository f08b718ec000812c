//! Interfaces: several at once, both modes, frames above a page, and what earlier runs, vanished
//! devices and other hands left on them.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use gateway::model::{AttachMode, OnExit};
use gateway::xdp::{AttachedBy, EdgeError, EdgeHandle, Mode, stats::Snapshot};
use gateway_common::reason::Reason;
use gateway_tests::capability::{or_skip, tool};
use gateway_tests::edge::{Bench, CLIENT, INTERFACE, PORT, SERVER, listener};

/// Bytes that the tests of large frames send.
const PAYLOAD: usize = 4 << 20;

fn packets_and_bytes(snapshot: &Snapshot, reason: Reason) -> (u64, u64) {
    let counts = snapshot
        .verdicts
        .iter()
        .filter(|count| count.reason == reason);
    counts.fold((0, 0), |(packets, bytes), count| {
        (packets + count.counter.packets, bytes + count.counter.bytes)
    })
}

/// Sends [`PAYLOAD`] bytes over one connection from the client: packets and bytes admitted.
fn admitted(bench: &Bench, edge: &EdgeHandle) -> (u64, u64) {
    let server = bench.listen(&format!("{SERVER}:{PORT}"));
    let reader = std::thread::spawn(move || {
        let (mut stream, _) = server.accept().unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap()
    });
    let mut stream = bench.connect(CLIENT, &format!("{SERVER}:{PORT}")).unwrap();
    stream.write_all(&vec![7; PAYLOAD]).unwrap();
    drop(stream);
    assert_eq!(reader.join().unwrap(), PAYLOAD);
    packets_and_bytes(&edge.statistics().read().unwrap(), Reason::Admitted)
}

#[test]
fn frames_above_a_page_are_judged_natively_and_counted_whole() {
    let Some(bench) = or_skip(Bench::new("frags")) else {
        return;
    };
    bench.server.ip("link set gw0 mtu 9000").unwrap();
    bench.client.ip("link set client0 mtu 9000").unwrap();
    let edge = bench.start().unwrap();
    assert_eq!(edge.attachments()[0].mode, Mode::Native);
    let (packets, bytes) = admitted(&bench, &edge);
    // Fewer packets than pages: they came in fragments. Every byte counts, headers too.
    assert!(packets < PAYLOAD as u64 / 4_096, "{packets} packets");
    let expected = PAYLOAD as u64..PAYLOAD as u64 * 11 / 10;
    assert!(expected.contains(&bytes), "{bytes} bytes");
}

#[test]
fn the_generic_path_judges_a_veth_as_well() {
    let Some(mut bench) = or_skip(Bench::new("skb")) else {
        return;
    };
    bench.gateway.edge.attach = AttachMode::Generic;
    let edge = bench.start().unwrap();
    assert_eq!(edge.attachments()[0].mode, Mode::Generic);
    let (packets, bytes) = admitted(&bench, &edge);
    assert!(packets > 0 && bytes >= PAYLOAD as u64, "{packets}, {bytes}");
    edge.shutdown(OnExit::Keep).unwrap();

    // The mode of a link is fixed; a start that asks for the other one attaches anew.
    bench.gateway.edge.attach = AttachMode::Native;
    let edge = bench.start().unwrap();
    let [attachment] = edge.attachments() else {
        panic!("{:?}", edge.attachments());
    };
    assert!(attachment.mode == Mode::Native && !attachment.adopted);
}

/// A veth pair within the gateway's namespace, its first end with this index.
fn add_pair(bench: &Bench, index: u32) {
    let add = format!("link add gw1 index {index} type veth peer name gw1peer");
    bench.server.ip(&add).unwrap();
    for interface in ["gw1", "gw1peer"] {
        bench
            .server
            .ip(&format!("link set {interface} up"))
            .unwrap();
    }
}

#[test]
fn each_of_several_interfaces_is_adopted_unless_its_device_has_gone() {
    let Some(mut bench) = or_skip(Bench::new("several")) else {
        return;
    };
    bench.gateway.edge.interfaces.push("gw1".to_owned());
    bench.gateway.listeners = vec![listener("0.0.0.0:8443")];
    add_pair(&bench, 77);
    let adopted = |edge: &EdgeHandle| -> Vec<(String, bool)> {
        let attachments = edge.attachments().iter();
        attachments
            .map(|one| (one.interface.clone(), one.adopted))
            .collect()
    };
    let edge = bench.start().unwrap();
    let both = |first, second| [(INTERFACE.to_owned(), first), ("gw1".to_owned(), second)];
    assert_eq!(adopted(&edge), both(false, false));
    edge.shutdown(OnExit::Keep).unwrap();
    let edge = bench.start().unwrap();
    assert_eq!(adopted(&edge), both(true, true));
    edge.shutdown(OnExit::Keep).unwrap();

    // Its pin outlives the device, and means nothing for the next one with its number.
    bench.server.ip("link del gw1").unwrap();
    add_pair(&bench, 77);
    let edge = bench.start().unwrap();
    assert_eq!(adopted(&edge), both(true, false));
    let _listening = bench.listen("0.0.0.0:8443");
    assert!(bench.reaches(CLIENT));
    edge.shutdown(OnExit::Keep).unwrap();

    // Gone for good, it is no reason to lose the other one.
    bench.server.ip("link del gw1").unwrap();
    bench.gateway.edge.interfaces.pop();
    let edge = bench.start().unwrap();
    assert_eq!(adopted(&edge), both(true, false)[..1]);
}

#[test]
fn a_device_that_is_removed_under_a_running_gateway_is_not_taken_for_guarded() {
    let Some(mut bench) = or_skip(Bench::new("vanished")) else {
        return;
    };
    bench.gateway.edge.interfaces.push("gw1".to_owned());
    add_pair(&bench, 78);
    let mut edge = bench.start().unwrap();
    bench.server.ip("link del gw1").unwrap();
    add_pair(&bench, 79);
    let gateway = bench.gateway.clone();
    let error = bench
        .server
        .run(move || edge.require(&gateway))
        .unwrap_err();
    assert!(
        matches!(&error, EdgeError::NewInterface { name } if name == "gw1"),
        "{error}"
    );
}

/// Attaches the program with this pin by netlink, as older kernels and hands do.
fn attach_by_netlink(bench: &Bench, pin: &Path) {
    bench
        .server
        .ip(&format!(
            "link set dev {INTERFACE} xdp pinned {}",
            pin.display()
        ))
        .unwrap();
}

/// A pin of a program beside those of the instance, removed at the end.
struct Stray(PathBuf);

impl Stray {
    fn of(bench: &Bench, program_id: u32) -> Self {
        let path = Path::new("/sys/fs/bpf").join(bench.gateway.instance.as_str());
        let output = Command::new("bpftool")
            .args(["prog", "pin", "id", &program_id.to_string()])
            .arg(&path)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        Self(path)
    }
}

impl Drop for Stray {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

#[test]
fn what_netlink_attached_is_named_and_taken_over_where_it_is_ours() {
    let Some(_installed) = or_skip(tool("bpftool")) else {
        return;
    };
    let Some(bench) = or_skip(Bench::new("netlink")) else {
        return;
    };
    let Some(other) = or_skip(Bench::new("stranger")) else {
        return;
    };
    bench.start().unwrap().shutdown(OnExit::Keep).unwrap();
    let instance = bench.gateway.instance.clone();
    let status = bench
        .server
        .run(move || gateway::xdp::status::read(&instance))
        .unwrap()
        .unwrap();
    let id = status.interfaces[0].program_id;
    let stray = Stray::of(&bench, id);
    let instance = bench.gateway.instance.clone();
    bench
        .server
        .run(move || gateway::xdp::detach(&instance, Some(INTERFACE)))
        .unwrap();
    attach_by_netlink(&bench, &stray.0);

    let mut gateway = other.gateway.clone();
    gateway.edge = bench.gateway.edge.clone();
    let error = bench
        .server
        .run(move || gateway::xdp::start(&gateway, |_sink| Ok(())))
        .unwrap_err();
    let EdgeError::Occupied { occupant } = &error else {
        panic!("{error}");
    };
    assert_eq!(occupant.program_id, id);
    assert_eq!(occupant.attached, AttachedBy::Netlink);
    assert_eq!(occupant.pins, [stray.0.as_path()]);
    assert_eq!(occupant.fix(), "`ip link set dev gw0 xdp off`");

    // The gateway whose maps it uses knows its own.
    let edge = bench.start().unwrap();
    assert!(!edge.attachments()[0].adopted);
    let [note] = edge.notes() else {
        panic!("{:?}", edge.notes());
    };
    assert!(note.contains("our own program"), "{note}");
    edge.shutdown(OnExit::Keep).unwrap();
    assert!(bench.start().unwrap().attachments()[0].adopted);
}
