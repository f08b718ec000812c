//! The pipeline of an HTTP API.
//!
//! Size, preflight, route, limits of the source, authorizer, requests under way, throttles,
//! integration: the order that Amazon API Gateway documents, and the safe one. A request without a
//! valid credential spends nobody's tokens, so callers without credentials cannot drain the buckets
//! of those with.

use std::sync::Arc;

use ::http::request::Parts;
use ::http::{Request, StatusCode, Uri};
use hyper::body::Incoming;

use super::admitted::{admitted, ask_source};
use super::arriving::Arriving;
use super::decided::consult;
use super::entered::Entered;
use super::follow::follow;
use super::identify::{called, check_policies, identify, watch};
use super::locate::locate;
use super::prepare::prepare;
use crate::exchange::{Exchange, Reason, Rejection};
use crate::integration::{Found, IntegrationResponse, integrate};
use crate::language::policy::Phase;
use crate::model::ApiKind;
use crate::pipeline::Worker;
use crate::snapshot::{Destination, RoutePlan};
use crate::step::attempt::Asking;
use crate::step::{cors::is_preflight, measure::measure};

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
    let Some(Entered { path, found, .. }) = entered else {
        return Ok(IntegrationResponse::without_body(StatusCode::NO_CONTENT));
    };
    let route: &RoutePlan = found.value;

    let permit = admitted(route, &head, exchange, worker)?;

    let request = prepare(route, route.body, exchange, permit, head, body, worker).await?;
    integrate(
        &route.integration,
        worker.means(),
        exchange,
        request,
        Found {
            path: path.raw(),
            parameters: &found.parameters,
        },
    )
    .await
}

/// Finds the route of a request, and who sends it; `None` for a preflight, which the gateway answers
/// itself.
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
) -> Result<Option<Entered<'s, 'r>>, Rejection> {
    let cors = destination.api.cors_without_stage();
    exchange.cors = cors.map(|plan| plan.headers(&head.method, &head.headers));
    let (stage, path) = locate(destination, exchange, uri.path())?;
    let cors = stage.cors.as_ref();
    exchange.cors = cors.map(|plan| plan.headers(&head.method, &head.headers));
    measure(destination.api.sizes, ApiKind::Http, head)?;
    if cors.is_some() && is_preflight(&head.method, &head.headers) {
        ask_source(&stage.strays, head, exchange, asking)?;
        return Ok(None);
    }
    let Some(found) = stage.router.find(&head.method, &path) else {
        ask_source(&stage.strays, head, exchange, asking)?;
        return Err(Reason::RouteNotFound.into());
    };
    let route: &RoutePlan = found.value;
    exchange.record.record.route = Some(Arc::clone(&route.key));
    follow(&route.observed, head, &found.parameters, exchange);
    ask_source(&route.sources, head, exchange, asking)?;

    if route.authorize.is_some() || route.decide.is_some() {
        let called = called(head, &path, &found);
        if let Some(plan) = route.watched() {
            watch((plan, route), None, &called, body, exchange, asking).await;
        }
        if let Some(plan) = route.enforced() {
            identify((plan, route), &called, body, exchange, asking).await?;
            let authorization = plan.authorizer.model.authorization();
            check_policies(None, (authorization, Phase::After), &called, exchange)?;
        }
        if let Some(plan) = &route.decide {
            let plan = (&**plan, route.authorize.as_ref());
            Box::pin(consult(plan, &called, exchange, asking)).await?;
        }
    }
    Ok(Some(Entered { stage, path, found }))
}
