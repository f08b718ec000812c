//! `gateway doctor` on interfaces that a test can make.

use gateway_tests::cable::pass_all;
use gateway_tests::capability::or_skip;
use gateway_tests::netns::{INTERFACE, Site};
use serde_json::{Value, json};

/// What the doctor finds for the configuration, and whether anything fails.
fn examine(site: &Site, config: &str) -> (Vec<Value>, bool) {
    let output = site.command(&["doctor", "--json", "--config", config]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let fails = output.status.code() == Some(1);
    assert_eq!(fails, report["level"] == "fail", "{report}");
    (report["findings"].as_array().unwrap().clone(), fails)
}

/// The findings about an interface whose text has this part.
fn about<'a>(found: &'a [Value], interface: &str, part: &str) -> Vec<&'a Value> {
    let subject = format!("interface {interface}");
    let fits = |row: &&Value| {
        row["subject"] == subject.as_str() && row["text"].as_str().unwrap().contains(part)
    };
    found.iter().filter(fits).collect()
}

#[tokio::test]
async fn the_doctor_sees_drivers_programs_and_interfaces_without_one() {
    let Some(site) = or_skip(Site::new("doctor").await) else {
        return;
    };
    let pair = "link add gw1 type veth peer name gw1peer";
    for command in [pair, "link set gw1 up", "address add 10.99.0.1/24 dev gw1"] {
        site.inside.ip(command).unwrap();
    }
    let gateway = site.start(site.setup()).await;
    let config = gateway.config_path().display().to_string();
    let (found, fails) = examine(&site, &config);
    assert!(!fails, "{found:?}");
    let [summary] = about(&found, INTERFACE, "native XDP")[..] else {
        panic!("{found:?}");
    };
    assert!(
        summary["text"]
            .as_str()
            .unwrap()
            .contains("is veth, MTU 1500"),
        "{summary}"
    );
    assert_eq!(
        about(&found, INTERFACE, "carries our program").len(),
        1,
        "{found:?}"
    );
    // A wildcard listener is reached by any interface of the host.
    let [open] = about(&found, "gw1", "carries no program")[..] else {
        panic!("{found:?}");
    };
    assert_eq!(open["level"], "warn");
    assert_eq!(about(&found, "lo", "from this host").len(), 1, "{found:?}");
    let setup = gateway.stop().await;

    // On top of a judged interface nothing is open.
    let setup = setup.set(&["xdp", "interfaces"], json!([INTERFACE, "gw1"]));
    let config = setup.write().display().to_string();
    let (found, _) = examine(&site, &config);
    assert_eq!(
        about(&found, "gw1", "carries no program").len(),
        0,
        "{found:?}"
    );

    // Somebody else's program is a fault with a way out.
    let other = pass_all(&site.inside, "gw1").unwrap();
    let (found, fails) = examine(&site, &config);
    assert!(fails, "{found:?}");
    let [occupied] = about(&found, "gw1", "somebody else")[..] else {
        panic!("{found:?}");
    };
    let text = occupied["text"].as_str().unwrap();
    assert!(
        text.contains(&format!("program {} `program`", other.id().unwrap())),
        "{text}"
    );
    let command = occupied["command"].as_str().unwrap();
    assert!(command.contains("bpftool link detach id "), "{command}");
}

#[tokio::test]
async fn a_kernel_that_hands_out_no_cookies_is_a_fault_only_where_they_are_wanted() {
    let Some(site) = or_skip(Site::new("cookies").await) else {
        return;
    };
    let fault = |config: &str| {
        let (found, fails) = examine(&site, config);
        let cookies = found.iter().find(|row| row["subject"] == "syn cookies");
        let level = cookies.map(|row| row["level"].as_str().unwrap().to_owned());
        assert_eq!(fails, level.as_deref() == Some("fail"), "{found:?}");
        level
    };
    let setup = site.setup();
    let config = setup.write().display().to_string();
    assert_eq!(fault(&config), None);
    let setup = setup.set(&["xdp", "under_attack", "syn_cookies"], json!(true));
    let config = setup.write().display().to_string();
    // The setting belongs to the network namespace; 1 is the kernel's default.
    assert_eq!(fault(&config).as_deref(), Some("fail"));
    // Whoever starts the gateway without asking the doctor is told as well.
    let gateway = site.start(setup).await;
    let warned = |line: &str| line.contains("tcp_syncookies=2").then_some(());
    gateway.errors.find("a warning", warned).await;
    let _setup = gateway.stop().await;
    site.inside
        .run(|| std::fs::write("/proc/sys/net/ipv4/tcp_syncookies", "2").unwrap());
    assert_eq!(fault(&config).as_deref(), Some("ok"));
}
