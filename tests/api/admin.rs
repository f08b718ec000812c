//! The admin socket, and who may speak on it.

use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::process::Command;

use gateway_tests::client::Client;
use gateway_tests::gateway::{BINARY, Gateway};
use gateway_tests::process::output;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;

async fn started() -> (Upstream, Gateway) {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(Setup::forwarding(upstream.address)).await;
    (upstream, gateway)
}

#[tokio::test]
async fn it_is_for_user_and_group_only() {
    let (_upstream, mut gateway) = started().await;
    let metadata = std::fs::metadata(gateway.setup().admin_socket()).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o660);
}

#[tokio::test]
async fn what_is_no_request_is_refused_and_the_next_is_served() {
    let (_upstream, gateway) = started().await;
    let long = format!(
        r#"{{"do":"list_add","list":"deny","prefix":"{}"}}"#,
        "1".repeat(700_000)
    );
    for line in ["", "garbage", "{}", r#"{"do":"stop"}"#, "[[[[", &long] {
        let answer = gateway.admin(line).await;
        assert_eq!(
            answer["answer"],
            "refused",
            "{}",
            line.get(..20).unwrap_or(line)
        );
    }
    let answer = gateway.admin(&long).await;
    assert_eq!(answer["message"], "a request takes at most 65536 bytes");
    assert_eq!(gateway.admin(r#"{"do":"reload"}"#).await["answer"], "done");
    assert_eq!(
        Client::http1(gateway.address().await)
            .await
            .get("/")
            .await
            .status,
        200
    );
}

/// Even where the file's mode would let somebody in, the peer's credentials decide.
#[tokio::test]
async fn other_users_are_refused_whatever_the_mode() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can become somebody else");
        return;
    }
    let (_upstream, mut gateway) = started().await;
    let setup = gateway.setup();
    let open = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    open(setup.directory(), 0o755);
    open(&setup.directory().join("run"), 0o755);
    open(&setup.admin_socket(), 0o666);
    // The binary and the configuration must be readable to nobody; copies are.
    let binary = setup.directory().join("gateway");
    std::fs::copy(&*BINARY, &binary).unwrap();
    open(&binary, 0o755);
    let config = setup.write();
    open(&config, 0o644);
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&binary);
    command.arg("reload").arg("--config").arg(&config);
    let output = output(&mut command).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("only root, the gateway's user and its group may use this socket"),
        "{said}"
    );
    let told = |line: &str| line.contains("peer refused").then(|| line.to_owned());
    assert!(
        gateway
            .errors
            .find("the refusal", told)
            .await
            .contains("uid=65534")
    );
    assert_eq!(gateway.metrics().await.sum("gateway_reloads_total"), 0.0);
}
