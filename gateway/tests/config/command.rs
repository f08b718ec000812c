//! `gateway check` and `gateway schema` as they are run.

use std::process::{Command, Output};

use gateway::config::schema;

use crate::files::{reference, repository};
use crate::site::Site;

fn gateway(arguments: &[&str], site: &Site) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
    command
        .args(arguments)
        .current_dir(site.path())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn check_says_how_much_there_is_and_where_it_answers() {
    let site = Site::new();
    std::fs::write(site.path().join("gateway.yaml"), reference()).unwrap();
    let output = gateway(&["check", "gateway.yaml"], &site);
    let expected = "gateway.yaml: ok, 1 listener, 3 APIs, 10 routes, 6 authorizers, 1 upstream\n\
                    API `pets` answers on api.example.com, 2wrazizst7.execute-api.local.localhost\n\
                    API `inside` answers on custom domains alone\n\
                    API `legacy` answers on legacy.example.com, gfi81yjq9t.execute-api.local.localhost\n";
    assert_eq!(text(&output.stdout), expected);
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn check_refuses_with_every_error_on_its_own_line() {
    let site = Site::new();
    let bad = repository().join("gateway/tests/config/bad");
    let file = "everything-at-once.yaml";
    std::fs::copy(bad.join(file), site.path().join(file)).unwrap();
    let expected = std::fs::read_to_string(bad.join(file).with_extension("expected")).unwrap();
    let output = gateway(&["check", file], &site);
    assert_eq!(text(&output.stdout), "");
    assert_eq!(text(&output.stderr), expected);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn schema_prints_the_schema() {
    let site = Site::new();
    let output = gateway(&["schema"], &site);
    let printed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed, schema());
    assert_eq!(output.status.code(), Some(0));
}
