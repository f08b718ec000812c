//! `cargo xtask run` as its user meets it: the printed lines do what they promise, and nothing is
//! left behind, whichever process is killed.
//!
//! As root every demo runs in a network namespace of its own, so that XDP is attached to no
//! interface of this host; without root it runs as it is, on a port of its own.

mod demo;

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use demo::{Demo, in_turn};
use rustix::process::{Pid, Signal, kill_process};

/// Every line that the demo prints, pasted into a shell in order.
#[test]
fn pasted_lines_give_the_statuses_they_promise() {
    let _turn = in_turn();
    let Some(mut demo) = Demo::start(18_443) else {
        return;
    };
    let mut promises = Vec::new();
    let mut promised = None;
    for line in demo.invitation.clone() {
        if let Some(comment) = line.strip_prefix("# ") {
            promised = comment
                .rsplit_once(": ")
                .map(|(_, status)| status.to_owned());
        } else if line.starts_with("curl ") && promised.is_some() {
            let status = promised.clone().expect("a promise");
            let shown = demo.paste(&line);
            let last = shown.stdout.lines().last().unwrap_or_default();
            assert!(
                last.ends_with(&format!("-> {status}")),
                "`{line}` promised {status}: {shown:?}"
            );
            promises.push(status);
        } else if !line.is_empty() && !line.starts_with("The gateway") {
            let shown = demo.paste(&line);
            assert!(shown.success, "`{line}`: {shown:?}");
            assert!(!shown.stdout.is_empty(), "`{line}` shows nothing");
        }
    }
    assert!(
        promises.starts_with(&["200", "401", "200", "429"].map(str::to_owned)),
        "{promises:?}"
    );
    if rustix::process::geteuid().is_root() {
        assert_eq!(promises[4..], ["200", "000", "200"].map(str::to_owned));
        assert!(demo.is_pinned(), "root attaches XDP");
    }

    let family = demo.family();
    demo.signal(Signal::INT);
    let (success, told) = demo.finish();
    assert!(success, "Ctrl-C ends well: {told}");
    family.all_end();
    assert!(!demo.is_pinned(), "Ctrl-C detaches");
}

#[test]
fn a_killed_gateway_leaves_no_process() {
    let _turn = in_turn();
    let Some(mut demo) = Demo::start(18_444) else {
        return;
    };
    let family = demo.family();
    family.kill("gateway");
    let (success, told) = demo.finish();
    assert!(
        !success && told.contains("the gateway ended by itself"),
        "{told}"
    );
    family.all_end();
    drop(demo);

    // What it pinned outlives it. The next one takes that over and leaves nothing.
    let Some(mut demo) = Demo::start(18_444) else {
        return;
    };
    demo.signal(Signal::INT);
    let (success, told) = demo.finish();
    assert!(success, "{told}");
    assert!(
        !demo.is_pinned(),
        "Ctrl-C removes what a killed gateway left"
    );
}

#[test]
fn a_killed_guard_leaves_no_process() {
    let _turn = in_turn();
    let Some(mut demo) = Demo::start(18_445) else {
        return;
    };
    let family = demo.family();
    family.kill("workbench guard");
    let (success, _) = demo.finish();
    assert!(!success);
    family.all_end();
    assert!(!demo.is_pinned(), "the gateway detached on its way out");
}

#[test]
fn a_killed_xtask_leaves_no_process() {
    let _turn = in_turn();
    let Some(mut demo) = Demo::start(18_446) else {
        return;
    };
    let family = demo.family();
    demo.signal(Signal::KILL);
    demo.finish();
    family.all_end();
    assert!(!demo.is_pinned(), "the gateway detached on its way out");
}

#[test]
fn a_taken_port_is_named_with_the_way_out() {
    let _turn = in_turn();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its address").port();
    let told = demo::start_here(port).expect_err("it must not start beside another listener");
    assert!(
        told.contains(&format!("127.0.0.1:{port} is taken")),
        "{told}"
    );
    assert!(told.contains("cargo xtask run --port 9443"), "{told}");
}

/// The demo is not in the way of a user's own configuration, which is named from where they are.
#[test]
fn a_configuration_of_ones_own_runs_until_ctrl_c() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let folder = directory.path().display();
    let configuration = format!(
        "runtime_directory: {folder}/run\n\
         state_directory: {folder}/state\n\
         admin: {{socket: {folder}/run/admin.sock}}\n\
         listeners: {{plain: {{address: '127.0.0.1:0'}}}}\n\
         xdp: {{mode: off}}\n\
         upstreams: {{nobody: {{url: 'http://127.0.0.1:9'}}}}\n\
         apis: {{own: {{type: http, routes: {{GET /x: \
         {{authorizer: none, integration: {{upstream: nobody}}}}}}}}}}\n\
         telemetry: {{access_log: off, metrics: off}}\n"
    );
    std::fs::write(directory.path().join("own.yaml"), configuration).expect("a configuration");
    let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["run", "--", "--config", "own.yaml"])
        .current_dir(&directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("xtask starts");
    let mut told = BufReader::new(xtask.stderr.take().expect("piped"));
    let mut line = String::new();
    let ready = loop {
        line.clear();
        let ended = told.read_line(&mut line).expect("text") == 0;
        if ended || line.contains(" ready ") {
            break !ended;
        }
    };
    kill_process(Pid::from_child(&xtask), Signal::INT).expect("it runs");
    let output = xtask.wait_with_output().expect("it ends");
    assert!(ready, "the gateway says when it is ready");
    assert!(output.status.success(), "{output:?}");
    assert!(
        !String::from_utf8_lossy(&output.stdout).contains("curl"),
        "no demo"
    );
}
