//! `gateway xdp`: what takes privileges, done beside a gateway that has given its own up, and what
//! a gateway that has stopped left, looked at and taken away.

use gateway_tests::capability::or_skip;
use gateway_tests::gateway::Gateway;
use gateway_tests::netns::{CLIENT, INTERFACE, OTHER, Site};
use serde_json::{Value, json};

/// `gateway xdp status --json` of the gateway with this configuration.
fn status(site: &Site, config: &str) -> Value {
    let text = site.succeed(&["xdp", "status", "--json", "--config", config]);
    serde_json::from_str(&text).unwrap()
}

fn config(gateway: &Gateway) -> String {
    gateway.config_path().display().to_string()
}

/// The interfaces that a status names, with their modes.
fn interfaces(status: &Value) -> Vec<(String, String)> {
    let rows = status["interfaces"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    rows.iter()
        .map(|row| (text(&row["interface"]), text(&row["mode"])))
        .collect()
}

/// What a command that has to be refused says.
fn refused(site: &Site, arguments: &[&str]) -> String {
    let output = site.command(arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn apply_replaces_the_program_of_a_running_gateway_and_loses_nothing() {
    let Some(site) = or_skip(Site::new("apply").await) else {
        return;
    };
    let gateway = site.start(site.setup()).await;
    let config = config(&gateway);
    drop(site.succeed(&["deny", "add", OTHER[0], "--config", &config]));
    assert_eq!(site.call(CLIENT[0], "/first").await.status, 200);
    let (level, before) = (site.level(), site.program().unwrap());

    let said = site.succeed(&["xdp", "apply", "--config", &config]);
    assert!(
        said.contains("gw0: program replaced without a gap"),
        "{said}"
    );
    let after = site.program().unwrap();
    assert_ne!(before.0, after.0, "the program is the old one");
    assert_eq!(site.call(CLIENT[0], "/second").await.status, 200);
    assert!(!site.reaches(OTHER[0]).await, "the deny list is gone");
    assert!(site.account(&level).await > 5);

    let status = status(&site, &config);
    assert_eq!(status["instance"], site.instance);
    assert!(
        status["running"].as_str().unwrap().contains("process"),
        "{status}"
    );
    assert_eq!(status["interfaces"][0]["program_id"].to_string(), after.0);
    assert!(status["interfaces"][0]["link_id"].as_u64().unwrap() > 0);
    let program = &status["programs"][0];
    assert_eq!(program["name"], "gateway_edge");
    assert!(
        program["verified_instructions"].as_u64().unwrap() > 1_000,
        "{program}"
    );
    assert!(
        program["loaded_at"].as_str().unwrap().ends_with('Z'),
        "{program}"
    );
    assert_eq!(status["flags"]["attack"], false);
    // The source table alone is 4 MiB; nothing is as large as a GiB.
    let memory = status["memory_bytes"].as_u64().unwrap();
    assert!((8 << 20..1 << 30).contains(&memory), "{memory}");
    assert_eq!(status["other_versions"], json!([]));
    let text = site.succeed(&["xdp", "status", "--config", &config]);
    assert!(
        text.contains(&format!("interface gw0: program {}, native mode", after.0)),
        "{text}"
    );
}

#[tokio::test]
async fn apply_attaches_new_interfaces_lets_old_ones_go_and_changes_modes() {
    let Some(site) = or_skip(Site::new("moved").await) else {
        return;
    };
    let setup = site.setup().set(&["xdp", "attach"], json!("auto"));
    let mut gateway = site.start(setup).await;
    let config = config(&gateway);
    let apply = ["xdp", "apply", "--config", &config];
    let native = |name: &str| (name.to_owned(), "native".to_owned());
    let generic = |name: &str| (name.to_owned(), "generic".to_owned());
    assert_eq!(interfaces(&status(&site, &config)), [native(INTERFACE)]);

    let names = ["xdp", "interfaces"];
    gateway.setup().change(&names, json!([INTERFACE, "lo"]));
    drop(gateway.setup().write());
    drop(site.succeed(&apply));
    let both = interfaces(&status(&site, &config));
    assert_eq!(both.len(), 2, "{both:?}");
    assert!(both.contains(&generic("lo")) && both.contains(&native(INTERFACE)));
    // A later reload finds everything as it asks for it.
    assert_eq!(gateway.reload().await["answer"], "done");

    gateway.setup().change(&names, json!([INTERFACE]));
    assert_eq!(gateway.reload().await["answer"], "done");
    assert_eq!(interfaces(&status(&site, &config)), [native(INTERFACE)]);

    gateway.setup().change(&["xdp", "attach"], json!("generic"));
    let answer = gateway.reload().await.to_string();
    for part in ["`gw0`", "native mode", "gateway xdp apply"] {
        assert!(answer.contains(part), "no {part} in {answer}");
    }
    drop(site.succeed(&apply));
    assert_eq!(interfaces(&status(&site, &config)), [generic(INTERFACE)]);
    assert_eq!(site.call(CLIENT[0], "/generic").await.status, 200);
}

#[tokio::test]
async fn what_the_gateway_refuses_leaves_no_new_interface_behind() {
    let Some(site) = or_skip(Site::new("undone").await) else {
        return;
    };
    let setup = site.setup().set(&["xdp", "attach"], json!("auto"));
    let mut gateway = site.start(setup).await;
    let config = config(&gateway);
    gateway
        .setup()
        .change(&["xdp", "interfaces"], json!([INTERFACE, "lo"]));
    gateway.setup().change(&["workers"], json!(1));
    drop(gateway.setup().write());
    let said = refused(&site, &["xdp", "apply", "--config", &config]);
    for part in ["workers", "detached again"] {
        assert!(said.contains(part), "no {part} in {said}");
    }
    let found = interfaces(&status(&site, &config));
    assert_eq!(found, [(INTERFACE.to_owned(), "native".to_owned())]);
    assert_eq!(site.call(CLIENT[0], "/still").await.status, 200);

    // Nor does it take the file of somebody else.
    let other = gateway.config_path().with_file_name("other.yaml");
    std::fs::copy(gateway.config_path(), &other).unwrap();
    let other = other.display().to_string();
    let said = refused(&site, &["xdp", "apply", "--config", &other]);
    assert!(said.contains("this gateway runs with"), "{said}");
}

#[tokio::test]
async fn without_a_gateway_apply_starts_the_edge_and_detach_ends_it() {
    let Some(site) = or_skip(Site::new("alone").await) else {
        return;
    };
    let gateway = site.start(site.setup()).await;
    let config = config(&gateway);
    let detach = ["xdp", "detach", "--config", &config];
    drop(site.succeed(&["deny", "add", OTHER[0], "--config", &config]));
    let said = refused(&site, &detach);
    for part in ["is already running", "stop the gateway first"] {
        assert!(said.contains(part), "no {part} in {said}");
    }
    let setup = gateway.stop().await;

    // One interface, with everything that is known kept; then all.
    let counted = site.counted().total();
    let one = [
        "xdp",
        "detach",
        "--interface",
        INTERFACE,
        "--config",
        &config,
    ];
    drop(site.succeed(&one));
    assert_eq!(site.program(), None);
    assert_eq!(site.counted().total(), counted);
    let said = refused(&site, &one);
    assert!(said.contains("pinned nothing for `gw0`"), "{said}");
    let said = refused(
        &site,
        &["xdp", "detach", "--interface", "nope0", "--config", &config],
    );
    assert!(
        said.contains("`nope0`") && said.contains(INTERFACE),
        "{said}"
    );
    drop(site.succeed(&detach));
    assert!(!site.pins().exists());
    let said = refused(&site, &["xdp", "status", "--config", &config]);
    assert!(said.contains("has pinned nothing"), "{said}");

    // Nothing judges where a list cannot be read.
    let bad = setup.file("bad.netset", "192.0.2.0/24\nnothing\n");
    let named = json!([{"name": "bad", "action": "deny", "file": bad}]);
    let setup = setup.set(&["lists", "named"], named);
    let config = setup.write().display().to_string();
    let said = refused(&site, &["xdp", "apply", "--config", &config]);
    assert!(said.contains("bad.netset:2"), "{said}");
    assert!(!site.pins().exists());
    assert_eq!(site.program(), None);

    let setup = setup.set(&["lists", "named"], json!([]));
    let config = setup.write().display().to_string();
    let said = site.succeed(&["xdp", "apply", "--config", &config]);
    for part in [
        "gw0: program attached, native mode",
        "no gateway is running",
    ] {
        assert!(said.contains(part), "no {part} in {said}");
    }
    assert!(
        !site.reaches(OTHER[0]).await,
        "the saved list is not in force"
    );
    assert_eq!(status(&site, &config)["running"], Value::Null);
    let gateway = site.start(setup).await;
    let attached = gateway.errors.all();
    let attached = attached.iter().find(|line| line.contains("XDP attached"));
    assert!(attached.unwrap().contains("adopted=true"), "{attached:?}");
    assert_eq!(site.call(CLIENT[0], "/taken-over").await.status, 200);
}

#[tokio::test]
async fn programs_that_belong_to_the_process_are_not_replaced_behind_its_back() {
    let Some(site) = or_skip(Site::new("owned").await) else {
        return;
    };
    let mut gateway = site
        .start(site.setup().set(&["xdp", "on_exit"], json!("detach")))
        .await;
    let config = config(&gateway);
    let before = site.program();
    let said = refused(&site, &["xdp", "apply", "--config", &config]);
    assert!(said.contains("`xdp.on_exit` is `detach`"), "{said}");
    // Nor when only the file has changed its mind.
    gateway.setup().change(&["xdp", "on_exit"], json!("keep"));
    drop(gateway.setup().write());
    let said = refused(&site, &["xdp", "apply", "--config", &config]);
    assert!(said.contains("`xdp.on_exit: detach`"), "{said}");
    assert_eq!(site.program(), before);
    assert_eq!(site.call(CLIENT[0], "/mine").await.status, 200);
}

#[tokio::test]
async fn pins_of_another_version_are_shown_and_go_with_detach() {
    let Some(site) = or_skip(Site::new("older").await) else {
        return;
    };
    let gateway = site.start(site.setup()).await;
    let config = config(&gateway);
    let older = site.pins().join("v0");
    std::fs::create_dir(&older).unwrap();
    let found = status(&site, &config);
    assert_eq!(
        found["other_versions"],
        json!([older.display().to_string()])
    );
    let setup = gateway.stop().await;
    drop(site.succeed(&["xdp", "detach", "--config", &config]));
    assert!(!site.pins().exists());

    // Whoever owns the instance's directory cannot have other files removed or given away.
    let elsewhere = tempfile::tempdir().unwrap();
    let kept = elsewhere.path().join("kept");
    std::fs::write(&kept, "").unwrap();
    let gateway = site.start(setup).await;
    std::os::unix::fs::symlink(elsewhere.path(), &older).unwrap();
    let pins = gateway_tests::pinned::directory(&site.instance);
    let namespace = site.inside.run(|| {
        let found = std::fs::metadata("/proc/thread-self/ns/net").unwrap();
        std::os::unix::fs::MetadataExt::ino(&found)
    });
    std::os::unix::fs::symlink(&kept, pins.join(format!("link_{namespace}_4242"))).unwrap();
    let _setup = gateway.stop().await;
    let said = refused(&site, &["xdp", "detach", "--config", &config]);
    assert!(said.contains(&older.display().to_string()), "{said}");
    assert!(kept.exists());
    std::fs::remove_file(&older).unwrap();
    drop(site.succeed(&["xdp", "detach", "--config", &config]));
    assert!(kept.exists());

    // Those of another version alone.
    std::fs::DirBuilder::new().create(site.pins()).unwrap();
    std::fs::set_permissions(
        site.pins(),
        std::os::unix::fs::PermissionsExt::from_mode(0o700),
    )
    .unwrap();
    std::fs::create_dir(&older).unwrap();
    let said = refused(&site, &["xdp", "status", "--config", &config]);
    assert!(said.contains("another version only"), "{said}");
    drop(site.succeed(&["xdp", "detach", "--config", &config]));
    assert!(!site.pins().exists());
}

#[tokio::test]
async fn apply_says_that_lists_in_force_are_not_saved_and_goes_on() {
    let Some(site) = or_skip(Site::new("unsaved").await) else {
        return;
    };
    let setup = site
        .setup()
        .set(&["lists", "management"], json!(["192.0.2.0/28"]));
    // Keeps the file from being replaced, also by root.
    std::fs::create_dir_all(setup.directory().join("state/lists.json.new")).unwrap();
    let config = setup.write().display().to_string();
    let output = site.command(&["xdp", "apply", "--config", &config]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("all of this is in force, but"), "{said}");
    assert!(said.contains("repeat this command"), "{said}");
    assert!(site.program().is_some());
}
