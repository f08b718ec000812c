//! What stages counted, their canaries beside them. Only a gateway that runs knows that.

use serde::Serialize;

use super::report::Report;
use crate::cli::target::Target;
use crate::daemon::protocol::{CallError, Request, Response, call};
use crate::daemon::stage_figures::StageCount;

/// The whole of `--json`.
#[derive(Serialize)]
pub(super) struct Whole<'a> {
    #[serde(flatten)]
    pub(super) report: &'a Report,
    /// Empty where no gateway runs.
    pub(super) stages: &'a [StageCount],
}

/// What the gateway that runs has counted; nothing where none does.
pub(super) fn counted(target: &Target) -> anyhow::Result<Vec<StageCount>> {
    match call(&target.admin_socket, &Request::StageCounts) {
        Ok(Response::StageCounts { stages }) => Ok(stages),
        Ok(_) => Err(CallError::OtherAnswer.into()),
        // The kernel's counters are for whoever may read them.
        Err(CallError::NotRunning(_) | CallError::NotAllowed(_)) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// One line for each track; `None` where there is none.
pub(super) fn table(stages: &[StageCount]) -> Option<String> {
    if stages.is_empty() {
        return None;
    }
    let mut rows = vec![format!(
        "\n{:<24} {:<16} {:<7} {:>12} {:>10} {:>10} {:>12}",
        "api", "stage", "track", "requests", "4xx", "5xx", "mean ms"
    )];
    rows.extend(stages.iter().map(|count| {
        let mean_us = count.duration_us.checked_div(count.requests).unwrap_or(0);
        let (ms, us) = (mean_us / 1_000, mean_us % 1_000);
        format!(
            "{:<24} {:<16} {:<7} {:>12} {:>10} {:>10} {:>12}",
            count.api,
            count.stage,
            count.track,
            count.requests,
            count.client_errors,
            count.server_errors,
            format!("{ms}.{us:03}")
        )
    }));
    Some(rows.join("\n"))
}
