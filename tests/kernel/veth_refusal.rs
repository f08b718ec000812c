//! Starts that are refused: each says what is wrong and what to do, and breaks nothing.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use gateway_tests::cable::pass_all;
use gateway_tests::capability::or_skip;
use gateway_tests::netns::{CLIENT, INTERFACE, Site};
use gateway_tests::setup::Setup;
use gateway_tests::wait::until;
use serde_json::json;

/// Starts a gateway that must not come up: everything it said.
async fn refused(site: &Site, setup: Setup) -> String {
    let mut gateway = site.spawn(setup);
    let status = gateway.ended().await;
    let said = gateway.errors.finish().join("\n");
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(!said.contains(" ready "), "{said}");
    said
}

#[tokio::test]
async fn a_second_gateway_of_an_instance_is_refused_by_name() {
    let Some(site) = or_skip(Site::new("second").await) else {
        return;
    };
    let _first = site.start(site.setup()).await;
    let program = site.program();
    // Directories of its own, so that only the kernel edge can tell.
    let said = refused(&site, site.setup()).await;
    assert!(
        said.contains(&format!("instance `{}` is already running", site.instance)),
        "{said}"
    );
    assert_eq!(site.program(), program);
    assert_eq!(site.call(CLIENT[0], "/first").await.status, 200);
}

/// Rules without a gateway behind them would only keep clients and operators out.
#[tokio::test]
async fn a_start_that_fails_leaves_nothing_attached_that_was_not_before() {
    let Some(site) = or_skip(Site::new("fails").await) else {
        return;
    };
    // Found before anything is attached.
    let setup = site.setup();
    let bad = setup.file("bad.netset", "192.0.2.0/24\nnothing\n");
    let named = json!([{"name": "bad", "action": "deny", "file": bad}]);
    let said = refused(&site, setup.set(&["lists", "named"], named)).await;
    assert!(said.contains("bad.netset:2"), "{said}");
    assert_eq!(site.program(), None);
    assert!(!site.pins().exists());
    // Found when everything is attached.
    let blocked = |setup: Setup| {
        let socket = setup.file("in-the-way", "");
        setup.set(&["admin", "socket"], json!(socket))
    };
    let said = refused(&site, blocked(site.setup())).await;
    assert!(said.contains("in the way"), "{said}");
    assert_eq!(site.program(), None);
    assert!(!site.pins().exists());
    // What a gateway has left in force stays.
    let setup = site.start(site.setup()).await.stop().await;
    let program = site.program();
    let said = refused(&site, blocked(site.setup())).await;
    assert!(said.contains("in the way"), "{said}");
    assert_eq!(site.program().is_some(), program.is_some());
    let _gateway = site.start(setup).await;
    assert_eq!(site.call(CLIENT[0], "/after").await.status, 200);
}

#[tokio::test]
async fn a_second_gateway_in_the_same_directories_is_refused_by_name() {
    let Some(site) = or_skip(Site::new("same").await) else {
        return;
    };
    let first = site.start(site.setup()).await;
    let run = first.config_path().with_file_name("run");
    let said = refused(&site, site.setup().set(&["runtime_directory"], json!(run))).await;
    assert!(
        said.contains(&format!("instance `{}` is already running", site.instance)),
        "{said}"
    );
    assert_eq!(site.call(CLIENT[0], "/first").await.status, 200);
    let config = first.config_path().display().to_string();
    drop(site.succeed(&["deny", "list", "--config", &config]));
}

#[tokio::test]
async fn pins_of_another_user_are_refused_in_every_mode() {
    let Some(site) = or_skip(Site::new("foreign").await) else {
        return;
    };
    let setup = site.start(site.setup()).await.stop().await;
    std::os::unix::fs::chown(site.pins(), Some(12_345), None).unwrap();
    for mode in ["required", "auto"] {
        let said = refused(&site, site.setup().set(&["xdp", "mode"], json!(mode))).await;
        let path = site.pins().display().to_string();
        assert!(said.contains(&path) && said.contains("12345"), "{said}");
    }
    std::os::unix::fs::chown(site.pins(), Some(0), None).unwrap();
    let _gateway = site.start(setup).await;
    assert_eq!(site.call(CLIENT[0], "/mine").await.status, 200);
}

#[tokio::test]
async fn a_missing_bpf_file_system_is_mounted() {
    let Some(site) = or_skip(Site::new("mount").await) else {
        return;
    };
    let without = "umount /sys/fs/bpf 2>/dev/null; exec \"$@\"";
    let setup = site
        .setup()
        .launcher(&["unshare", "--mount", "sh", "-c", without, "sh"]);
    let gateway = site.start(setup).await;
    let mounts = std::fs::read_to_string(format!("/proc/{}/mounts", gateway.pid())).unwrap();
    assert!(mounts.contains("bpf /sys/fs/bpf bpf"), "{mounts}");
    assert!(!site.pins().exists(), "it was not a file system of its own");
    assert!(site.program().unwrap().1);
    assert_eq!(site.call(CLIENT[0], "/mounted").await.status, 200);
}

/// Somebody who is about to mount the file system in a mount namespace of its own, and does so
/// once standard input ends.
fn mounting() -> std::process::Child {
    let mount = "echo ready; read -r _; mount -t bpf bpf /sys/fs/bpf";
    let script = format!("umount /sys/fs/bpf 2>/dev/null; exec flock /sys/fs/bpf sh -c '{mount}'");
    let mut holder = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let output = holder.stdout.as_mut().unwrap();
    BufReader::new(output).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    holder
}

/// A second mount on top would hide the pins of whoever mounted first.
#[tokio::test]
async fn gateways_that_start_at_once_take_turns_at_mounting() {
    let Some(site) = or_skip(Site::new("turns").await) else {
        return;
    };
    let mut holder = mounting();
    let enter = format!("--mount=/proc/{}/ns/mnt", holder.id());
    let gateway = site.spawn(site.setup().launcher(&["nsenter", &enter]));
    let pid = gateway.pid().to_string();
    until("the gateway to wait for its turn", || async {
        let locks = std::fs::read_to_string("/proc/locks").unwrap();
        let waits = |line: &str| {
            line.contains("-> FLOCK") && line.split_whitespace().any(|word| word == pid)
        };
        locks.lines().any(waits).then_some(())
    })
    .await;
    drop(holder.stdin.take());
    assert!(holder.wait().unwrap().success());
    let ready = |line: &str| line.contains(" ready ").then_some(());
    gateway.errors.find("ready", ready).await;
    let mounts = std::fs::read_to_string(format!("/proc/{pid}/mounts")).unwrap();
    let mounted = mounts
        .lines()
        .filter(|line| line.contains(" /sys/fs/bpf bpf "));
    assert_eq!(mounted.count(), 1, "{mounts}");
}

#[tokio::test]
async fn a_missing_bpf_file_system_that_may_not_be_mounted_is_told_with_the_command() {
    let Some(site) = or_skip(Site::new("unmounted").await) else {
        return;
    };
    let without = "umount /sys/fs/bpf 2>/dev/null; exec setpriv --bounding-set=-sys_admin \"$@\"";
    let setup = site
        .setup()
        .launcher(&["unshare", "--mount", "sh", "-c", without, "sh"]);
    let said = refused(&site, setup).await;
    assert!(said.contains("mount -t bpf bpf /sys/fs/bpf"), "{said}");
}

#[tokio::test]
async fn without_capabilities_a_required_edge_is_refused_by_what_is_missing() {
    let Some(site) = or_skip(Site::new("capless").await) else {
        return;
    };
    let setup = site
        .setup()
        .launcher(&["setpriv", "--bounding-set=-all", "--inh-caps=-all"]);
    let said = refused(&site, setup).await;
    assert!(
        said.contains("CAP_BPF") && said.contains("CAP_NET_ADMIN"),
        "{said}"
    );
    assert!(said.contains("with `sudo`"), "no way out in {said}");
    assert!(!site.pins().exists());
}

#[tokio::test]
async fn the_program_of_somebody_else_is_named_and_left_alone() {
    let Some(site) = or_skip(Site::new("occupied").await) else {
        return;
    };
    let other = pass_all(&site.inside, INTERFACE).unwrap();
    let id = other.id().unwrap().to_string();
    let said = refused(&site, site.setup()).await;
    for part in [
        INTERFACE,
        &format!("program {id} `program` with tag "),
        "attached by link ",
        "somebody else",
        "`bpftool link detach id ",
    ] {
        assert!(said.contains(part), "no {part} in {said}");
    }
    assert_eq!(site.program().unwrap().0, id);

    // Where the edge may be missed, the gateway serves without and says so.
    let gateway = site
        .start(site.setup().set(&["xdp", "mode"], json!("auto")))
        .await;
    let lines = gateway.errors.all();
    let about: Vec<&String> = lines.iter().filter(|line| line.contains("XDP")).collect();
    let [line] = about[..] else {
        panic!("{lines:?}")
    };
    assert!(line.contains(&id) && line.contains("WARN"), "{line}");
    assert_eq!(site.call(CLIENT[0], "/without").await.status, 200);
    assert_eq!(site.program().unwrap().0, id);
}
