//! Who is penalised, and how often what was done. Only a gateway that runs knows that.

use std::collections::BTreeMap;

use serde::Serialize;

use super::report::Report;
use crate::cli::target::Target;
use crate::cli::time::spoken;
use crate::daemon::penalties::{PenaltyReport, PenaltyTally};
use crate::daemon::protocol::{CallError, Request, Response, call};

/// Rows for people; `--json` has as many as are listed.
const ROWS_MAX: usize = 10;
/// Reasons for which the kernel refuses who is penalised, among others.
const KERNEL_REASONS: [&str; 2] = ["connection_rate", "penalised"];

/// What the gateway says of penalties.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Penalties {
    /// Those that have not ended, the longest first, as many as are listed.
    pub(crate) penalties: Vec<PenaltyReport>,
    /// How many more there are.
    pub(crate) more: u64,
    #[serde(flatten)]
    pub(crate) counts: PenaltyTally,
}

/// What the gateway that runs says of penalties; `None` where none does, or where it does not say.
pub(crate) fn penalties(target: &Target) -> anyhow::Result<Option<Penalties>> {
    match call(&target.admin_socket, &Request::Penalties) {
        Ok(Response::Penalties {
            penalties,
            more,
            counts,
        }) => Ok(Some(Penalties {
            penalties,
            more,
            counts,
        })),
        Ok(_) => Err(CallError::OtherAnswer.into()),
        // That is said once, of what stages counted.
        Err(CallError::NotRunning(_) | CallError::NotAllowed(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Lines for people; `None` where nobody has offended since the gateway has started.
pub(super) fn table(penalties: &Penalties, report: &Report) -> Option<String> {
    let PenaltyTally {
        offences,
        enforced,
        monitored,
    } = &penalties.counts;
    let is_quiet = |counts: &BTreeMap<String, u64>| counts.values().all(|count| *count == 0);
    if penalties.penalties.is_empty() && is_quiet(offences) && is_quiet(enforced) {
        return None;
    }
    let mut lines = vec![
        format!("\noffences: {}", counted(offences)),
        format!("penalties: {}", counted(enforced)),
    ];
    if !is_quiet(monitored) {
        lines.push(format!("only monitored: {}", counted(monitored)));
    }
    let refused = KERNEL_REASONS.map(|reason| (reason.to_owned(), dropped(report, reason)));
    lines.push(format!(
        "packets that the kernel refused: {}",
        counted(&refused.into())
    ));
    if !penalties.penalties.is_empty() {
        lines.push(format!(
            "{:<40} {:<8} {:<12} key",
            "penalised", "step", "owes"
        ));
    }
    lines.extend(penalties.penalties.iter().take(ROWS_MAX).map(|penalty| {
        let key = penalty.key.as_deref().unwrap_or("-");
        let left = spoken(penalty.left_seconds);
        let (source, step) = (penalty.source.to_string(), &penalty.step);
        format!("{source:<40} {step:<8} {left:<12} {key}")
    }));
    Some(lines.join("\n"))
}

fn counted(counts: &BTreeMap<String, u64>) -> String {
    let counts = counts.iter().map(|(name, count)| format!("{name} {count}"));
    counts.collect::<Vec<_>>().join(", ")
}

fn dropped(report: &Report, reason: &str) -> u64 {
    let rows = report.verdicts.iter();
    let rows = rows.filter(|row| row.labels.verdict == "drop" && row.labels.reason == reason);
    rows.map(|row| row.packets).sum()
}
