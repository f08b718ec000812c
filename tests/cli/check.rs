//! `gateway check` and `gateway schema`.

use gateway_tests::setup::Setup;
use serde_json::{Value, json};

use crate::{gateway, stderr, stdout};

fn sound() -> Setup {
    Setup::forwarding("127.0.0.1:9".parse().unwrap())
}

fn check(setup: &Setup) -> (Option<i32>, String, String) {
    let file = setup.write();
    let output = gateway(&["check", file.to_str().unwrap()]);
    (output.status.code(), stdout(&output), stderr(&output))
}

#[test]
fn a_sound_file_is_summed_up_on_standard_output() {
    let setup = sound();
    let (code, out, err) = check(&setup);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(
        out.contains(": ok, 1 listener, 1 API, 1 route, 0 authorizers, 1 upstream\n"),
        "{out}"
    );
}

#[test]
fn every_error_is_named_with_its_place_on_standard_error() {
    let mut setup = sound();
    setup.change(&["listeners", "main", "adress"], json!("127.0.0.1:0"));
    setup.change(
        &["apis", "main", "routes", "GET /a"],
        json!({"integration": {"upstream": "main"}}),
    );
    setup.change(
        &["apis", "main", "routes", "GET /b"],
        json!({"authorizer": "nobody", "integration": {"upstream": "main"}}),
    );
    let (code, out, err) = check(&setup);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    for told in ["`adress`", "address", "authorizer", "nobody"] {
        assert!(err.contains(told), "{told} in {err}");
    }
    let places = err
        .lines()
        .filter(|line| line.contains("gateway.yaml:"))
        .count();
    assert!(places >= 3, "{err}");
}

#[test]
fn a_file_that_is_not_there_is_told() {
    let output = gateway(&["check", "/nowhere/gateway.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("/nowhere/gateway.yaml"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_file_that_is_not_yaml_is_told_with_its_place() {
    let setup = sound();
    let file = setup.file("broken.yaml", "listeners:\n  main: {address: [\n");
    let output = gateway(&["check", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("broken.yaml:"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn the_schema_is_json_and_knows_every_section() {
    let output = gateway(&["schema"]);
    assert_eq!(output.status.code(), Some(0));
    let schema: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for section in [
        "listeners",
        "apis",
        "upstreams",
        "authorizers",
        "xdp",
        "telemetry",
        "admin",
    ] {
        assert!(schema["properties"].get(section).is_some(), "{section}");
    }
    assert_eq!(
        schema["additionalProperties"], false,
        "unknown keys are refused"
    );
}
