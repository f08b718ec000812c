//! `gateway deny`, `gateway allow` and `gateway lists`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use gateway_tests::gateway::{BINARY, Gateway};
use gateway_tests::setup::Setup;
use gateway_tests::wait::until;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::{gateway, stderr, stdout};

fn nowhere() -> Setup {
    Setup::forwarding("127.0.0.1:9".parse().unwrap())
        .set(&["xdp", "mode"], json!("off"))
        .set(&["lists", "management"], json!(["198.51.100.0/28"]))
}

fn run(config: &Path, words: &[&str]) -> std::process::Output {
    let config = config.to_str().unwrap();
    gateway(&[words, &["--config", config]].concat())
}

fn entries(config: &Path, list: &str) -> Value {
    let listed = run(config, &[list, "list", "--json"]);
    serde_json::from_str(&stdout(&listed)).unwrap_or_else(|_| panic!("{}", stderr(&listed)))
}

fn begin(config: &Path, words: &[&str]) -> Child {
    let mut command = Command::new(&*BINARY);
    command.args(words).arg("--config").arg(config);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until the command has said that its change is in force.
fn in_force(child: &mut Child) {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let said = lines.find(|line| line.as_ref().unwrap().contains("type `yes`"));
    assert!(said.is_some());
    // Kept open, so that what is said later finds somebody.
    std::mem::forget(lines);
}

#[tokio::test]
async fn both_lists_are_kept_through_a_running_gateway() {
    let gateway = Gateway::start(nowhere()).await;
    let config = gateway.config_path();
    tokio::task::spawn_blocking(move || {
        let added = run(&config, &["deny", "add", "192.0.2.0/24", "--for", "1h"]);
        assert_eq!(
            stdout(&added),
            "192.0.2.0/24 is denied\n",
            "{}",
            stderr(&added)
        );
        let added = run(&config, &["allow", "add", "192.0.2.7"]);
        assert_eq!(stdout(&added), "192.0.2.7/32 is allowed\n");
        let denied = run(&config, &["deny", "list"]);
        assert!(
            stdout(&denied).starts_with("192.0.2.0/24  "),
            "{}",
            stdout(&denied)
        );
        assert_eq!(entries(&config, "allow")[0]["prefix"], "192.0.2.7/32");
        let lists = run(&config, &["lists"]);
        let shown = stdout(&lists);
        let lines = shown.lines().skip(1);
        let names: Vec<&str> = lines.map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(names, ["operator", "allow", "management"], "{shown}");
        let json: Value =
            serde_json::from_str(&stdout(&run(&config, &["lists", "--json"]))).unwrap();
        assert_eq!(json[0]["entries"], 1);
        assert_eq!(json[2]["action"], "management");
        let removed = run(&config, &["allow", "remove", "192.0.2.0/24"]);
        assert_eq!(removed.status.code(), Some(1));
        assert!(
            stderr(&removed).contains("`gateway allow list`"),
            "{}",
            stderr(&removed)
        );
        let removed = run(&config, &["allow", "remove", "192.0.2.7"]);
        assert_eq!(
            stdout(&removed),
            "192.0.2.7/32 is no longer allowed by hand\n"
        );
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_denial_of_ones_own_session_is_warned_of_unless_management_covers_it() {
    let gateway = Gateway::start(nowhere()).await;
    let config = gateway.config_path();
    tokio::task::spawn_blocking(move || {
        let from = |session: &str, prefix: &str| {
            let mut command = Command::new(&*BINARY);
            command
                .args(["deny", "add", prefix, "--config"])
                .arg(&config);
            let connection = format!("{session} 50000 192.0.2.1 22");
            command.env("SSH_CONNECTION", connection);
            stderr(&command.output().unwrap())
        };
        let warned = from("203.0.113.7", "203.0.113.0/24");
        assert!(
            warned.contains("203.0.113.7, where this session comes from"),
            "{warned}"
        );
        assert!(warned.contains("--confirm 60s"), "{warned}");
        assert_eq!(from("203.0.113.7", "192.0.2.0/24"), "");
        assert_eq!(from("198.51.100.3", "198.51.100.0/24"), "");
        // As sudo does: the shell knows where the session comes from, the command does not.
        let mut shell = Command::new("sh");
        let script = r#"env -u SSH_CONNECTION "$@"; exit $?"#;
        shell.args(["-c", script, "sh"]).arg(&*BINARY);
        shell
            .args(["deny", "add", "203.0.113.0/24", "--config"])
            .arg(&config)
            .env("SSH_CONNECTION", "203.0.113.7 50000 192.0.2.1 22");
        let warned = stderr(&shell.output().unwrap());
        assert!(
            warned.contains("203.0.113.7, where this session comes from"),
            "{warned}"
        );
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn yes_keeps_a_change_and_a_gone_session_does_not() {
    let gateway = Gateway::start(nowhere()).await;
    let config = gateway.config_path();
    tokio::task::spawn_blocking(move || {
        let words = ["deny", "add", "192.0.2.1", "--confirm", "1h"];
        let mut child = begin(&config, &words);
        in_force(&mut child);
        assert!(entries(&config, "deny")[0]["unconfirmed_seconds"].is_u64());
        child.stdin.take().unwrap().write_all(b"no\nyes\n").unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert!(entries(&config, "deny")[0]["unconfirmed_seconds"].is_null());

        let words = ["deny", "add", "192.0.2.2", "--confirm", "2s"];
        let mut child = begin(&config, &words);
        in_force(&mut child);
        assert_eq!(entries(&config, "deny").as_array().unwrap().len(), 2);
        child.kill().unwrap();
        child.wait().unwrap();
        let taken_back = until("the change to be taken back", || async {
            (entries(&config, "deny").as_array().unwrap().len() == 1).then_some(())
        });
        tokio::runtime::Handle::current().block_on(taken_back);
        // Another session may confirm too.
        let words = ["deny", "remove", "192.0.2.1", "--confirm", "1h"];
        let mut child = begin(&config, &words);
        in_force(&mut child);
        let confirmed = run(&config, &["deny", "confirm"]);
        assert_eq!(stdout(&confirmed), "confirmed: the change stays\n");
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(entries(&config, "deny"), json!([]));
    })
    .await
    .unwrap();
}

#[test]
fn without_a_gateway_the_command_itself_takes_its_change_back() {
    let setup = nowhere();
    let config = setup.write();
    let saved = setup.directory().join("state/deny.json");
    let words = ["deny", "add", "192.0.2.1", "--confirm", "1h"];
    let mut child = begin(&config, &words);
    in_force(&mut child);
    assert!(
        std::fs::read_to_string(&saved)
            .unwrap()
            .contains("192.0.2.1/32")
    );
    let pid = Pid::from_raw(child.id().try_into().unwrap());
    // The terminal hangs up, and nothing can be typed any more: the change is still not kept.
    kill(pid, Signal::SIGHUP).unwrap();
    drop(child.stdin.take());
    kill(pid, Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(
        !std::fs::read_to_string(&saved)
            .unwrap()
            .contains("192.0.2.1/32")
    );

    let mut child = begin(&config, &words);
    in_force(&mut child);
    child.stdin.take().unwrap().write_all(b"yes\n").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(
        std::fs::read_to_string(&saved)
            .unwrap()
            .contains("192.0.2.1/32")
    );
    assert_eq!(entries(&config, "deny")[0]["prefix"], "192.0.2.1/32");
}

#[test]
fn a_list_file_that_cannot_be_used_is_found_by_check() {
    let setup = nowhere().set(
        &["lists", "named"],
        json!([{"name": "feed", "action": "deny", "file": "feed"}]),
    );
    let config = setup.write();
    let checked = gateway(&["check", config.to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(1));
    assert!(
        stderr(&checked).contains("list `feed`: cannot read"),
        "{}",
        stderr(&checked)
    );
    drop(setup.file("feed", "192.0.2.1\nnonsense\n"));
    let checked = gateway(&["check", config.to_str().unwrap()]);
    assert!(
        stderr(&checked).contains("feed:2: `nonsense`"),
        "{}",
        stderr(&checked)
    );
    drop(setup.file("feed", "192.0.2.1\n"));
    let checked = gateway(&["check", config.to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(0), "{}", stderr(&checked));
}

/// Every file of a directory with its content and its times.
fn contents(directory: &Path) -> Vec<(String, Vec<u8>, (i64, i64))> {
    let mut found: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            (
                entry.file_name().into_string().unwrap(),
                std::fs::read(entry.path()).unwrap(),
                (metadata.mtime(), metadata.mtime_nsec()),
            )
        })
        .collect();
    found.sort();
    found
}

#[test]
fn looking_at_lists_needs_no_lock_and_writes_nothing() {
    let setup = nowhere();
    let config = setup.write();
    let state = setup.directory().join("state");
    assert!(!state.exists());
    assert_eq!(entries(&config, "deny"), json!([]));
    let shown = run(&config, &["lists"]);
    assert_eq!(shown.status.code(), Some(0), "{}", stderr(&shown));
    assert!(!state.exists(), "nothing is created");

    // Whoever waits for a confirmation holds the lock.
    let words = ["deny", "add", "192.0.2.1", "--confirm", "1h"];
    let mut child = begin(&config, &words);
    in_force(&mut child);
    drop(setup.file("feed", "198.51.100.1\n198.51.100.2\n"));
    let told = json!({"version": 1, "management": ["192.0.2.0/28"], "named": [{"number": 7,
        "name": "feed", "action": "deny", "mode": "enforce", "file": setup.directory().join("feed"),
        "format": "auto"}]});
    std::fs::write(state.join("lists.json"), told.to_string()).unwrap();
    let before = contents(&state);
    assert_eq!(entries(&config, "deny")[0]["prefix"], "192.0.2.1/32");
    assert!(entries(&config, "deny")[0]["unconfirmed_seconds"].is_u64());
    assert_eq!(entries(&config, "allow"), json!([]));
    let lists = run(&config, &["lists", "--json"]);
    let lists: Value =
        serde_json::from_str(&stdout(&lists)).unwrap_or_else(|_| panic!("{}", stderr(&lists)));
    let names = ["operator", "allow", "management", "feed"];
    for (list, name) in lists.as_array().unwrap().iter().zip(names) {
        assert_eq!(list["name"], name, "{lists}");
    }
    assert_eq!(lists[0]["entries"], 1);
    assert_eq!(lists[3]["entries"], 2);
    assert_eq!(contents(&state), before);
    // Still locked, or nothing of this was shown.
    let refused = run(&config, &["deny", "add", "192.0.2.2"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("is held by another process"),
        "{}",
        stderr(&refused)
    );
    child.stdin.take().unwrap().write_all(b"yes\n").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
