//! What dropping one packet costs the receiving thread, all in all: by the deny list of the edge,
//! and by nftables at the earliest hook there is, on the same link and under the same flood.

use std::process::Command;

use anyhow::Context as _;
use gateway_tests::netns::INTERFACE;
use gateway_tests::receive;
use serde_json::json;

use crate::flood::{SETTLING, Scene, WINDOW, number};

/// Where the dropped packets come from.
const SOURCES: &str = "10.128.0.0/9";
/// Packets per second: enough that the receiving thread is not woken for a few of them at a time.
const RATE: u64 = 1_000_000;

/// Nanoseconds per packet that nftables drops; `None` where it is not installed.
///
/// # Errors
/// What `nft` printed.
pub(crate) async fn by_nftables(scene: &Scene, windows: u16) -> anyhow::Result<Option<Vec<f64>>> {
    let table = format!(
        "table netdev measure {{ chain early {{ type filter hook ingress device {INTERFACE} \
         priority 0; ip saddr {SOURCES} drop; }}; }}"
    );
    let run = |text: String| {
        scene
            .site
            .inside
            .run(move || Command::new("nft").arg(text).output())
    };
    let Ok(output) = run(table) else {
        return Ok(None);
    };
    anyhow::ensure!(
        output.status.success(),
        "nft: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let windows = windows_of(scene, windows).await?;
    let output = run("delete table netdev measure".to_owned()).context("nft")?;
    anyhow::ensure!(output.status.success(), "nft: {output:?}");
    Ok(Some(windows))
}

/// Nanoseconds per packet that the edge drops.
///
/// # Errors
/// What the gateway answered.
pub(crate) async fn by_edge(scene: &Scene, windows: u16) -> anyhow::Result<Vec<f64>> {
    let deny = json!({"do": "list_add", "list": "deny", "prefix": SOURCES, "for_seconds": null});
    scene.ask(&deny).await?;
    windows_of(scene, windows).await
}

async fn windows_of(scene: &Scene, windows: u16) -> anyhow::Result<Vec<f64>> {
    let mut values = Vec::new();
    for _ in 0..windows {
        let (_attacker, flood) = scene.flood("syn", RATE).await?;
        tokio::time::sleep(SETTLING).await;
        let (spent, received) = (receive::spent_ns(&scene.receivers)?, scene.site.received());
        tokio::time::sleep(WINDOW).await;
        let spent = receive::spent_ns(&scene.receivers)? - spent;
        let received = scene.site.received() - received;
        flood.stop()?;
        values.push(number(spent) / number(received));
    }
    Ok(values)
}
