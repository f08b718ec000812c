//! Without root the gateway gives the same answers, and says in one line what the kernel does not do.

use std::os::unix::fs::PermissionsExt as _;

use gateway_tests::capability::or_skip;
use gateway_tests::gateway::BINARY;
use gateway_tests::netns::{CLIENT, OTHER, Site};
use serde_json::json;

#[tokio::test]
async fn without_root_the_answers_are_the_same_and_one_line_says_what_is_missing() {
    let Some(site) = or_skip(Site::new("absent").await) else {
        return;
    };
    let setup = site.setup().set(
        &["xdp"],
        json!({"connections_per_source": {"rate": 0.0003, "burst": 8}}),
    );
    let user = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    let copy = setup.directory().join("gateway");
    std::fs::copy(&*BINARY, &copy).unwrap();
    let own = |path: &std::path::Path| {
        std::os::unix::fs::chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
    };
    own(setup.directory());
    for entry in std::fs::read_dir(setup.directory()).unwrap() {
        own(&entry.unwrap().path());
    }
    std::fs::set_permissions(setup.directory(), std::fs::Permissions::from_mode(0o755)).unwrap();
    // The binary itself may lie where only root gets to.
    let unprivileged = format!(
        "shift; exec setpriv --reuid={} --regid={} --clear-groups {} \"$@\"",
        user.uid,
        user.gid,
        copy.display()
    );
    let gateway = site
        .start(setup.launcher(&["sh", "-c", &unprivileged, "sh"]))
        .await;
    let config = gateway.config_path().display().to_string();
    assert_eq!(site.program(), None);

    let lines = gateway.errors.all();
    let about: Vec<&String> = lines.iter().filter(|line| line.contains("XDP")).collect();
    let [line] = about[..] else {
        panic!("{lines:?}")
    };
    for part in [
        "CAP_BPF",
        "packet rates",
        "refused at accept",
        "run the same command with `sudo`",
    ] {
        assert!(line.contains(part), "no {part} in {line}");
    }

    for source in CLIENT {
        let answer = site.call(source, "/pets/7").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["headers"]["x-forwarded-for"], source);
        let client = site.client(source).await.unwrap();
        assert_eq!(client.get("/pets/7").await.status, 401);
        assert_eq!(client.get("/open").await.status, 200);
        // What XDP would have dropped, accept closes before a byte is read.
        drop(site.succeed(&["deny", "add", source, "--config", &config]));
        assert!(site.client(source).await.is_err());
        drop(site.succeed(&["deny", "remove", source, "--config", &config]));
        assert!(site.client(source).await.is_ok());
    }
    let mut served = 0;
    while let Ok(client) = site.client(OTHER[0]).await {
        assert_eq!(client.get("/open").await.status, 200);
        served += 1;
        assert!(served <= 8, "the connection rate is not enforced at accept");
    }
    assert_eq!(served, 8);
    let stats: serde_json::Value =
        serde_json::from_str(&site.succeed(&["stats", "--json", "--config", &config])).unwrap();
    assert_eq!(stats["source"], "file");
}
