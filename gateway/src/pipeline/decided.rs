//! The step of the policy set, with what is kept of it.

use super::follow::passed;
use crate::clock;
use crate::exchange::{Caller, Exchange, Judged, Rejection};
use crate::step::attempt::{Asking, Attempt, Called, Purpose};
use crate::step::authorize::AuthorizePlan;
use crate::step::decide::{DecidePlan, decide};
use crate::telemetry::execution_log::Step;

/// Asks the policy set of a route whether the caller may go on whom `authorize` has let pass.
///
/// # Errors
/// What the policy set has against the request, unless it only monitors.
///
/// # Cancel safety
/// Safe: nothing is half done.
pub(super) async fn consult(
    (plan, authorize): (&DecidePlan, Option<&AuthorizePlan>),
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
    let token = authorize.filter(|_| plan.wants_token() && has_token(exchange));
    let token = token.and_then(|it| it.token(called.head));
    let decided = decide(plan, &attempt, token.as_deref()).await;
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

/// Whether the caller is known by a token. One that an authorizer only watches may be anybody's.
const fn has_token(exchange: &Exchange) -> bool {
    match exchange.caller {
        Some(Caller::Token(_)) => true,
        Some(Caller::Function(_) | Caller::Signer(_)) | None => false,
    }
}
