//! `gateway doctor` on the machine of the test, whatever that lacks.

use gateway_tests::setup::Setup;
use serde_json::{Value, json};

use crate::{gateway, stdout};

fn findings() -> Value {
    let output = gateway(&["doctor", "--json"]);
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let fails = report["level"] == "fail";
    assert_eq!(output.status.code(), Some(i32::from(fails)), "{report}");
    report
}

#[test]
fn it_looks_at_the_kernel_and_names_its_sources() {
    let report = findings();
    let rows = report["findings"].as_array().unwrap();
    let kernel = rows.iter().find(|row| row["subject"] == "kernel").unwrap();
    assert!(
        kernel["text"].as_str().unwrap().starts_with("Linux "),
        "{kernel}"
    );
    assert!(rows.iter().any(|row| row["source"].is_string()), "{report}");
    for row in rows {
        let level = row["level"].as_str().unwrap();
        assert!(["ok", "warn", "fail"].contains(&level), "{row}");
        // What is wrong comes with a way out.
        if level != "ok" && row["subject"] != "kernel" {
            assert!(
                row["command"].is_string() || row["source"].is_string(),
                "{row}"
            );
        }
    }
}

#[test]
fn a_configuration_with_an_unknown_interface_is_refused() {
    let setup = Setup::forwarding("127.0.0.1:9".parse().unwrap())
        .set(&["xdp"], json!({"interfaces": ["nope0"]}));
    let config = setup.write();
    let output = gateway(&["doctor", "--config", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("`nope0`"), "{said}");
}
