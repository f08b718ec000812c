//! The pipeline of a REST API.
//!
//! The order is the documented one (0.2 of docs/semantics.md): size, resource and method, limits of
//! the source, resource policy, authorizer, resource policy again, API key, requests under way,
//! quota and throttles, decoding, validation, integration, the check of the answer, compression.
//! (The service decodes first of all; here nobody does work for a caller who may not call.)

use std::borrow::Cow;
use std::sync::Arc;

use http::request::Parts;
use http::{Request, Uri};
use hyper::body::Incoming;

use super::admitted::{admitted, ask_source};
use super::arriving::Arriving;
use super::compressed::compressed;
use super::conformed::conformed;
use super::decided::consult;
use super::entered::Entered;
use super::follow::{follow, passed};
use super::identify::{called, check_policies, identify, watch};
use super::locate::locate;
use super::prepare::{decoded, prepare};
use super::unmatched::unmatched;
use crate::exchange::{ClientParameters, Exchange, Reason, Rejection};
use crate::integration::{Found, IntegrationRequest, IntegrationResponse, integrate};
use crate::language::policy::{Authorization, Phase};
use crate::model::{ApiKind, BodyMode};
use crate::pipeline::Worker;
use crate::snapshot::{Destination, RoutePlan, StagePlan};
use crate::step::attempt::{Asking, Called};
use crate::step::proof::Permit;
use crate::step::{compress, decode, measure::measure, validate};
use crate::telemetry::execution_log::Step;

/// Takes a request through the steps.
///
/// # Errors
/// The rejection of the first step that refuses.
///
/// # Cancel safety
/// Dropped when the client leaves; whatever was charged stays charged.
pub(crate) async fn handle(
    destination: Destination<'_>,
    exchange: &mut Exchange,
    request: Request<Incoming>,
    worker: &Worker,
) -> Result<IntegrationResponse, Rejection> {
    let (head, body) = request.into_parts();
    let mut body = Arriving::Streaming(body);
    let uri = head.uri.clone();
    let sent = (&head, &mut body);
    let entered = enter(destination, exchange, sent, &uri, worker.asking()).await?;
    let Entered { stage, path, found } = entered;
    let route: &RoutePlan = found.value;

    let permit = admitted(route, &head, exchange, worker)?;

    let accepted = stage
        .compress
        .and_then(|_| compress::accepted(&head.headers));
    let request = input(
        route,
        exchange,
        permit,
        head,
        body,
        &found.parameters,
        worker,
    )
    .await
    .map_err(|rejection| told(rejection, route))?;
    let found = Found {
        path: path.raw(),
        parameters: &found.parameters,
    };
    let response = answer(route, exchange, request, found, worker)
        .await
        .map_err(|rejection| told(rejection, route))?;
    Ok(compressed(
        stage.compress,
        accepted.as_deref(),
        exchange,
        response,
        &worker.body_budget,
    ))
}

/// Finds the route of a request, and who sends it.
///
/// # Errors
/// The rejection of the first step that refuses.
///
/// # Cancel safety
/// Safe: nothing is half done.
pub(crate) async fn enter<'s, 'r>(
    destination: Destination<'s>,
    exchange: &mut Exchange,
    (head, body): (&Parts, &mut Arriving),
    uri: &'r Uri,
    asking: Asking<'_>,
) -> Result<Entered<'s, 'r>, Rejection> {
    let (stage, path) = locate(destination, exchange, uri.path())?;
    let is_customized = stage.deployed.responses.are_customized();
    if is_customized {
        exchange.head.headers = head.headers.clone();
    }
    measure(destination.api.sizes, ApiKind::Rest, head)?;
    let Some(found) = stage.router.find_method(&head.method, &path) else {
        ask_source(&stage.strays, head, exchange, asking)?;
        return Err(unmatched(&head.headers));
    };
    let route: &RoutePlan = found.value;
    exchange.record.record.route = Some(Arc::clone(&route.key));
    follow(&route.observed, head, &found.parameters, exchange);
    if is_customized {
        exchange.head.parameters = found.owned_parameters();
    }
    ask_source(&route.sources, head, exchange, asking)?;

    if stage.policy.is_some() || route.authorize.is_some() || route.decide.is_some() {
        let called = called(head, &path, &found);
        ask_policies(stage, route, &called, Phase::Before, exchange)?;
        if let Some(plan) = route.watched() {
            let policy = stage.policy.as_deref();
            watch((plan, route), policy, &called, body, exchange, asking).await;
        }
        if let Some(plan) = route.enforced() {
            let identified = identify((plan, route), &called, body, exchange, asking).await;
            identified.map_err(|rejection| told(rejection, route))?;
        }
        ask_policies(stage, route, &called, Phase::After, exchange)?;
        if let Some(plan) = &route.decide {
            let plan = (&**plan, route.authorize.as_ref());
            Box::pin(consult(plan, &called, exchange, asking)).await?;
        }
    }
    Ok(Entered { stage, path, found })
}

/// The request as its integration gets it: decoded, and what its method declares.
async fn input(
    route: &RoutePlan,
    exchange: &mut Exchange,
    permit: Permit,
    head: Parts,
    body: Arriving,
    parameters: &[(&str, Cow<'_, str>)],
    worker: &Worker,
) -> Result<IntegrationRequest, Rejection> {
    let coding = if body.is_empty() {
        None
    } else {
        decode::coding(&head.headers)?
    };
    if let Some(plan) = &route.validate {
        let sent = ClientParameters {
            headers: &head.headers,
            uri: &head.uri,
            path: parameters,
        };
        validate::parameters(plan, &sent)?;
        validate::content_type(plan, &head.headers, !body.is_empty())?;
        let said = format_args!("The request has the parameters that its method requires");
        passed(exchange, Step::Validation, said);
    }
    let mode = coding.map_or(route.body, |_| BodyMode::Buffer);
    let mut request = prepare(route, mode, exchange, permit, head, body, worker).await?;
    if let Some(coding) = coding {
        request = decoded(route, coding, request, worker).await?;
    }
    if request.body.bytes().is_some()
        && let Some(follower) = exchange.record.follower()
    {
        follower.request_body(exchange.record.body.as_deref());
    }
    let checked = route.validate.as_ref().and_then(|plan| plan.body.as_ref());
    if let Some(plan) = checked {
        // A route whose bodies are checked reads them whole.
        let whole = request.body.bytes().ok_or(Reason::BodyInvalid)?;
        validate::body(plan, &request.headers, whole, &worker.body_budget)?;
        let said = format_args!("The body is what its model says");
        passed(exchange, Step::Validation, said);
    }
    Ok(request)
}

/// What the integration answers, held against what the method declares.
async fn answer(
    route: &RoutePlan,
    exchange: &mut Exchange,
    request: IntegrationRequest,
    found: Found<'_>,
    worker: &Worker,
) -> Result<IntegrationResponse, Rejection> {
    let means = worker.means();
    let response = integrate(&route.integration, means, exchange, request, found).await?;
    match &route.conform {
        None => Ok(response),
        Some(plan) => {
            let conformed = conformed(plan, exchange, response, &worker.body_budget);
            Box::pin(conformed).await
        }
    }
}

/// Asks the policies of the API and of the caller in one phase.
fn ask_policies(
    stage: &StagePlan,
    route: &RoutePlan,
    called: &Called<'_>,
    phase: Phase,
    exchange: &mut Exchange,
) -> Result<(), Rejection> {
    let enforced = route.enforced();
    let authorization = enforced.map_or(Authorization::None, |plan| {
        plan.authorizer.model.authorization()
    });
    let policy = stage.policy.as_deref();
    if policy.is_none() && phase == Phase::Before && enforced.is_some() {
        // Whoever has an authorizer is told an ARN of the same length at most.
        return called.check_arn(exchange);
    }
    let outcome = check_policies(policy, (authorization, phase), called, exchange);
    let is_asked = authorization.is_asked(phase, policy.is_some());
    if outcome.is_ok() && policy.is_some() && is_asked {
        let said = format_args!("The resource policy allows the request");
        passed(exchange, Step::ResourcePolicy, said);
    }
    outcome
}

/// Of a body that is too large clients of REST APIs read the limit, and nothing else (2.4 of
/// docs/semantics.md), whenever it is found out.
fn told(rejection: Rejection, route: &RoutePlan) -> Rejection {
    if rejection.reason != Reason::BodyTooLarge || rejection.message.is_some() {
        return rejection;
    }
    let message = format!(
        "HTTP content length exceeded {} bytes.",
        route.body_bytes_max
    );
    Rejection {
        message: Some(message.into()),
        ..rejection
    }
}
