//! Drops on a real interface, watched, captured and explained by the command line.

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use aya::maps::Array;
use gateway_common::name;
use gateway_common::settings::Control;
use gateway_tests::capability::{or_skip, tool};
use gateway_tests::dump;
use gateway_tests::gateway::BINARY;
use gateway_tests::lines::Lines;
use gateway_tests::netns::{CLIENT, CLIENT_INTERFACE, INTERFACE, OTHER, SERVER, Site};
use gateway_tests::pinned::{self, pinned};
use gateway_tests::wait::until;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// A running `gateway events`.
struct Watching {
    process: Child,
    lines: Lines,
    complaints: Lines,
}

impl Watching {
    /// Starts it and waits until it watches.
    async fn start(site: &Site, arguments: &[&str]) -> Self {
        let mut process = {
            let _inside = site.inside.enter();
            Command::new(&*BINARY)
                .arg("events")
                .args(arguments)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        };
        let lines = Lines::read(process.stdout.take().unwrap());
        let complaints = Lines::read(process.stderr.take().unwrap());
        let watching = Self {
            process,
            lines,
            complaints,
        };
        let started = |line: &str| line.contains("until interrupted").then_some(());
        watching.complaints.find("watching", started).await;
        watching
    }

    /// Ends it by a signal.
    async fn end(mut self, signal: Signal) -> (ExitStatus, Vec<String>) {
        let id = Pid::from_raw(i32::try_from(self.process.id()).unwrap());
        kill(id, signal).unwrap();
        let status = until("the reader to end", || {
            let ended = self.process.try_wait().unwrap();
            async move { ended }
        })
        .await;
        (status, self.complaints.finish())
    }
}

impl Drop for Watching {
    /// A test that fails leaves no process behind.
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            self.process.kill().unwrap();
            self.process.wait().unwrap();
        }
    }
}

fn watched_until(site: &Site) -> u64 {
    let control: Array<_, Control> = pinned(&site.instance, name::MAP_CONTROL);
    control.get(&0, 0).unwrap().events
}

fn tcpdump(file: &Path) -> String {
    let output = Command::new("tcpdump").arg("-nr").arg(file).output();
    let output = output.unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_drop_is_watched_captured_and_explained() {
    let Some(site) = or_skip(Site::new("events").await) else {
        return;
    };
    if or_skip(tool("tcpdump")).is_none() {
        return;
    }
    let gateway = site.start(site.setup()).await;
    let config = gateway.config_path().display().to_string();
    let directory = tempfile::tempdir().unwrap();
    let capture = directory.path().join("drops.pcap");
    let file = capture.display().to_string();
    drop(site.succeed(&["deny", "add", CLIENT[0], "--config", &config]));

    let arguments = [
        "--config", &config, "--json", "--pcap", &file, "--reason", "denied",
    ];
    let watching = Watching::start(&site, &arguments).await;
    let second = site.command(&["events", "--config", &config]);
    let complaint = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success());
    assert!(complaint.contains("one reader at a time"), "{complaint}");

    assert!(!site.reaches(CLIENT[0]).await);
    let event: Value = watching
        .lines
        .find("a denied SYN", |line| {
            let event: Value = serde_json::from_str(line).ok()?;
            (event["tcp_flags"] == "S").then_some(event)
        })
        .await;
    for (field, expected) in [
        ("verdict", json!("drop")),
        ("reason", json!("denied")),
        ("family", json!("ipv4")),
        ("interface", json!(INTERFACE)),
        ("listener", json!("four")),
        ("list", json!("operator")),
        ("source", json!(CLIENT[0])),
        ("destination", json!(SERVER[0])),
        ("destination_port", json!(8443)),
        ("protocol", json!("tcp")),
        ("stands_for", json!(1)),
        ("new_source", json!(true)),
    ] {
        assert_eq!(event[field], expected, "{field} in {event}");
    }
    let (status, complaints) = watching.end(Signal::SIGINT).await;
    assert!(status.success(), "{complaints:?}");
    assert_eq!(watched_until(&site), 0, "the watch was not put back");

    let seen = tcpdump(&capture);
    let expected = format!("> {}.8443: Flags [S]", SERVER[0]);
    assert!(seen.contains(&expected), "{seen}");

    let target = format!("{}:8443", SERVER[0]);
    let captured = ["--config", &config, "--pcap", &file];
    let denied = ["--config", &config, "--src", CLIENT[0], "--dst", &target];
    for packet in [&captured[..], &denied[..]] {
        let said = site.succeed(&[&["explain", "packet"], packet].concat());
        for part in [
            "it is a SYN, which asks for a new connection",
            "it is for listener four",
            "denied by list operator until it is removed",
            "verdict: drop (denied)",
        ] {
            assert!(said.contains(part), "`{part}` not in {said}");
        }
    }
    let free = ["--config", &config, "--src", OTHER[0], "--dst", &target];
    let said = site.succeed(&[&["explain", "packet", "--json"], &free[..]].concat());
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["verdict"], "pass");
    assert_eq!(said["reason"], "new_connection");
    assert_eq!(said["interface"], INTERFACE);
    assert!(site.reaches(OTHER[0]).await);
}

/// What it leaves behind is a word whose end passes by itself, and nothing that has to be cleaned
/// up before somebody else can watch.
#[tokio::test]
async fn a_reader_that_is_killed_leaves_a_watch_that_ends() {
    let Some(site) = or_skip(Site::new("events-killed").await) else {
        return;
    };
    let gateway = site.start(site.setup()).await;
    let config = gateway.config_path().display().to_string();
    let arguments = ["--config", config.as_str()];
    let watching = Watching::start(&site, &arguments).await;
    let (_, _) = watching.end(Signal::SIGKILL).await;
    let now = gateway::clock::monotonic_ns();
    let end = watched_until(&site);
    let lease = u64::try_from(gateway::xdp::events::LEASE.as_nanos()).unwrap();
    assert!(end != 0 && end <= now + lease, "{end} at {now}");
    let again = Watching::start(&site, &arguments).await;
    // Whoever watches is seen, and keeps nobody from changing links.
    let status = site.succeed(&["xdp", "status", "--json", "--config", &config]);
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["flags"]["events_one_in"], 1, "{status}");
    drop(site.succeed(&["xdp", "apply", "--config", &config]));
    let (status, _) = again.end(Signal::SIGTERM).await;
    assert!(status.success());
    assert_eq!(watched_until(&site), 0);
}

/// The pinned maps of an edge, with nobody sending anything, before and after many explanations.
#[tokio::test]
async fn explaining_leaves_every_pinned_map_as_it_was() {
    let Some(site) = or_skip(Site::new("explain").await) else {
        return;
    };
    let setup = site.setup().set(
        &["xdp", "packets_per_source"],
        json!({"rate": 1, "burst": 4}),
    );
    let gateway = site.start(setup).await;
    let config = gateway.config_path().display().to_string();
    drop(site.succeed(&["deny", "add", OTHER[0], "--config", &config]));
    assert!(site.reaches(CLIENT[0]).await);
    let _setup = gateway.stop().await;
    site.outside
        .ip(&format!("link set {CLIENT_INTERFACE} down"))
        .unwrap();
    let before = dump::pinned(&pinned::directory(&site.instance)).unwrap();
    let target = |server: &str| std::net::SocketAddr::new(server.parse().unwrap(), 8443);
    for (source, server) in [CLIENT, OTHER]
        .iter()
        .flat_map(|ends| ends.iter().zip(SERVER))
    {
        for flags in ["S", "A", "-"] {
            let target = target(server).to_string();
            drop(site.succeed(&[
                "explain",
                "packet",
                "--instance",
                &site.instance,
                "--src",
                source,
                "--dst",
                &target,
                "--flags",
                flags,
            ]));
        }
    }
    let after = dump::pinned(&pinned::directory(&site.instance)).unwrap();
    let nothing: [String; 0] = [];
    assert_eq!(dump::difference(&before, &after), nothing);
}

#[tokio::test]
async fn what_cannot_be_looked_at_is_refused_by_name() {
    let Some(site) = or_skip(Site::new("explain-refused").await) else {
        return;
    };
    // Whoever starts a gateway finds the BPF file system mounted from then on.
    let setup = site.setup().set(&["xdp", "on_exit"], json!("detach"));
    let _setup = site.start(setup).await.stop().await;
    let refused = |arguments: &[&str]| {
        let output = site.command(&[arguments, &["--instance", &site.instance]].concat());
        assert!(!output.status.success(), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let explain = [
        "explain",
        "packet",
        "--src",
        "192.0.2.7",
        "--dst",
        "192.0.2.1:443",
    ];
    for command in [&explain[..], &["events"]] {
        let complaint = refused(command);
        assert!(complaint.contains("has no kernel edge"), "{complaint}");
    }
    // What another version has pinned.
    let other = site.pins().join("v1");
    std::fs::create_dir_all(&other).unwrap();
    for command in [&explain[..], &["events"]] {
        let complaint = refused(command);
        assert!(
            complaint.contains("kernel edge of layout v1"),
            "{complaint}"
        );
    }
    std::fs::remove_dir(&other).unwrap();
}
