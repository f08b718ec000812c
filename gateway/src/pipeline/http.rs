//! The pipeline of an HTTP API.
//!
//! Route, authorizer, throttle, integration: the order that Amazon API Gateway documents, and the
//! safe one. A request without a valid credential spends nobody's tokens, so
//! callers without credentials cannot drain the buckets of those with.

use std::rc::Rc;
use std::sync::Arc;

use ::http::Request;
use hyper::body::{Body as _, Incoming};

use crate::body::{BufferError, LimitedBody, UpstreamBody};
use crate::clock;
use crate::exchange::{Exchange, Reason, Rejection};
use crate::integration::{IntegrationRequest, IntegrationResponse, body_rejection, forward};
use crate::model::BodyMode;
use crate::pipeline::Worker;
use crate::router::RequestPath;
use crate::snapshot::{ApiPlan, RoutePlan};
use crate::step::proof::Permit;
use crate::step::{admit::admit, authorize::authorize};

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
    let path = RequestPath::parse(uri.path())
        .map_err(|error| Rejection::detailed(Reason::BadPath, error.to_string()))?;
    let found = api
        .router
        .find(&head.method, &path)
        .ok_or(Reason::RouteNotFound)?;
    let route: &RoutePlan = found.value;
    exchange.record.record.route = Some(Arc::clone(&route.key));

    let identity = match &route.authorize {
        Some(plan) => Some(authorize(plan, &head.headers, &head.uri, clock::unix_seconds()).await?),
        None => None,
    };
    if let Some(identity) = &identity {
        exchange.record.record.subject = identity.subject().map(Into::into);
    }

    // The authorizer may have waited for keys: the clock is read behind it.
    let now_ns = clock::monotonic_ns();
    let permit = admit(
        &route.admit,
        &worker.buckets,
        &head.headers,
        identity.as_deref(),
        now_ns,
    )?;

    if identity.is_some() {
        vouch(worker, exchange, now_ns);
    }

    let request = prepare(route, exchange, permit, head, body, worker).await?;
    forward(
        &route.forward,
        &worker.pool,
        exchange,
        request,
        &found.parameters,
    )
    .await
}

/// An admitted request that an authorizer let pass proves its source. A trusted proxy proves
/// nothing by what it forwards: the kernel sees nobody behind it.
fn vouch(worker: &Worker, exchange: &Exchange, now_ns: u64) {
    let connection = &exchange.connection;
    if let Some(vouched) = &worker.vouched
        && !connection.told.peer_is_trusted
    {
        vouched.vouch(connection.peer.ip(), now_ns);
    }
}

/// Brings the body into the form that the route's plan asks for.
async fn prepare(
    route: &RoutePlan,
    exchange: &mut Exchange,
    permit: Permit,
    head: ::http::request::Parts,
    body: Incoming,
    worker: &Worker,
) -> Result<IntegrationRequest, Rejection> {
    if body.is_end_stream() {
        return Ok(IntegrationRequest::new(
            permit,
            head,
            UpstreamBody::Empty,
            None,
        ));
    }
    // An announced length over the limit is refused before anything is contacted.
    if body.size_hint().lower() > route.body_bytes_max {
        return Err(Reason::BodyTooLarge.into());
    }
    let body = LimitedBody::new(body, route.body_bytes_max, exchange.connection.body_timeout);
    let progress = body.progress();
    exchange.record.body = Some(Rc::clone(&progress));
    let body = match route.body {
        BodyMode::Stream => UpstreamBody::Stream(body),
        BodyMode::Buffer => match Box::pin(body.buffer(&worker.body_budget)).await {
            Ok(whole) => UpstreamBody::Buffered(Some(whole)),
            Err(BufferError::Body(fault)) => return Err(body_rejection(fault)),
            Err(BufferError::Memory) => return Err(Reason::BodyMemory.into()),
        },
    };
    Ok(IntegrationRequest::new(permit, head, body, Some(progress)))
}
