//! Who is refused most: throttles by their names, and callers whom nobody has named.

use serde::Serialize;

use super::report::Throttle;
use crate::cli::target::Target;
use crate::daemon::names::Names;
use crate::daemon::protocol::{CallError, Request, Response, call};
use crate::daemon::throttled::ThrottledReport;

/// Rows of either table; `--json` has all.
const ROWS_MAX: usize = 10;

/// A caller that is refused, with the name of what refuses it.
#[derive(Debug, Serialize)]
pub(super) struct Caller {
    /// `null` where it is not known any more.
    throttle: Option<String>,
    caller: String,
    rejected_max: u64,
    rejected_min: u64,
}

/// The callers that the gateway that runs refuses most; none where none does, or where it does not say.
pub(super) fn callers(target: &Target, names: &Names) -> anyhow::Result<Vec<Caller>> {
    let callers = match call(&target.admin_socket, &Request::Throttled) {
        Ok(Response::Throttled { callers }) => callers,
        Ok(_) => return Err(CallError::OtherAnswer.into()),
        // That is said once, of what stages counted.
        Err(CallError::NotRunning(_) | CallError::NotAllowed(_)) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let named = callers.into_iter().map(|report: ThrottledReport| Caller {
        throttle: names.slot(report.throttle).map(str::to_owned),
        caller: report.caller,
        rejected_max: report.rejected_max,
        rejected_min: report.rejected_min,
    });
    Ok(named.collect())
}

/// The throttles that refused most, and those callers; `None` where nobody was refused.
pub(super) fn table(throttles: &[Throttle], callers: &[Caller]) -> Option<String> {
    let refusing = throttles.iter().filter(|throttle| throttle.rejected > 0);
    let refusing: Vec<&Throttle> = refusing.take(ROWS_MAX).collect();
    let mut rows = Vec::new();
    if !refusing.is_empty() {
        rows.push(format!(
            "\n{:<56} {:>12} {:>12} {:>12}",
            "throttled most", "rejected", "admitted", "shed"
        ));
        rows.extend(refusing.iter().map(|it| {
            format!(
                "{:<56} {:>12} {:>12} {:>12}",
                it.throttle, it.rejected, it.admitted, it.shed
            )
        }));
    }
    if !callers.is_empty() {
        rows.push(format!(
            "\n{:<36} {:>24} throttle",
            "callers throttled most", "rejected"
        ));
        rows.extend(callers.iter().take(ROWS_MAX).map(|it| {
            let rejected = if it.rejected_min == it.rejected_max {
                it.rejected_max.to_string()
            } else {
                format!("{} to {}", it.rejected_min, it.rejected_max)
            };
            let throttle = it.throttle.as_deref().unwrap_or("-");
            format!("{:<36} {rejected:>24} {throttle}", it.caller)
        }));
    }
    (!rows.is_empty()).then(|| rows.join("\n"))
}
