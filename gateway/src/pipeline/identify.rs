//! The step of the authorizer, with what is kept of it.

use http::request::Parts;

use super::follow::passed;
use crate::clock;
use crate::exchange::{Exchange, Judged, Rejection};
use crate::language::policy::Decision;
use crate::step::authorize::{AuthorizePlan, Authorized, authorize};
use crate::telemetry::execution_log::Step;

/// Finds out who sends a request to a route that asks for that, and what the policy of that caller
/// says, where there is one.
///
/// # Errors
/// 401 where the caller is not known, 403 where it lacks every scope of the route.
///
/// # Cancel safety
/// Safe: nothing is half done.
pub(super) async fn identify(
    plan: &AuthorizePlan,
    head: &Parts,
    exchange: &mut Exchange,
) -> Result<Option<Decision>, Rejection> {
    let name = &plan.authorizer.model.name;
    let starting = format_args!("Starting authorizer: {name}");
    passed(exchange, Step::Authorizer, starting);
    let started_ns = clock::monotonic_ns();
    let outcome = authorize(plan, &head.headers, &head.uri, clock::unix_seconds()).await;
    exchange.authorizer = Some(Judged::of(exchange.kind, &outcome, started_ns));
    let Authorized { caller, policy } = outcome?;
    exchange.record.record.subject = caller.subject().map(Into::into);
    exchange.caller = Some(caller);
    let said = format_args!("Successfully completed authorizer execution");
    passed(exchange, Step::Authorizer, said);
    Ok(policy)
}
