//! The pipeline of a REST API.
//!
//! The order is the documented one (0.2 of docs/semantics.md): resource and method, resource policy,
//! authorizer, resource policy again, throttle, validation, integration.

use std::sync::Arc;

use http::{HeaderMap, Request};
use hyper::body::Incoming;

use super::prepare::prepare;
use crate::clock;
use crate::exchange::{ClientParameters, Exchange, Reason, Rejection};
use crate::integration::{IntegrationRequest, IntegrationResponse, integrate};
use crate::language::policy::{Authorization, Phase};
use crate::pipeline::Worker;
use crate::router::RequestPath;
use crate::snapshot::{Destination, RoutePlan, StagePlan};
use crate::step::{admit::admit, authorize::authorize, resource_policy::check, validate};

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
    let uri = head.uri.clone();
    let path = RequestPath::parse(uri.path(), destination.api.slashes())
        .map_err(|error| Rejection::detailed(Reason::BadPath, error.to_string()))?;
    let (stage, path) = destination.stage(path).ok_or(Reason::StageNotFound)?;
    exchange.record.record.stage = Some(Arc::clone(&stage.deployed.stage));
    exchange.deployed = Some(Arc::clone(&stage.deployed));
    if stage.deployed.responses.are_customized() {
        exchange.head.headers = head.headers.clone();
    }
    let found = stage
        .router
        .find_method(&head.method, &path)
        .ok_or(Reason::RouteNotFound)?;
    let route: &RoutePlan = found.value;
    exchange.record.record.route = Some(Arc::clone(&route.key));
    if stage.deployed.responses.are_customized() {
        exchange.head.parameters = found.owned_parameters();
    }

    let asked = Asked {
        stage,
        route,
        headers: &head.headers,
        path: &path,
    };
    asked.policy(Phase::Before, exchange)?;
    if let Some(plan) = &route.authorize {
        let identity = authorize(plan, &head.headers, &head.uri, clock::unix_seconds()).await?;
        exchange.record.record.subject = identity.subject().map(Into::into);
        exchange.identity = Some(identity);
    }
    asked.policy(Phase::After, exchange)?;

    // The authorizer may have waited for keys: the clock is read behind it.
    let now_ns = clock::monotonic_ns();
    let permit = admit(
        &route.admit,
        &worker.buckets,
        &head.headers,
        exchange.identity.as_deref(),
        now_ns,
    )?;

    if exchange.identity.is_some() {
        worker.vouch(exchange, now_ns);
    }

    if let Some(plan) = &route.validate {
        let sent = ClientParameters {
            headers: &head.headers,
            uri: &head.uri,
            path: &found.parameters,
        };
        validate::parameters(plan, &sent)?;
    }
    let request = prepare(route, exchange, permit, head, body, worker)
        .await
        .map_err(|rejection| told(rejection, route))?;
    if let Some(plan) = &route.validate {
        validate_body(plan, &request)?;
    }
    integrate(
        &route.integration,
        &worker.pool,
        exchange,
        request,
        path.raw(),
        &found.parameters,
    )
    .await
    .map_err(|rejection| told(rejection, route))
}

/// What the resource policy is asked about.
struct Asked<'a> {
    stage: &'a StagePlan,
    route: &'a RoutePlan,
    headers: &'a HeaderMap,
    path: &'a RequestPath<'a>,
}

impl Asked<'_> {
    fn policy(&self, phase: Phase, exchange: &Exchange) -> Result<(), Rejection> {
        let Some(policy) = &self.stage.policy else {
            return Ok(());
        };
        let authorization = match &self.route.authorize {
            None => Authorization::None,
            Some(_) => Authorization::CognitoOrJwt,
        };
        if !authorization.is_asked(phase) {
            return Ok(());
        }
        let (path, folded) = (self.path.decoded(), self.path.folded());
        check(
            policy,
            authorization,
            phase,
            exchange,
            self.headers,
            &path,
            folded.as_deref(),
        )
    }
}

fn validate_body(
    plan: &validate::ValidatePlan,
    request: &IntegrationRequest,
) -> Result<(), Rejection> {
    let Some(schemas) = &plan.body else {
        return Ok(());
    };
    // A plan that checks bodies reads them whole.
    let whole = request.body.bytes().ok_or(Reason::BodyInvalid)?;
    validate::body(schemas, &request.headers, whole)
}

/// Of a body that is too large clients of REST APIs read the limit, and nothing else (2.4 of
/// docs/semantics.md), whenever it is found out.
fn told(rejection: Rejection, route: &RoutePlan) -> Rejection {
    if rejection.reason != Reason::BodyTooLarge {
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
