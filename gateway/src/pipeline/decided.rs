//! The step of the policy set, with what is kept of it.

use super::follow::passed;
use crate::clock;
use crate::exchange::{Exchange, Judged, Rejection};
use crate::step::attempt::{Asking, Attempt, Called, Purpose};
use crate::step::decide::{DecidePlan, decide};
use crate::telemetry::execution_log::Step;

/// Asks the policy set of a route whether the caller may go on.
///
/// # Errors
/// What the policy set has against the request, unless it only monitors.
///
/// # Cancel safety
/// Safe: nothing is half done.
pub(super) async fn consult(
    plan: &DecidePlan,
    called: &Called<'_>,
    exchange: &mut Exchange,
    asking: Asking<'_>,
) -> Result<(), Rejection> {
    let started_ns = clock::monotonic_ns();
    let attempt = Attempt {
        called,
        exchange,
        asking,
        now: clock::unix_seconds(),
    };
    let decided = decide(plan, &attempt).await;
    let record = &mut exchange.record.record;
    record.policies = decided.logged();
    let rejection = decided.rejection();
    let outcome = if plan.is_monitor {
        record.monitor(rejection.as_ref().map(Rejection::logged));
        if let Some(rejection) = rejection.filter(|_| asking.purpose == Purpose::Serve) {
            plan.tell(&rejection, clock::unix_seconds());
        }
        Ok(())
    } else {
        rejection.map_or(Ok(()), Err)
    };
    exchange.decided = Some(decided);
    exchange.policy = Some(Judged::of(exchange.kind, &outcome, started_ns));
    if outcome.is_ok() {
        let name = &plan.name;
        let said = format_args!("Successfully completed the decision of the policy set: {name}");
        passed(exchange, Step::Policies, said);
    }
    outcome
}
