//! What a gateway that has started may still do, and what it still can.

use std::os::unix::fs::PermissionsExt as _;

use gateway_tests::capability::or_skip;
use gateway_tests::gateway::Gateway;
use gateway_tests::netns::{CLIENT, INTERFACE, OTHER, SILENCE, Site};
use gateway_tests::setup::Setup;
use gateway_tests::wait::until;
use nix::unistd::User;
use rustix::process::Signal;
use serde_json::json;

/// A user that every system has.
const USER: &str = "nobody";

/// A site whose gateway becomes another user, and files that this user may read again.
fn given_up(site: &Site) -> Setup {
    let setup = site.setup().set(&["user"], json!(USER));
    let user = User::from_name(USER).unwrap().unwrap();
    let own = |path: &std::path::Path| {
        std::os::unix::fs::chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
    };
    own(setup.directory());
    std::fs::set_permissions(setup.directory(), std::fs::Permissions::from_mode(0o755)).unwrap();
    for entry in std::fs::read_dir(setup.directory()).unwrap() {
        own(&entry.unwrap().path());
    }
    setup
}

/// Checks what the kernel says of every thread.
fn check_threads(gateway: &Gateway, capabilities: &str) {
    let user = User::from_name(USER).unwrap().unwrap();
    let (uid, gid) = (user.uid, user.gid);
    let expected = [
        format!("CapEff:\t{capabilities}"),
        format!("CapPrm:\t{capabilities}"),
        format!("CapBnd:\t{capabilities}"),
        "CapInh:\t0000000000000000".to_owned(),
        "CapAmb:\t0000000000000000".to_owned(),
        "NoNewPrivs:\t1".to_owned(),
        format!("Uid:\t{uid}\t{uid}\t{uid}\t{uid}"),
        format!("Gid:\t{gid}\t{gid}\t{gid}\t{gid}"),
        format!("Groups:\t{gid} "),
    ];
    let threads = std::fs::read_dir(format!("/proc/{}/task", gateway.pid())).unwrap();
    let mut count = 0;
    for thread in threads {
        let status = std::fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        for line in &expected {
            assert!(
                status.lines().any(|found| found == line),
                "no {line:?} in {status}"
            );
        }
        count += 1;
    }
    assert!(
        count >= 4,
        "control, two workers and the log are {count} threads"
    );
}

#[tokio::test]
async fn every_thread_gives_everything_up_and_all_that_is_promised_still_works() {
    let Some(site) = or_skip(Site::new("drop").await) else {
        return;
    };
    let mut gateway = site.start(given_up(&site)).await;
    let config = gateway.config_path().display().to_string();
    check_threads(&gateway, "0000000000000000");
    for source in CLIENT {
        assert_eq!(site.call(source, "/served").await.status, 200);
        drop(site.succeed(&["deny", "add", source, "--config", &config]));
        assert!(!site.reaches(source).await);
        drop(site.succeed(&["deny", "remove", source, "--config", &config]));
    }
    let stats: serde_json::Value =
        serde_json::from_str(&site.succeed(&["stats", "--json", "--config", &config])).unwrap();
    assert_eq!(stats["attachments"][0]["interface"], INTERFACE);

    // Another limit and another listener, both in force in the kernel at once.
    let extra = json!({"address": "0.0.0.0:9443"});
    gateway.setup().change(&["listeners", "extra"], extra);
    gateway.setup().change(
        &["xdp", "connections_per_source"],
        json!({"rate": 0.0003, "burst": 4}),
    );
    let answer = gateway.reload().await;
    assert!(answer.to_string().contains("generation 2"), "{answer}");
    let extra = "10.77.0.1:9443".parse().unwrap();
    let mut admitted = 0;
    while site.dial(OTHER[0], extra).await.is_ok() {
        admitted += 1;
        assert!(admitted <= 6, "the new listener is not judged");
    }
    assert!(admitted >= 4);
    check_threads(&gateway, "0000000000000000");
}

#[tokio::test]
async fn an_interface_that_is_new_is_refused_with_the_command_that_adds_it() {
    let Some(site) = or_skip(Site::new("new").await) else {
        return;
    };
    let mut gateway = site
        .start(given_up(&site).set(&["xdp", "attach"], json!("auto")))
        .await;
    gateway
        .setup()
        .change(&["xdp", "interfaces"], json!([INTERFACE, "lo"]));
    let answer = gateway.reload().await.to_string();
    for part in ["`lo`", "gateway xdp apply --config", "root"] {
        assert!(answer.contains(part), "no {part} in {answer}");
    }
    assert_eq!(site.call(CLIENT[0], "/still").await.status, 200);
    // Whoever follows the advice gets the interface, from the gateway that runs.
    let config = gateway.config_path().display().to_string();
    let said = site.succeed(&["xdp", "apply", "--config", &config]);
    for part in [
        "gw0: program replaced without a gap, native mode",
        "lo: program attached, generic mode",
        "configuration reloaded, generation 2",
    ] {
        assert!(said.contains(part), "no {part} in {said}");
    }
    check_threads(&gateway, "0000000000000000");
    assert_eq!(site.call(CLIENT[0], "/again").await.status, 200);
}

#[tokio::test]
async fn a_port_below_1024_keeps_that_one_capability() {
    let Some(site) = or_skip(Site::new("low").await) else {
        return;
    };
    let low = json!({"address": "0.0.0.0:443"});
    let mut gateway = site
        .start(given_up(&site).set(&["listeners", "low"], low))
        .await;
    // CAP_NET_BIND_SERVICE is bit 10.
    check_threads(&gateway, "0000000000000400");
    gateway
        .setup()
        .change(&["listeners", "lower"], json!({"address": "0.0.0.0:80"}));
    let answer = gateway.reload().await;
    assert!(answer.to_string().contains("generation 2"), "{answer}");
    assert!(
        site.dial(CLIENT[0], "10.77.0.1:80".parse().unwrap())
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn another_user_restarts_and_detaches_what_root_attached() {
    let Some(site) = or_skip(Site::new("user").await) else {
        return;
    };
    let mut gateway = site
        .start(given_up(&site).set(&["xdp", "attach"], json!("auto")))
        .await;
    let config = gateway.config_path().display().to_string();
    drop(site.succeed(&["deny", "add", CLIENT[0], "--config", &config]));
    gateway.signal(Signal::KILL);
    gateway.ended().await;
    let setup = std::mem::take(gateway.setup());
    let gateway = site
        .start(setup.set(&["xdp", "on_exit"], json!("detach")))
        .await;
    let lines = gateway.errors.all();
    assert!(
        lines.iter().any(|line| line.contains("adopted=true")),
        "{lines:?}"
    );
    assert!(!site.reaches(CLIENT[0]).await);
    check_threads(&gateway, "0000000000000000");
    drop(gateway.stop().await);
    assert_eq!(site.program(), None);
    // The directory above is root's, so an empty one may stay.
    let left = std::fs::read_dir(site.pins()).map_or(0, Iterator::count);
    assert_eq!(left, 0, "pins are left in {}", site.pins().display());
    until("the port to be closed", || async {
        let attempt = tokio::time::timeout(SILENCE, site.dial(CLIENT[0], Site::target(CLIENT[0])));
        let refused = attempt.await.ok()?.err()?;
        (refused.kind() == std::io::ErrorKind::ConnectionRefused).then_some(())
    })
    .await;
}
