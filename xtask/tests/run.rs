//! `cargo xtask run` as its user meets it: the printed lines do what they promise, and nothing is
//! left behind, whichever process is killed.
//!
//! As root every demo runs in a network namespace of its own, so that XDP is attached to no
//! interface of this host; without root it runs as it is, on a port of its own.

mod demo;

use demo::{Demo, in_turn};
use rustix::process::Signal;

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
