//! `gateway run`, where it does not come to run.

use gateway_tests::setup::Setup;
use serde_json::json;

use crate::{gateway, stderr};

#[test]
fn without_a_configuration_it_does_not_start() {
    let output = gateway(&["run"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("--config <FILE>"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn without_a_command_it_says_which_there_are() {
    let output = gateway(&[]);
    assert_eq!(output.status.code(), Some(2));
    for command in ["run", "reload", "check", "schema"] {
        assert!(stderr(&output).contains(command), "{}", stderr(&output));
    }
}

/// A mistake in who may call what must never become a route that anybody may call.
#[test]
fn no_mistake_about_authorizers_leaves_a_route_open() {
    let route = |authorizer: serde_json::Value| {
        let route = json!({"authorizer": authorizer, "integration": {"upstream": "main"}});
        Setup::forwarding("127.0.0.1:9".parse().unwrap())
            .set(&["apis", "main", "routes", "GET /a"], route)
    };
    let missing = Setup::forwarding("127.0.0.1:9".parse().unwrap()).set(
        &["apis", "main", "routes", "GET /a"],
        json!({"integration": {"upstream": "main"}}),
    );
    let misspelt = Setup::forwarding("127.0.0.1:9".parse().unwrap()).set(
        &["apis", "main", "routes", "GET /a"],
        json!({"authoriser": "main", "integration": {"upstream": "main"}}),
    );
    let rows = [
        ("unknown", route(json!("nobody"))),
        ("empty", route(json!(""))),
        ("null", route(json!(null))),
        ("false", route(json!(false))),
        ("another spelling of none", route(json!("None"))),
        ("a list", route(json!([]))),
        ("missing", missing),
        ("misspelt", misspelt),
    ];
    for (name, setup) in rows {
        let file = setup.write();
        let output = gateway(&["run", "--config", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert!(
            stderr(&output).contains("author"),
            "{name}: {}",
            stderr(&output)
        );
        assert!(!stderr(&output).contains("listening"), "{name}");
    }
}

#[test]
fn keys_that_cannot_be_read_are_no_reason_to_start_without() {
    let setup = Setup::forwarding("127.0.0.1:9".parse().unwrap());
    let rows = [
        ("missing", None),
        ("garbage", Some("not JSON")),
        ("empty", Some(r#"{"keys":[]}"#)),
    ];
    for (name, contents) in rows {
        let path = setup.directory().join(name);
        if let Some(contents) = contents {
            std::fs::write(&path, contents).unwrap();
        }
        let setup = Setup::forwarding("127.0.0.1:9".parse().unwrap())
            .set(
                &["authorizers", "main"],
                gateway_tests::issuer::authorizer(json!({"file": path})),
            )
            .route("GET /a", json!({"authorizer": "main"}));
        let file = setup.write();
        let output = gateway(&["run", "--config", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert!(
            stderr(&output).contains("authorizer"),
            "{name}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn an_address_that_is_taken_is_named_with_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let setup =
        Setup::forwarding("127.0.0.1:9".parse().unwrap()).listener("address", json!(address));
    let output = gateway(&["run", "--config", setup.write().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(
        said.contains(&address) && said.contains("another process listens there"),
        "{said}"
    );
}
