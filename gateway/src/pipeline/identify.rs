//! The step of the authorizer, with what is kept of it.

use http::request::Parts;

use super::follow::passed;
use crate::clock;
use crate::exchange::{Exchange, Judged, Rejection};
use crate::router::{Match, RequestPath};
use crate::snapshot::RoutePlan;
use crate::step::attempt::{Asking, Attempt, Called};
use crate::step::authorize::{AuthorizePlan, authorize};
use crate::telemetry::execution_log::Step;

/// Finds out who sends a request to a route that asks for that.
///
/// # Errors
/// 401 where the caller is not known, 403 where it lacks every scope of the route.
///
/// # Cancel safety
/// Safe: nothing is half done.
pub(super) async fn identify(
    plan: &AuthorizePlan,
    called: &Called<'_>,
    exchange: &mut Exchange,
    asking: Asking<'_>,
) -> Result<(), Rejection> {
    let name = &plan.authorizer.model.name;
    let starting = format_args!("Starting authorizer: {name}");
    passed(exchange, Step::Authorizer, starting);
    let started_ns = clock::monotonic_ns();
    let attempt = Attempt {
        called,
        exchange,
        asking,
        now: clock::unix_seconds(),
    };
    let outcome = authorize(plan, &attempt).await;
    exchange.authorizer = Some(Judged::of(exchange.kind, &outcome, started_ns));
    let caller = outcome?;
    exchange.record.record.subject = caller.subject().map(Into::into);
    exchange.caller = Some(caller);
    let said = format_args!("Successfully completed authorizer execution");
    passed(exchange, Step::Authorizer, said);
    Ok(())
}

/// What is called, for those who ask about it.
pub(super) fn called<'a>(
    head: &'a Parts,
    path: &RequestPath<'a>,
    found: &'a Match<'_, '_, RoutePlan>,
) -> Called<'a> {
    Called {
        head,
        route: &found.value.key,
        path: path.raw(),
        decoded: path.decoded(),
        folded: path.folded(),
        parameters: &found.parameters,
    }
}
