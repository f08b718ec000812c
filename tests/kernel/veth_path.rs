//! A request on real packets: XDP, TLS, token, upstream; and the counters tell what happened.

use std::process::Command;

use gateway_common::reason::{Reason, Verdict};
use gateway_tests::capability::{or_skip, tool};
use gateway_tests::client::HOST_NAME;
use gateway_tests::counted::Counted;
use gateway_tests::netns::{CLIENT, INTERFACE, OTHER, SERVER, Site, family};
use serde_json::Value;

#[tokio::test]
async fn a_rust_client_is_answered_through_native_xdp_in_both_families() {
    let Some(site) = or_skip(Site::new("rust").await) else {
        return;
    };
    let gateway = site.start(site.setup()).await;
    let attached = gateway.errors.all();
    let attached = attached
        .iter()
        .find(|line| line.contains("XDP attached"))
        .unwrap();
    for part in [
        format!("interface={INTERFACE}"),
        "native".to_owned(),
        "adopted=false".to_owned(),
    ] {
        assert!(attached.contains(&part), "no {part} in {attached}");
    }
    assert!(
        site.program().unwrap().1,
        "the program is not in the driver"
    );

    let level = site.level();
    for source in CLIENT {
        let before = site.counted();
        let answer = site.call(source, "/pets/7").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let seen = answer.json();
        assert_eq!(seen["uri"], "/pets/7");
        assert_eq!(seen["headers"]["x-forwarded-for"], source);
        let client = site.client(source).await.unwrap();
        assert_eq!(client.get("/pets/7").await.status, 401);
        assert_eq!(client.get("/open").await.status, 200);

        // Two connections, so two openings and not one packet refused.
        let after = site.counted();
        let family = family(source);
        let opened = |counted: &Counted| counted.of(Verdict::Pass, Reason::NewConnection, family);
        assert_eq!(opened(&after) - opened(&before), 2);
        assert!(after.of(Verdict::Pass, Reason::Admitted, family) > 0);
        for reason in Reason::ALL {
            assert_eq!(
                after.packets(Verdict::Drop, *reason),
                0,
                "{}",
                reason.name()
            );
        }
    }
    assert!(site.account(&level).await >= 20);
}

#[tokio::test]
async fn curl_is_answered_and_every_count_agrees_with_what_the_link_delivered() {
    let Some(_installed) = or_skip(tool("curl")) else {
        return;
    };
    let Some(site) = or_skip(Site::new("curl").await) else {
        return;
    };
    let setup = site.setup();
    let root = site.authority.write_root(setup.directory());
    let gateway = site.start(setup).await;
    let level = site.level();
    for (source, server) in CLIENT.into_iter().zip(SERVER) {
        let bracketed = if server.contains(':') {
            format!("[{server}]")
        } else {
            server.to_owned()
        };
        let mut curl = Command::new("curl");
        curl.args([
            "--silent",
            "--show-error",
            "--max-time",
            "20",
            "--interface",
            source,
        ]);
        curl.arg("--cacert").arg(&root);
        curl.args(["--resolve", &format!("{HOST_NAME}:8443:{bracketed}")]);
        curl.args(["--header", &format!("authorization: {}", site.bearer())]);
        curl.args(["--write-out", "\n%{http_code} %{http_version} %{remote_ip}"]);
        curl.arg(format!("https://{HOST_NAME}:8443/pets/9"));
        let started = {
            let _outside = site.outside.enter();
            curl.stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped())
                .spawn()
        };
        let child = started.unwrap();
        let output = tokio::task::spawn_blocking(|| child.wait_with_output())
            .await
            .unwrap()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let (body, facts) = text.rsplit_once('\n').unwrap();
        assert_eq!(facts, format!("200 2 {server}"));
        let seen: Value = serde_json::from_str(body).unwrap();
        assert_eq!(seen["headers"]["x-forwarded-for"], source);
    }
    let delivered = site.account(&level).await;
    assert!(delivered > 0);

    // The metrics page and the command line show the same cells as the maps.
    let config = gateway.config_path().display().to_string();
    let stats: Value =
        serde_json::from_str(&site.succeed(&["stats", "--json", "--config", &config])).unwrap();
    assert_eq!(stats["source"], "kernel");
    assert_eq!(stats["attachments"][0]["interface"], INTERFACE);
    assert_eq!(stats["attachments"][0]["mode"], "native");
    let page = site.metrics(&gateway).await;
    let cells = stats["verdicts"].as_array().unwrap();
    let mut sum = 0;
    for cell in cells
        .iter()
        .filter(|cell| cell["reason"] != "not_ip" && cell["reason"] != "not_ours")
    {
        let text = |key: &str| cell[key].as_str().unwrap().to_owned();
        let sample = format!(
            "gateway_edge_packets_total{{verdict=\"{}\",reason=\"{}\",family=\"{}\"}}",
            text("verdict"),
            text("reason"),
            text("family")
        );
        let packets = cell["packets"].as_u64().unwrap();
        assert!(
            (page.get(&sample) - packets as f64).abs() < 0.5,
            "{sample}: {packets}"
        );
        sum += packets;
    }
    let opened = cells
        .iter()
        .filter(|cell| cell["reason"] == "new_connection");
    assert_eq!(
        opened
            .map(|cell| cell["packets"].as_u64().unwrap())
            .sum::<u64>(),
        2
    );
    assert!(sum > 10 && sum <= site.counted().total());
    assert_eq!(site.call(OTHER[0], "/pets/1").await.status, 200);
}
