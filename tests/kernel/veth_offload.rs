//! Whom the resource policies of every API deny is dropped by the kernel, as long as they do.

use gateway_common::reason::{Reason, Verdict};
use gateway_tests::capability::or_skip;
use gateway_tests::netns::{CLIENT, INTERFACE, OTHER, Site, family};
use gateway_tests::setup::Setup;
use gateway_tests::wait::until;
use serde_json::{Value, json};

/// A policy that allows everybody but these.
fn policy(denied: &[&str]) -> String {
    let statement = |effect: &str, condition: Value| {
        let mut statement = json!({
            "Effect": effect, "Principal": "*",
            "Action": "execute-api:Invoke", "Resource": "execute-api:/*",
        });
        if !condition.is_null() {
            statement["Condition"] = condition;
        }
        statement
    };
    json!({"Statement": [
        statement("Allow", Value::Null),
        statement("Deny", json!({"IpAddress": {"aws:SourceIp": denied}})),
    ]})
    .to_string()
}

fn api(host: &str, policy: &str) -> Value {
    json!({
        "type": "rest",
        "hosts": [host],
        "stages": {"prod": {}},
        "policy_file": policy,
        "routes": {"GET /open": {"authorizer": "none", "integration": {
            "type": "mock",
            "request_templates": {"application/json": "{\"statusCode\": 200}"},
            "responses": {"default": {"status": 200}},
        }}},
    })
}

/// Two APIs: both deny 10.77.0.2 and fd77:0:0:2::/64, and the second one more.
fn setup(site: &Site) -> Setup {
    let setup = site.setup().set(
        &["apis"],
        json!({
            "one": api("api.test", "one.json"),
            "two": api("two.test", "two.json"),
        }),
    );
    drop(setup.file("one.json", &policy(&["10.77.0.2", "fd77:0:0:2::/64"])));
    drop(setup.file("two.json", &policy(&["10.77.0.0/24", "fd77::/16"])));
    setup
}

fn offload(setup: &mut Setup, is_on: bool) {
    for listener in ["four", "six"] {
        setup.change(&["listeners", listener, "kernel_offload"], json!(is_on));
    }
}

/// What the first API answers.
async fn status(site: &Site, source: &str) -> u16 {
    let client = site.client(source).await.unwrap();
    client.get("/prod/open").await.status
}

fn offloaded(site: &Site, config: &str) -> Vec<String> {
    let lists = site.succeed(&["lists", "--json", "--config", config]);
    let lists: Vec<Value> = serde_json::from_str(&lists).unwrap();
    let found = lists.iter().find(|list| list["name"] == "policies");
    let ranges = found.map_or(json!([]), |list| list["offloaded"].clone());
    serde_json::from_value(ranges).unwrap()
}

#[tokio::test]
async fn what_every_policy_denies_is_dropped_and_withdrawn_with_it() {
    let Some(site) = or_skip(Site::new("offload").await) else {
        return;
    };
    let mut gateway = site.start(setup(&site)).await;
    let config = gateway.config_path().display().to_string();
    // Off by default: the policies answer themselves.
    for source in CLIENT {
        assert_eq!(status(&site, source).await, 403);
    }
    assert_eq!(offloaded(&site, &config), [""; 0]);

    offload(gateway.setup(), true);
    assert_eq!(gateway.reload().await["answer"], "done");
    assert_eq!(
        offloaded(&site, &config),
        ["10.77.0.2/32", "fd77:0:0:2::/64"]
    );
    let shown = site.succeed(&["lists", "--config", &config]);
    assert!(shown.contains("    10.77.0.2/32"), "{shown}");
    for (denied, free) in CLIENT.into_iter().zip(OTHER) {
        let count = || {
            let counted = site.counted();
            counted.of(Verdict::Drop, Reason::Denied, family(denied))
        };
        let before = count();
        assert!(!site.reaches(denied).await, "{denied}");
        assert!(count() > before, "{denied}");
        assert_eq!(status(&site, free).await, 200);
    }

    // A policy that denies less withdraws it, and a trusted proxy is none of the policies' clients.
    drop(
        gateway
            .setup()
            .file("one.json", &policy(&["fd77:0:0:2::/64"])),
    );
    assert_eq!(gateway.reload().await["answer"], "done");
    assert_eq!(offloaded(&site, &config), ["fd77:0:0:2::/64"]);
    assert_eq!(status(&site, CLIENT[0]).await, 200);
    assert!(!site.reaches(CLIENT[1]).await);
    let proxies = json!(["fd77:0:0:2::/64"]);
    gateway
        .setup()
        .change(&["listeners", "six", "trusted_proxies"], proxies);
    assert_eq!(gateway.reload().await["answer"], "done");
    assert_eq!(offloaded(&site, &config), [""; 0]);
    assert_eq!(status(&site, CLIENT[1]).await, 403);

    // The lists hold for every listener: one that does not offload keeps everything back.
    gateway
        .setup()
        .remove(&["listeners", "six", "trusted_proxies"]);
    assert_eq!(gateway.reload().await["answer"], "done");
    assert_eq!(offloaded(&site, &config), ["fd77:0:0:2::/64"]);
    gateway
        .setup()
        .change(&["listeners", "four", "kernel_offload"], json!(false));
    assert_eq!(gateway.reload().await["answer"], "done");
    assert_eq!(offloaded(&site, &config), [""; 0]);
    assert_eq!(status(&site, CLIENT[1]).await, 403);
    let checked = site.command(&["check", &config]);
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(
        said.contains("nothing is offloaded before `four`"),
        "{said}"
    );
}

#[tokio::test]
async fn a_restart_drops_before_it_listens() {
    let Some(site) = or_skip(Site::new("offload-restart").await) else {
        return;
    };
    let mut setup = setup(&site);
    offload(&mut setup, true);
    let gateway = site.start(setup).await;
    assert!(!site.reaches(CLIENT[0]).await);
    let setup = gateway.stop().await;
    let config = setup.write().display().to_string();
    assert_eq!(
        offloaded(&site, &config).len(),
        2,
        "known without a gateway"
    );
    let _gateway = site.start(setup).await;
    assert!(!site.reaches(CLIENT[0]).await);
    assert_eq!(status(&site, OTHER[0]).await, 200);
}

#[tokio::test]
async fn a_listener_of_one_interface_is_not_there_for_others() {
    let Some(site) = or_skip(Site::new("bound").await) else {
        return;
    };
    let setup = site
        .setup()
        .set(&["listeners", "four", "interface"], json!(INTERFACE))
        .set(
            &["apis", "main", "private"],
            json!({"interfaces": [INTERFACE]}),
        );
    let mut gateway = site.start(setup).await;
    assert_eq!(site.call(CLIENT[0], "/open").await.status, 200);
    // The same API by a listener that is bound to none.
    assert_eq!(site.call(CLIENT[1], "/open").await.status, 404);
    assert_eq!(gateway.reason("private_endpoint").await["status"], 404);
    gateway
        .setup()
        .change(&["listeners", "four", "interface"], json!("lo"));
    gateway
        .setup()
        .change(&["apis", "main", "private"], json!({"interfaces": ["lo"]}));
    assert_eq!(gateway.reload().await["answer"], "done");
    // The workers close their sockets in their own time.
    let refused = until("nobody to listen", || async {
        site.dial(CLIENT[0], Site::target(CLIENT[0])).await.err()
    });
    assert_eq!(refused.await.kind(), std::io::ErrorKind::ConnectionRefused);
    gateway
        .setup()
        .change(&["listeners", "four", "interface"], json!("none0"));
    gateway.setup().remove(&["apis", "main", "private"]);
    let refused = gateway.reload().await.to_string();
    assert!(refused.contains("there is no such interface"), "{refused}");
}
