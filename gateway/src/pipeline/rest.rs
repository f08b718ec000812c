//! The pipeline of a REST API.
//!
//! The order is the documented one (0.2 of docs/semantics.md): resource and method, resource policy,
//! authorizer, resource policy again, throttle, integration.

use std::sync::Arc;

use http::Request;
use hyper::body::Incoming;

use super::prepare::prepare;
use crate::clock;
use crate::exchange::{Exchange, Reason, Rejection};
use crate::integration::{IntegrationResponse, integrate};
use crate::language::policy::{Authorization, Phase};
use crate::pipeline::Worker;
use crate::router::RequestPath;
use crate::snapshot::{ApiPlan, RoutePlan};
use crate::step::{admit::admit, authorize::authorize, resource_policy::check};

/// Takes a request through the steps.
///
/// # Errors
/// The rejection of the first step that refuses.
///
/// # Cancel safety
/// Dropped when the client leaves; whatever was charged stays charged.
pub(crate) async fn handle(
    api: &ApiPlan,
    exchange: &mut Exchange,
    request: Request<Incoming>,
    worker: &Worker,
) -> Result<IntegrationResponse, Rejection> {
    let (head, body) = request.into_parts();
    let uri = head.uri.clone();
    let path = RequestPath::parse(uri.path(), api.slashes())
        .map_err(|error| Rejection::detailed(Reason::BadPath, error.to_string()))?;
    let (stage, path) = api.stage(path).ok_or(Reason::StageNotFound)?;
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
        let parameters = found.parameters.iter();
        let owned = parameters.map(|(name, value)| ((*name).to_owned(), value.to_string()));
        exchange.head.parameters = owned.collect();
    }

    let authorization = match &route.authorize {
        None => Authorization::None,
        Some(_) => Authorization::CognitoOrJwt,
    };
    let ask = |phase, exchange: &Exchange| match &stage.policy {
        Some(policy) => {
            let path = path.decoded();
            check(policy, authorization, phase, exchange, &head.headers, &path)
        }
        None => Ok(()),
    };
    ask(Phase::Before, exchange)?;
    if let Some(plan) = &route.authorize {
        let identity = authorize(plan, &head.headers, &head.uri, clock::unix_seconds()).await?;
        exchange.record.record.subject = identity.subject().map(Into::into);
        exchange.identity = Some(identity);
    }

    ask(Phase::After, exchange)?;

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

    let request = prepare(route, exchange, permit, head, body, worker).await?;
    integrate(
        &route.integration,
        &worker.pool,
        exchange,
        request,
        path.raw(),
        &found.parameters,
    )
    .await
}
