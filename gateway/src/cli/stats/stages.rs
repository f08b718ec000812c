//! What stages counted, their canaries beside them. Only a gateway that runs knows that.

use serde::Serialize;

use super::penalties::Penalties;
use super::report::Report;
use super::throttled::Caller;
use crate::cli::target::Target;
use crate::cli::time::moment;
use crate::daemon::protocol::{CallError, Request, Response, call};
use crate::daemon::stage_figures::{DurationBucket, StageCount};
use crate::telemetry::latency::BOUNDS_US;

/// The whole of `--json`.
#[derive(Serialize)]
pub(super) struct Whole<'a> {
    #[serde(flatten)]
    pub(super) report: &'a Report,
    /// Empty where no gateway runs.
    pub(super) stages: &'a [StageCount],
    /// Empty where no gateway runs.
    pub(super) throttled_callers: &'a [Caller],
    /// `null` where no gateway runs.
    pub(super) penalties: Option<&'a Penalties>,
}

/// What the gateway that runs has counted, nothing where none does; and what keeps whoever asks from
/// being told, who may read the kernel's counters all the same.
pub(super) fn counted(target: &Target) -> anyhow::Result<(Vec<StageCount>, Option<CallError>)> {
    match call(&target.admin_socket, &Request::StageCounts) {
        Ok(Response::StageCounts { stages }) => Ok((stages, None)),
        Ok(_) => Err(CallError::OtherAnswer.into()),
        Err(CallError::NotRunning(_)) => Ok((Vec::new(), None)),
        Err(error @ CallError::NotAllowed(_)) => Ok((Vec::new(), Some(error))),
        Err(error) => Err(error.into()),
    }
}

/// One line for each track; `None` where there is none.
pub(super) fn table(stages: &[StageCount]) -> Option<String> {
    if stages.is_empty() {
        return None;
    }
    let mut rows = vec![format!(
        "\n{:<24} {:<16} {:<7} {:>6} {:<20} {:>12} {:>10} {:>10} {:>10} {:>9} {:>9} {:>9}",
        "api",
        "stage",
        "track",
        "serves",
        "since",
        "requests",
        "4xx",
        "5xx",
        "mean ms",
        "p50 ms",
        "p95 ms",
        "p99 ms"
    )];
    rows.extend(stages.iter().map(|count| {
        let mean_us = count.duration_us.checked_div(count.requests).unwrap_or(0);
        let quantile = |percent| within(count.quantile(percent));
        let deployment = count.deployment;
        format!(
            "{:<24} {:<16} {:<7} {:>6} {:<20} {:>12} {:>10} {:>10} {:>10} {:>9} {:>9} {:>9}",
            count.api,
            count.stage,
            count.track,
            deployment.map_or_else(|| "-".to_owned(), |number| number.to_string()),
            moment(count.since_unix_seconds),
            count.requests,
            count.client_errors,
            count.server_errors,
            format!("{}.{:03}", mean_us / 1_000, mean_us % 1_000),
            quantile(50),
            quantile(95),
            quantile(99),
        )
    }));
    Some(rows.join("\n"))
}

/// The bound that a quantile keeps, in milliseconds.
fn within(bucket: Option<DurationBucket>) -> String {
    let ms = |us: u64| {
        let text = format!("{}.{:03}", us / 1_000, us % 1_000);
        let text = text.trim_end_matches('0').trim_end_matches('.');
        text.to_owned()
    };
    match bucket.map(|bucket| bucket.at_most_us) {
        None => "-".to_owned(),
        Some(Some(bound)) => format!("<={}", ms(bound)),
        Some(None) => format!(">{}", ms(BOUNDS_US.last().copied().unwrap_or_default())),
    }
}
