//! API keys as people read them.

use gateway_common::limit::Rate;

use crate::cli::time::moment;
use crate::config;
use crate::daemon::api_key_report::{KeyReport, PlanReport, ThrottleReport};
use crate::store::api_key::Unsaid;

pub(super) fn table(keys: &[KeyReport]) -> String {
    let mut rows = vec![format!(
        "{:<10} {:<8} {:<20} {:<24} {}",
        "ID", "STATE", "MADE", "PLANS", "NAME"
    )];
    rows.extend(keys.iter().map(|key| {
        let plans: Vec<&str> = key.plans.iter().map(|plan| plan.plan.as_str()).collect();
        let plans = match plans.as_slice() {
            [] => "-".to_owned(),
            plans => plans.join(","),
        };
        let row = format!(
            "{:<10} {:<8} {:<20} {plans:<24} {}",
            key.id,
            state(key),
            moment(key.created_unix_seconds),
            key.name.as_deref().unwrap_or_default()
        );
        row.trim_end().to_owned()
    }));
    rows.join("\n")
}

pub(super) fn shown(key: &KeyReport, value: Option<&Unsaid>) -> String {
    let mut lines = Vec::new();
    let mut line = |name: &str, text: &str| lines.push(format!("{name:<12} {text}"));
    line("id", &key.id);
    if let Some(value) = value {
        line("value", value.expose());
    }
    for (name, text) in [
        ("name", &key.name),
        ("customer", &key.customer),
        ("description", &key.description),
    ] {
        if let Some(text) = text {
            line(name, text);
        }
    }
    line("state", state(key));
    line("made", &moment(key.created_unix_seconds));
    line("changed", &moment(key.updated_unix_seconds));
    for PlanReport {
        plan,
        added_unix_seconds,
        unknown,
    } in &key.plans
    {
        let lacking = if *unknown {
            ", which the configuration has not"
        } else {
            ""
        };
        let since = moment(*added_unix_seconds);
        line("plan", &format!("{plan} since {since}{lacking}"));
    }
    if let Some(ThrottleReport {
        rate_micro_per_second,
        burst,
        monitor,
    }) = key.throttle
    {
        let rate = config::shown_rate(Rate {
            micro_per_second: rate_micro_per_second,
        });
        let noted = if monitor { ", only monitored" } else { "" };
        line(
            "throttle",
            &format!("{rate} per second, burst {burst}{noted}"),
        );
    }
    lines.join("\n")
}

const fn state(key: &KeyReport) -> &'static str {
    if key.enabled { "enabled" } else { "disabled" }
}
