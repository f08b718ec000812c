//! The edge outlives the daemon: stopped, killed and started again, it loses nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gateway_common::reason::{Reason, Verdict};
use gateway_tests::capability::{or_skip, tool};
use gateway_tests::counted::Counted;
use gateway_tests::gateway::Gateway;
use gateway_tests::held;
use gateway_tests::netns::{CLIENT, INTERFACE, OTHER, Site};
use gateway_tests::setup::Setup;
use gateway_tests::wait::until;
use rustix::process::Signal;
use serde_json::json;

/// How often the gateway is killed under load. `GATEWAY_SOAK_KILLS` says otherwise.
const KILLS: u32 = 4;

async fn kill(mut gateway: Gateway) -> Setup {
    gateway.signal(Signal::KILL);
    gateway.ended().await;
    std::mem::take(gateway.setup())
}

fn attached(gateway: &Gateway) -> String {
    let lines = gateway.errors.all();
    lines
        .into_iter()
        .find(|line| line.contains("XDP attached"))
        .unwrap()
}

/// No cell of `before` is larger than the same cell of `after`.
fn never_back(before: &Counted, after: &Counted) {
    for old in &before.0.verdicts {
        let new = after.of(old.verdict, old.reason, old.family);
        assert!(new >= old.counter.packets, "{old:?} became {new}");
    }
}

#[tokio::test]
async fn what_is_denied_stays_denied_while_the_gateway_is_down_and_is_adopted_after() {
    let Some(site) = or_skip(Site::new("keep").await) else {
        return;
    };
    let gateway = site.start(site.setup()).await;
    let config = gateway.config_path().display().to_string();
    drop(site.succeed(&["deny", "add", CLIENT[0], "--config", &config]));
    assert_eq!(site.call(OTHER[0], "/first").await.status, 200);
    let (level, program) = (site.level(), site.program().unwrap());
    let running = site.counted();

    let setup = gateway.stop().await;
    assert_eq!(
        site.program(),
        Some(program.clone()),
        "the program went with the gateway"
    );
    assert!(!site.reaches(CLIENT[0]).await);
    let down = site.counted();
    never_back(&running, &down);
    let denied = |counted: &Counted| counted.packets(Verdict::Drop, Reason::Denied);
    assert!(
        denied(&down) > denied(&running),
        "nothing is counted while the gateway is down"
    );
    // The command line works without it, on the list and on the figures.
    let list = site.succeed(&["deny", "list", "--config", &config]);
    assert!(list.contains(CLIENT[0]), "{list}");
    let stats: serde_json::Value =
        serde_json::from_str(&site.succeed(&["stats", "--json", "--config", &config])).unwrap();
    assert_eq!(stats["attachments"][0]["mode"], "native");
    drop(site.succeed(&["deny", "add", OTHER[1], "--config", &config]));
    assert!(!site.reaches(OTHER[1]).await);

    let gateway = site.start(setup).await;
    let line = attached(&gateway);
    assert!(
        line.contains("adopted=true") && line.contains("native"),
        "{line}"
    );
    assert_ne!(
        site.program(),
        Some(program),
        "the program was not replaced"
    );
    never_back(&down, &site.counted());
    assert!(!site.reaches(CLIENT[0]).await && !site.reaches(OTHER[1]).await);
    assert_eq!(site.call(OTHER[0], "/second").await.status, 200);
    assert!(site.account(&level).await > 0);
}

#[tokio::test]
async fn a_debt_survives_a_stop_and_a_kill() {
    let Some(site) = or_skip(Site::new("debt").await) else {
        return;
    };
    // One connection an hour: whatever is admitted later was admitted twice.
    let setup = site.setup().set(
        &["xdp", "connections_per_source"],
        json!({"rate": 0.0003, "burst": 3}),
    );
    let gateway = site.start(setup).await;
    for source in CLIENT {
        let mut admitted = 0;
        while site.reaches(source).await {
            admitted += 1;
            assert!(admitted <= 5, "three, and one for each enforcer");
        }
        assert!(admitted >= 3);
    }
    let gateway = site.start(gateway.stop().await).await;
    for source in CLIENT {
        assert!(
            !site.reaches(source).await,
            "a stop forgot the debt of {source}"
        );
    }
    let _gateway = site.start(kill(gateway).await).await;
    for source in CLIENT {
        assert!(
            !site.reaches(source).await,
            "a kill forgot the debt of {source}"
        );
    }
    assert_eq!(site.call(OTHER[0], "/fresh").await.status, 200);
}

#[tokio::test]
async fn limits_hold_through_reloads_restarts_and_kills() {
    let Some(site) = or_skip(Site::new("held").await) else {
        return;
    };
    let start = async |setup: Setup| site.start(setup).await;
    let connect = async |_: &Gateway| site.client(CLIENT[0]).await.unwrap();
    let said = held::through_changes(site.setup(), start, connect).await;
    println!("{said}");
}

#[tokio::test]
async fn killed_under_load_it_comes_back_and_no_packet_goes_uncounted() {
    let Some(site) = or_skip(Site::new("kill").await) else {
        return;
    };
    let kills = std::env::var("GATEWAY_SOAK_KILLS");
    let kills = kills.map_or(KILLS, |text| {
        text.parse().expect("GATEWAY_SOAK_KILLS is a number")
    });
    let setup = site
        .setup()
        .set(&["xdp", "connections_per_source"], json!("off"));
    let gateway = site.start(setup).await;
    let config = gateway.config_path().display().to_string();
    drop(site.succeed(&["deny", "add", OTHER[0], "--config", &config]));
    let level = site.level();
    let (stop, attempts) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let load = {
        let (stop, attempts) = (Arc::clone(&stop), Arc::clone(&attempts));
        // Enters once; everything it opens afterwards is on the clients' side.
        site.outside.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let target = Site::target(CLIENT[0]);
                // Refused while the gateway is down; that is the point of it.
                drop(std::net::TcpStream::connect_timeout(
                    &target,
                    gateway_tests::netns::SILENCE,
                ));
                attempts.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    let mut gateway = gateway;
    let mut seen = site.counted();
    for _ in 0..kills {
        let start = attempts.load(Ordering::Relaxed);
        until("some load", || async {
            (attempts.load(Ordering::Relaxed) > start + 20).then_some(())
        })
        .await;
        let setup = kill(gateway).await;
        assert!(
            !site.reaches(OTHER[0]).await,
            "the kill let a denied source in"
        );
        gateway = site.start(setup).await;
        assert!(attached(&gateway).contains("adopted=true"));
        assert_eq!(site.call(CLIENT[1], "/again").await.status, 200);
        assert!(!site.reaches(OTHER[0]).await);
        let now = site.counted();
        never_back(&seen, &now);
        seen = now;
    }
    stop.store(true, Ordering::Relaxed);
    load.join().unwrap();
    assert!(site.account(&level).await > attempts.load(Ordering::Relaxed));
}

#[tokio::test]
async fn detaching_leaves_neither_program_nor_pins_however_it_was_attached_before() {
    let Some(_installed) = or_skip(tool("bpftool")) else {
        return;
    };
    let Some(site) = or_skip(Site::new("detach").await) else {
        return;
    };
    let setup = site.setup().set(&["xdp", "on_exit"], json!("detach"));
    let gateway = site.start(setup).await;
    assert!(site.program().unwrap().1 && site.pins().exists());
    assert_eq!(site.call(CLIENT[0], "/once").await.status, 200);
    // The link is pinned nowhere, and yet the figures say where the program is.
    let config = gateway.config_path().display().to_string();
    let stats: serde_json::Value =
        serde_json::from_str(&site.succeed(&["stats", "--json", "--config", &config])).unwrap();
    assert_eq!(stats["attachments"][0]["interface"], INTERFACE, "{stats}");
    let setup = gateway.stop().await;
    assert_eq!(site.program(), None);
    assert!(!site.pins().exists(), "{} is left", site.pins().display());
    assert!(no_program_of_ours(&site));

    // A run that keeps, killed, then one that detaches, ended by the other signal.
    let setup = setup.set(&["xdp", "on_exit"], json!("keep"));
    let setup = kill(site.start(setup).await).await;
    assert!(site.program().is_some());
    let mut gateway = site
        .start(setup.set(&["xdp", "on_exit"], json!("detach")))
        .await;
    assert!(attached(&gateway).contains("adopted=true"));
    gateway.signal(Signal::INT);
    assert!(gateway.ended().await.success());
    assert_eq!(site.program(), None);
    assert!(!site.pins().exists());
    assert!(no_program_of_ours(&site));
}

/// What bpftool, which asks the kernel itself, finds on the interfaces of the gateway's side.
fn no_program_of_ours(site: &Site) -> bool {
    let _inside = site.inside.enter();
    let output = std::process::Command::new("bpftool")
        .args(["--json", "net", "show"])
        .output();
    let output = output.expect("bpftool is installed");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    found[0]["xdp"].as_array().is_some_and(Vec::is_empty)
}
