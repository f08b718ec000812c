//! Lists where no kernel guards the door: allow, management, and lists from files.

use gateway_tests::client::{Client, get};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use gateway_tests::wait::until;
use serde_json::{Value, json};

/// Whether a request from `source` is answered.
async fn serves(gateway: &Gateway, source: &str) -> bool {
    let client = Client::http1_from(source, gateway.address().await).await;
    client.try_send(get("/")).await.is_ok()
}

async fn list(gateway: &Gateway, name: &str) -> Value {
    let answer = gateway.admin(r#"{"do":"lists"}"#).await;
    let lists = answer["lists"].as_array().unwrap().iter();
    let mut found = lists.filter(|list| list["name"] == name);
    found.next().unwrap_or_else(|| panic!("{answer}")).clone()
}

async fn add(gateway: &Gateway, list: &str, prefix: &str) {
    let request = json!({"do": "list_add", "list": list, "prefix": prefix, "for_seconds": null});
    let answer = gateway.admin(&request.to_string()).await;
    assert_eq!(answer["answer"], "done", "{answer}");
}

#[tokio::test]
async fn allowed_and_management_sources_come_in_whatever_denies_or_limits_them() {
    let upstream = Upstream::echo().await;
    let setup = Setup::forwarding(upstream.address)
        .set(&["lists", "management"], json!(["127.0.0.16/30"]))
        .set(
            &["xdp", "connections_per_source"],
            json!({"rate": 1, "burst": 1, "aggregate": {"rate": 1000, "burst": 1000}}),
        );
    let gateway = Gateway::start(setup).await;
    add(&gateway, "deny", "127.0.0.16/28").await;
    add(&gateway, "allow", "127.0.0.24").await;
    for source in ["127.0.0.17", "127.0.0.24"] {
        for _ in 0..3 {
            assert!(serves(&gateway, source).await, "{source}");
        }
    }
    assert!(!serves(&gateway, "127.0.0.25").await);
    assert_eq!(list(&gateway, "operator").await["connections"], 1);
    assert_eq!(list(&gateway, "allow").await["connections"], 3);
    assert_eq!(list(&gateway, "management").await["connections"], 3);
    // Off the allow list the source is denied again, and stays so on a connection that is open.
    let open = Client::http1_from("127.0.0.24", gateway.address().await).await;
    assert_eq!(open.get("/open").await.status, 200);
    let removed = gateway
        .admin(r#"{"do":"list_remove","list":"allow","prefix":"127.0.0.24"}"#)
        .await;
    assert_eq!(removed["answer"], "done", "{removed}");
    assert!(!serves(&gateway, "127.0.0.24").await);
    assert!(open.try_send(get("/open")).await.is_err());
}

#[tokio::test]
async fn a_list_follows_its_file_and_a_bad_one_changes_nothing() {
    let upstream = Upstream::echo().await;
    let setup = Setup::forwarding(upstream.address);
    let feed = setup.file("feed.netset", "# threats\n127.0.0.32/30\n");
    let setup = setup.set(
        &["lists", "named"],
        json!([{"name": "feed", "action": "deny", "file": "feed.netset"}]),
    );
    let mut gateway = Gateway::start(setup).await;
    assert!(!serves(&gateway, "127.0.0.33").await);
    assert!(serves(&gateway, "127.0.0.40").await);

    // Replaced by renaming, as tools that fetch lists do.
    let draft = gateway.setup().file("draft", "[\"127.0.0.40/30\"]");
    std::fs::rename(draft, &feed).unwrap();
    until("the new list", || async {
        (!serves(&gateway, "127.0.0.40").await).then_some(())
    })
    .await;
    assert!(serves(&gateway, "127.0.0.33").await);

    std::fs::write(&feed, "127.0.0.48\n127.0.0.48/33\n").unwrap();
    let refused = until("the refusal", || async {
        let error = list(&gateway, "feed").await["error"].clone();
        error.as_str().map(str::to_owned)
    })
    .await;
    assert!(
        refused.ends_with("feed.netset:2: `33` is not a prefix length from 0 to 32: write one"),
        "{refused}"
    );
    assert!(!serves(&gateway, "127.0.0.40").await);
    assert!(serves(&gateway, "127.0.0.48").await);
    let failures = "gateway_list_load_failures_total{list=\"feed\"}";
    assert_eq!(gateway.metrics().await.get(failures), 1.0);

    // A reload neither mends nor loses it; a list whose file was never read is refused.
    assert_eq!(gateway.reload().await["answer"], "done");
    assert!(!serves(&gateway, "127.0.0.40").await);
    gateway.setup().change(
        &["lists", "named"],
        json!([{"name": "other", "action": "deny", "file": "feed.netset"}]),
    );
    let refused = gateway.reload().await;
    assert_eq!(refused["answer"], "refused");
    assert!(
        refused["message"]
            .as_str()
            .unwrap()
            .contains("feed.netset:2:")
    );
    assert!(!serves(&gateway, "127.0.0.40").await);

    // Only counted, it drops nothing; out of the configuration it is gone.
    std::fs::write(&feed, "127.0.0.40/30\n").unwrap();
    gateway.setup().change(
        &["lists", "named"],
        json!([{"name": "feed", "action": "deny", "file": "feed.netset", "mode": "monitor"}]),
    );
    assert_eq!(gateway.reload().await["answer"], "done");
    assert!(serves(&gateway, "127.0.0.40").await);
    assert_eq!(list(&gateway, "feed").await["mode"], "monitor");
    gateway.setup().remove(&["lists", "named"]);
    assert_eq!(gateway.reload().await["answer"], "done");
    let lists = gateway.admin(r#"{"do":"lists"}"#).await;
    assert_eq!(lists["lists"].as_array().unwrap().len(), 3, "{lists}");
}

#[tokio::test]
async fn a_change_that_nobody_confirms_is_taken_back() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(Setup::forwarding(upstream.address)).await;
    let request = json!({"do": "list_add", "list": "deny", "prefix": "127.0.0.56",
        "for_seconds": null, "confirm_seconds": 1});
    let added = gateway.admin(&request.to_string()).await;
    assert_eq!(added["answer"], "done", "{added}");
    let entries = gateway
        .admin(r#"{"do":"list_entries","list":"deny"}"#)
        .await;
    assert!(
        entries["entries"][0]["unconfirmed_seconds"].is_u64(),
        "{entries}"
    );
    until("the change to be taken back", || async {
        serves(&gateway, "127.0.0.56").await.then_some(())
    })
    .await;
    let nothing = gateway.admin(r#"{"do":"list_confirm"}"#).await;
    assert_eq!(nothing["answer"], "refused", "{nothing}");
}

#[tokio::test]
async fn lists_that_cannot_be_saved_are_in_force_and_said_not_to_be_saved() {
    let upstream = Upstream::echo().await;
    let management = ["lists", "management"];
    let setup = Setup::forwarding(upstream.address).set(&management, json!(["127.0.0.16/30"]));
    // Keeps the file from being replaced, also by root.
    let draft = setup.directory().join("state/lists.json.new");
    std::fs::create_dir_all(&draft).unwrap();
    let mut gateway = Gateway::start(setup).await;
    add(&gateway, "deny", "127.0.0.16/28").await;
    assert!(serves(&gateway, "127.0.0.17").await);
    let told = |part: &str| {
        let lines = gateway.errors.all();
        let told = lines.into_iter();
        told.filter(|line| line.contains("ERROR") && line.contains(part))
            .count()
    };
    assert_eq!(told("could not be saved"), 1);

    gateway
        .setup()
        .change(&management, json!(["127.0.0.20/30"]));
    drop(gateway.setup().write());
    let answer = gateway.reload().await;
    assert_eq!(answer["answer"], "done", "{answer}");
    assert!(serves(&gateway, "127.0.0.21").await);
    assert!(!serves(&gateway, "127.0.0.17").await);
    let told = until("the second", || async {
        let lines = gateway.errors.all();
        let told = lines.iter().filter(|line| line.contains("ERROR"));
        let told = told.filter(|line| line.contains("could not be saved"));
        (told.count() == 2).then_some(())
    });
    told.await;
    std::fs::remove_dir(&draft).unwrap();
    gateway
        .errors
        .find("what is saved later", |line| {
            line.contains("what the configuration says is saved now")
                .then_some(())
        })
        .await;
}
