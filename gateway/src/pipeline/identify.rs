//! Who calls and whether policies let that caller, with what is kept of either step.

use std::sync::atomic::Ordering;

use http::request::Parts;

use super::arriving::Arriving;
use super::discipline::note_sender;
use super::follow::passed;
use crate::clock;
use crate::exchange::{Caller, Exchange, Judged, Reason, Rejection};
use crate::language::policy::{Authorization, Phase, Policy};
use crate::router::{Match, RequestPath};
use crate::snapshot::RoutePlan;
use crate::step::attempt::{Asking, Attempt, Called, Purpose};
use crate::step::authorize::{AuthorizePlan, Claimed, authorize};
use crate::step::policy::{self, Answer};
use crate::telemetry::execution_log::Step;

/// Finds out who sends a request to a route that asks for that. Its body is read where the proof is in
/// it.
///
/// # Errors
/// 401 or 403 where the caller is not known, 403 where it lacks every scope of the route; what is wrong
/// with the body.
///
/// # Cancel safety
/// Safe: nothing is half done.
pub(super) async fn identify(
    (plan, route): (&AuthorizePlan, &RoutePlan),
    called: &Called<'_>,
    body: &mut Arriving,
    exchange: &mut Exchange,
    asking: Asking<'_>,
) -> Result<(), Rejection> {
    let name = &plan.authorizer.model.name;
    let starting = format_args!("Starting authorizer: {name}");
    passed(exchange, Step::Authorizer, starting);
    let started_ns = clock::monotonic_ns();
    let outcome = caller((plan, route), called, body, exchange, asking).await;
    exchange.authorizer = Some(Judged::of(exchange.kind, &outcome, started_ns));
    exchange.record.record.authorizer = Some(name.into());
    let caller = outcome?;
    exchange.record.record.subject = caller.subject().map(Into::into);
    exchange.caller = Some(caller);
    // Where a key is asked for, it is the key that counts.
    if route.api_key.is_none() {
        note_sender(exchange, asking.buckets);
    }
    let said = format_args!("Successfully completed authorizer execution");
    passed(exchange, Step::Authorizer, said);
    Ok(())
}

async fn caller(
    (plan, route): (&AuthorizePlan, &RoutePlan),
    called: &Called<'_>,
    body: &mut Arriving,
    exchange: &mut Exchange,
    asking: Asking<'_>,
) -> Result<Caller, Rejection> {
    let attempt = Attempt {
        called,
        exchange,
        asking,
        now: clock::unix_seconds(),
    };
    let mut function = None;
    let claimed = authorize(plan, &attempt, &mut function).await;
    exchange.function = function;
    match claimed? {
        Claimed::Known(caller) => Ok(caller),
        Claimed::Unproven(signer) => {
            body.read(route, exchange, asking.budget).await?;
            // What was read is at hand; whatever is not proves nobody.
            let read = body.bytes().ok_or(Reason::SignatureMismatch)?;
            signer.prove(read)
        }
    }
}

/// Finds out what an authorizer in monitor mode, and the policies with it, would make of a request.
/// That is told and counted, and the request goes on as if there were none: nobody is known to have
/// sent it.
///
/// # Cancel safety
/// Safe: nothing is half done.
pub(super) async fn watch(
    (plan, route): (&AuthorizePlan, &RoutePlan),
    policy: Option<&Policy>,
    called: &Called<'_>,
    body: &mut Arriving,
    exchange: &mut Exchange,
    asking: Asking<'_>,
) {
    let before = exchange.policy.take();
    let decided_by = exchange.record.record.decided_by.take();
    let outcome = async {
        identify((plan, route), called, body, exchange, asking).await?;
        let authorization = plan.authorizer.model.authorization();
        check_policies(policy, (authorization, Phase::After), called, exchange)
    };
    let outcome = outcome.await;
    (exchange.authorizer, exchange.function, exchange.caller) = (None, None, None);
    exchange.policy = before;
    let record = &mut exchange.record.record;
    record.decided_by = decided_by;
    let refusal = outcome.as_ref().err().map(Rejection::logged);
    record.monitor(refusal);
    let watched = &plan.authorizer.watched;
    let counter = match refusal {
        None => &watched.allowed,
        Some(_) => &watched.refused,
    };
    if asking.purpose == Purpose::Serve {
        counter.fetch_add(1, Ordering::Relaxed);
    }
    let would = refusal.map_or("it lets the request pass", |(reason, _)| reason);
    let said = format_args!("The authorizer is only watched; it says: {would}");
    passed(exchange, Step::Authorizer, said);
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

/// Asks the policies, of an API that may have none and of the caller, where their answer is not known.
///
/// # Errors
/// 403 where they deny, 414 where the method's ARN is too long.
pub(super) fn check_policies(
    policy: Option<&Policy>,
    asked: (Authorization, Phase),
    called: &Called<'_>,
    exchange: &mut Exchange,
) -> Result<(), Rejection> {
    let (authorization, phase) = asked;
    if !authorization.is_asked(phase, policy.is_some()) {
        return Ok(());
    }
    let started_ns = clock::monotonic_ns();
    let Answer { outcome, by } = policy::check(policy, asked, exchange, called);
    exchange.record.record.decided_by.clone_from(&by);
    exchange.policy = Some(Judged {
        by,
        ..Judged::of(exchange.kind, &outcome, started_ns)
    });
    outcome
}
