//! `gateway keys`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use gateway_tests::gateway::{BINARY, Gateway};
use gateway_tests::setup::Setup;
use serde_json::{Value, json};

use crate::{gateway, stderr, stdout};

const VALUE: &str = "aVeryWellKnownValue0123456789abc";

fn nowhere() -> Setup {
    Setup::forwarding("127.0.0.1:9".parse().unwrap())
}

fn run(config: &Path, words: &[&str]) -> Output {
    let config = config.to_str().unwrap();
    gateway(&[&["keys"], words, &["--config", config]].concat())
}

#[track_caller]
fn done(config: &Path, words: &[&str]) -> String {
    let output = run(config, words);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    stdout(&output)
}

#[track_caller]
fn refused(config: &Path, words: &[&str], expected: &str) {
    let output = run(config, words);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(expected), "{said}");
    assert!(!said.contains(VALUE), "{said}");
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| panic!("{text}"))
}

fn create(config: &Path, words: &[&str]) -> Value {
    parsed(&done(config, &[&["create", "--json"], words].concat()))
}

fn list(config: &Path) -> Vec<Value> {
    let keys = parsed(&done(config, &["list", "--json"]));
    keys.as_array().unwrap().clone()
}

fn id_of(made: &Value) -> &str {
    made["id"].as_str().unwrap()
}

fn value_of(made: &Value) -> String {
    made["value"].as_str().unwrap().to_owned()
}

/// The life of a key, by commands that find their gateway or its directory; tells a value that was drawn.
fn live(config: &Path, value_file: &Path) -> String {
    let file = value_file.to_str().unwrap();
    let words = ["--name", "first", "--value-file", file, "--plan", "basic"];
    let made = create(config, &words);
    assert_eq!(
        made,
        json!({"id": made["id"]}),
        "what was brought along is not told"
    );
    let id = id_of(&made);
    refused(
        config,
        &["create", "--value-file", file],
        "has this value already",
    );
    let drawn = create(config, &["--rate", "0.5", "--burst", "3", "--disabled"]);
    assert_eq!(value_of(&drawn).len(), 40);

    let shown = done(config, &["show", id_of(&drawn)]);
    assert!(
        shown.contains("throttle     0.5 per second, burst 3"),
        "{shown}"
    );
    assert!(shown.contains("state        disabled"), "{shown}");
    let noted = create(config, &["--rate", "0.5", "--burst", "3", "--monitor"]);
    let shown = done(config, &["show", id_of(&noted)]);
    assert!(
        shown.contains("throttle     0.5 per second, burst 3, only monitored"),
        "{shown}"
    );
    let found = parsed(&done(config, &["show", id_of(&noted), "--json"]));
    assert_eq!(found["throttle"]["monitor"], true);
    done(config, &["delete", id_of(&noted)]);
    refused(config, &["show", id, "--value"], "is not kept");
    let found = parsed(&done(config, &["show", id, "--json"]));
    assert_eq!(found["plans"][0]["plan"], "basic");
    assert_eq!(found["enabled"], true);

    for (words, said) in [
        (vec!["disable", id], "is disabled"),
        (vec!["enable", id], "is enabled"),
        (
            vec!["attach", id, "--plan", "more"],
            "belongs to the usage plan `more`",
        ),
        (
            vec!["detach", id, "--plan", "basic"],
            "does not belong to the usage plan `basic`",
        ),
    ] {
        let found = done(config, &words);
        assert!(found.contains(said), "{found}");
    }
    let table = done(config, &["list", "--plan", "more"]);
    assert_eq!(table.lines().count(), 2, "{table}");
    assert!(table.contains("first"), "{table}");
    done(config, &["delete", id]);
    refused(config, &["show", id], "there is no API key");
    refused(config, &["show", VALUE], "this is no id of an API key");
    let left = list(config);
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["id"], drawn["id"]);
    done(config, &["delete", id_of(&drawn)]);
    value_of(&drawn)
}

fn value_file(setup: &Setup) -> PathBuf {
    setup.file("value", &format!("{VALUE}\n"))
}

#[tokio::test]
async fn a_key_lives_through_a_running_gateway_and_is_known_to_the_next() {
    let setup = nowhere();
    let value = value_file(&setup);
    let gateway = Gateway::start(setup).await;
    let config = gateway.config_path();
    let ordered = tokio::task::spawn_blocking(move || {
        let drawn = live(&config, &value);
        (drawn, create(&config, &["--name", "kept"]))
    });
    let (drawn, kept) = ordered.await.unwrap();
    // What the log says of all that has no value in it.
    let made = format!("the API key `{}` is made", id_of(&kept));
    let is_last = |line: &str| line.contains(&made).then_some(());
    gateway.errors.find("the last order", is_last).await;
    let log = gateway.errors.all().join("\n");
    assert!(
        log.contains("is disabled") && log.contains("is deleted"),
        "{log}"
    );
    for value in [VALUE, &drawn, &value_of(&kept)] {
        assert!(!log.contains(value), "{log}");
    }
    // As a gateway ends that is killed.
    let setup = gateway.kill().await;
    let config = setup.write();
    assert_eq!(list(&config)[0]["id"], kept["id"]);
    let gateway = Gateway::start(setup).await;
    let config = gateway.config_path();
    let found = tokio::task::spawn_blocking(move || list(&config)).await;
    assert_eq!(found.unwrap()[0]["name"], "kept");
}

#[test]
fn without_a_gateway_the_commands_themselves_change_what_the_next_one_knows() {
    let setup = nowhere();
    let config = setup.write();
    refused(&config, &["list"], "has API keys in");
    assert!(
        !setup.directory().join("state").exists(),
        "nothing is created"
    );
    live(&config, &value_file(&setup));
    let said = stderr(&run(&config, &["create"]));
    assert!(
        said.contains("no gateway is running: the next one knows this"),
        "{said}"
    );
    let path = setup.directory().join("state/api-keys.secret");
    std::fs::remove_file(&path).unwrap();
    refused(&config, &["list"], "api-keys.secret` is missing");
    refused(&config, &["create"], "api-keys.secret` is missing");
    assert!(!path.exists());
}

#[test]
fn values_are_read_from_standard_input_and_back_where_they_are_kept() {
    let setup = nowhere().set(&["api_keys", "values"], json!("encrypted"));
    let config = setup.write();
    let mut child = Command::new(&*BINARY)
        .args(["keys", "create", "--json", "--value-stdin", "--config"])
        .arg(&config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{VALUE}\r").unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let made = parsed(&stdout(&output));
    let shown = parsed(&done(&config, &["show", id_of(&made), "--value", "--json"]));
    assert_eq!(shown["value"], VALUE);
    let database = std::fs::read(setup.directory().join("state/api-keys.redb")).unwrap();
    let is_there = |text: &str| database.windows(text.len()).any(|it| it == text.as_bytes());
    assert!(is_there(id_of(&made)) && !is_there(VALUE));
}

#[tokio::test]
async fn that_a_value_was_shown_is_noted_without_the_value() {
    let setup = nowhere().set(&["api_keys", "values"], json!("encrypted"));
    let gateway = Gateway::start(setup).await;
    let config = gateway.config_path();
    let shown = tokio::task::spawn_blocking(move || {
        let made = create(&config, &[]);
        let shown = parsed(&done(&config, &["show", id_of(&made), "--value", "--json"]));
        assert_eq!(value_of(&shown), value_of(&made));
        shown
    });
    let shown = shown.await.unwrap();
    let noted = format!("the value of the API key `{}` is shown", id_of(&shown));
    let is_noted = |line: &str| line.contains(&noted).then(|| line.to_owned());
    gateway.errors.find("the note", is_noted).await;
    let log = gateway.errors.all().join("\n");
    assert!(!log.contains(&value_of(&shown)), "{log}");
}

/// Imports a file of a good and a bad row.
fn import(config: &Path, file: &str) {
    let words = ["import", file, "--fail-on-warnings"];
    refused(
        config,
        &words,
        "line 3: left out: this value has 5 characters",
    );
    let output = run(config, &["import", file]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        stdout(&output).contains("is made, 1 row is left out"),
        "{}",
        stdout(&output)
    );
    assert!(
        stderr(&output).contains("warning: line 3: left out: "),
        "{}",
        stderr(&output)
    );
    let keys = list(config);
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0]["name"], "one, \"two\"");
    assert_eq!(keys[0]["enabled"], false);
    // Twice the same is no success.
    let again = run(config, &["import", file]);
    assert_eq!(again.status.code(), Some(1));
}

fn table(setup: &Setup) -> String {
    let rows = format!("Name,Key,Enabled\r\n\"one, \"\"two\"\"\",{VALUE},false\r\nx,short,\r\n");
    setup.file("keys.csv", &rows).display().to_string()
}

#[tokio::test]
async fn files_are_imported_by_a_gateway_and_without_one() {
    let setup = nowhere();
    let file = table(&setup);
    import(&setup.write(), &file);
    let setup = nowhere();
    let file = table(&setup);
    let large = setup.directory().join("large.csv");
    let rows = (0..5_000).map(|number| format!("large{number:030},n\n"));
    std::fs::write(&large, format!("Key,Name\n{}", rows.collect::<String>())).unwrap();
    let gateway = Gateway::start(setup).await;
    let config = gateway.config_path();
    let imported = tokio::task::spawn_blocking(move || {
        import(&config, &file);
        // More than a request may have, and than one answer lists.
        let said = done(&config, &["import", large.to_str().unwrap()]);
        assert_eq!(said, "5000 API keys are made\n");
        assert_eq!(list(&config).len(), 5_001);
        std::fs::write(&large, [b"Key\n\n".as_slice(), &[0xff]].concat()).unwrap();
        let large = large.to_str().unwrap();
        refused(&config, &["import", large], "line 3: this is not UTF-8");
    });
    imported.await.unwrap();
    // What a gateway says of all that has no value in it.
    let records = gateway.all_records().await;
    assert!(
        !records
            .iter()
            .any(|record| record.to_string().contains(VALUE))
    );
}
