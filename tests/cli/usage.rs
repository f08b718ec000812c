//! `gateway usage`, of a store that was filled before.

use std::path::Path;
use std::process::Output;

use gateway::clock;
use gateway::model::{ApiKeyId, Day, Period, UsagePlanName};
use gateway::store::usage::{QuotaTerms, Usage};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use serde_json::{Value, json};

use crate::{gateway, stderr, stdout};

const KEY: &str = "abc0123xyz";
const OTHER: &str = "zyx3210cba";
const DAY_SECONDS: u64 = 86_400;

fn terms(limit: u64) -> QuotaTerms {
    QuotaTerms {
        limit,
        offset: 0,
        period: Period::Month,
        since: 0,
    }
}

/// Two keys of two plans, used yesterday and today; tells what today is.
fn filled(setup: &Setup) -> Day {
    let now = clock::unix_seconds();
    let usage = Usage::open(&setup.directory().join("state"), now).unwrap();
    let cell = |plan, key| usage.cell(&UsagePlanName::new(plan), &ApiKeyId::new(key));
    for _ in 0..3 {
        let _counted = cell("basic", KEY).count(now - DAY_SECONDS);
    }
    usage.commit(now - DAY_SECONDS).unwrap();
    let basic = cell("basic", KEY);
    let first = basic.charge(&terms(100), now).unwrap();
    let _second = basic.charge(&terms(100), now).unwrap();
    let _counted = cell("free", OTHER).count(now);
    first.give_back();
    usage.commit(now).unwrap();
    Day::of(now)
}

fn run(config: &Path, words: &[&str]) -> Output {
    let config = config.to_str().unwrap();
    gateway(&[&["usage"], words, &["--config", config]].concat())
}

#[track_caller]
fn check(config: &Path, today: Day, remaining: u64) {
    let (from, to) = (today.before(1).to_string(), today.to_string());
    let days = ["--from", &from, "--to", &to];
    let csv = run(config, &[&days[..], &["--format", "csv"]].concat());
    assert_eq!(
        stdout(&csv),
        format!(
            "day,plan,key,used,remaining\n{from},basic,{KEY},3,\n{to},basic,{KEY},1,{remaining}\n\
             {to},free,{OTHER},1,\n"
        ),
        "{}",
        stderr(&csv)
    );
    let table = stdout(&run(config, &[&days[..], &["--plan", "free"]].concat()));
    let lines: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines[0], ["DAY", "PLAN", "KEY", "USED", "REMAINING"]);
    assert_eq!(lines[1..], [[to.as_str(), "free", OTHER, "1", "-"]]);
    let json = run(
        config,
        &[&days[..], &["--format", "json", "--key", KEY]].concat(),
    );
    let json: Value = serde_json::from_str(&stdout(&json)).unwrap();
    let items = json!({KEY: [[3, null], [1, remaining]]});
    let basic = json!({"plan": "basic", "start_date": from, "end_date": to, "items": items});
    assert_eq!(json, json!([basic]));
}

#[track_caller]
fn check_refused(config: &Path, words: &[&str], expected: &str) {
    let refused = run(config, words);
    assert_ne!(refused.status.code(), Some(0));
    assert!(stderr(&refused).contains(expected), "{}", stderr(&refused));
}

fn check_refusals(config: &Path) {
    let set = |key, remaining| ["set-remaining", "--plan", "basic", "--key", key, remaining];
    check_refused(
        config,
        &set("zzzzzzzzzz", "5"),
        "no request of the API key `zzzzzzzzzz`",
    );
    check_refused(config, &set(KEY, "500000000001"), "too many");
    check_refused(config, &set("value-of-a-key", "5"), "no id of an API key");
    let free = ["set-remaining", "--plan", "free", "--key", OTHER, "5"];
    check_refused(config, &free, "no request was counted against a quota");
    check_refused(config, &["--from", "2026-02-30"], "is no day");
    check_refused(
        config,
        &["--from", "2026-02-02", "--to", "2026-02-01"],
        "comes after",
    );
    let years = [
        "--from",
        "2020-01-01",
        "--to",
        "2026-01-01",
        "--format",
        "json",
    ];
    check_refused(config, &years, "too many for JSON");
}

/// Leaves the key seven requests.
fn set_seven(config: &Path) -> Output {
    let words = ["set-remaining", "--plan", "basic", "--key", KEY, "7"];
    let set = run(config, &words);
    assert!(
        stdout(&set).contains("has 7 requests left"),
        "{}",
        stderr(&set)
    );
    set
}

#[test]
fn what_was_used_is_shown_and_changed_while_no_gateway_runs() {
    let setup = Setup::forwarding("127.0.0.1:9".parse().unwrap());
    let config = setup.write();
    check_refused(&config, &[], "has counted anything");
    let today = filled(&setup);
    check(&config, today, 99);
    check_refusals(&config);
    drop(set_seven(&config));
    let usage = Usage::open(&setup.directory().join("state"), today.begin()).unwrap();
    let cell = usage.cell(&UsagePlanName::new("basic"), &ApiKeyId::new(KEY));
    let standing = cell.standing(&terms(100), clock::unix_seconds());
    assert_eq!((standing.used, standing.remaining), (1, 7));
    drop(usage);
    check(&config, today, 7);
}

#[tokio::test]
async fn a_gateway_that_runs_shows_and_changes_what_was_used() {
    let setup = Setup::forwarding("127.0.0.1:9".parse().unwrap());
    let today = filled(&setup);
    let gateway = Gateway::start(setup).await;
    let config = gateway.config_path();
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.get("gateway_usage_cells"), 2.0);
    assert!(
        metrics
            .text
            .contains("\ngateway_usage_write_failures_total 0\n")
    );
    tokio::task::spawn_blocking(move || {
        check(&config, today, 99);
        check_refusals(&config);
        let set = set_seven(&config);
        assert_eq!(stderr(&set), "");
        check(&config, today, 7);
    })
    .await
    .unwrap();
}
