//! The backend of a route: what it is sent where, and what becomes of its failures.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{Method, Request, StatusCode, Uri};
use tokio::time::{Instant, timeout_at};

use super::mapped::Changes;
use super::{Found, IntegrationRequest, PathTemplate, PathValue};
use crate::body::{BodyBudget, BodyFault, BodyProgress, UpstreamBody};
use crate::exchange::{ClientParameters, ClientRequest, EndpointIds, Exchange, Reason, Rejection};
use crate::language::mapping::http::body as mapping_body;
use crate::language::message::Body;
use crate::model::{RequestMappings, UpstreamName};
use crate::router::{RequestPath, Slashes};
use crate::telemetry::execution_log::{Follower, MASK, Masks, Message, Step};
use crate::upstream::{Answer, ConnectError, Pool, SendError, UpstreamPlan};

/// Where a route's requests go, and what they take along.
#[derive(Debug)]
pub struct BackendPlan {
    /// The upstream.
    pub upstream: Arc<UpstreamPlan>,
    /// Method sent; `None` sends the request's own.
    pub method: Option<Method>,
    /// Path sent to it; `None` sends the request's own.
    pub path: Option<PathTemplate>,
    /// Query sent before any other.
    pub query: Option<String>,
    /// The route's greedy parameter, whose value is raw.
    pub greedy: Option<String>,
    /// What is changed of requests.
    pub mappings: RequestMappings,
    /// How long its answer may take.
    pub timeout: Duration,
}

impl BackendPlan {
    /// What is changed of a request.
    ///
    /// # Errors
    /// 400 for what cannot be mapped, 503 without memory for the value of a body that is mapped.
    pub(super) fn changes(
        &self,
        exchange: &Exchange,
        request: &IntegrationRequest,
        found: Found<'_>,
        budget: &BodyBudget,
    ) -> Result<Changes, Rejection> {
        let bytes = request.body.bytes().unwrap_or_default();
        let body = match &self.mappings {
            RequestMappings::Rest(_) => Body::new(bytes),
            RequestMappings::Http(_) => mapping_body(bytes),
        };
        let is_read = self.mappings.read_body();
        let _room = is_read
            .then(|| budget.lend(body.value_memory()))
            .transpose()?;
        let sent = ClientRequest {
            parameters: ClientParameters {
                headers: &request.headers,
                uri: &request.uri,
                path: found.parameters,
            },
            path: found.path,
            body,
        };
        match &self.mappings {
            RequestMappings::Rest(mappings) => {
                Changes::of_rest(mappings, exchange, &sent, self.greedy.as_deref())
            }
            RequestMappings::Http(mappings) => Changes::of_http(mappings, exchange, &sent),
        }
    }

    /// Path and query that are sent. `query` is what goes along of the request's own.
    ///
    /// # Errors
    /// 400 for a mapped path that leads elsewhere, 500 for what is no path.
    pub(super) fn target(
        &self,
        found: Found<'_>,
        query: Option<&str>,
        changes: &Changes,
    ) -> Result<Uri, Rejection> {
        let mut text = self.upstream.settings.target.base_path.clone();
        match (&changes.path, &self.path) {
            (Some(mapped), _) => text.push_str(mapped),
            (None, None) => text.push_str(found.path),
            (None, Some(template)) => text.push_str(&self.rendered(template, found, changes)?),
        }
        if let Some(query) = changes.query(self.query.as_deref(), query) {
            text.push('?');
            text.push_str(&query);
        }
        let path_and_query = PathAndQuery::try_from(text)
            .map_err(|error| Rejection::detailed(Reason::UpstreamAddress, error.to_string()))?;
        Ok(Uri::from(path_and_query))
    }

    /// The integration's path: names stand for what is mapped to them, else for the route's
    /// parameters.
    fn rendered(
        &self,
        template: &PathTemplate,
        found: Found<'_>,
        changes: &Changes,
    ) -> Result<String, Rejection> {
        let path = template.render(|name| {
            let mut mapped = changes.parameters.iter();
            if let Some(filled) = mapped.find(|filled| filled.name == name) {
                return Some(if filled.is_raw {
                    PathValue::Raw(&filled.value)
                } else {
                    PathValue::Text(&filled.value)
                });
            }
            let own = found.parameters.iter().find(|(known, _)| *known == name);
            own.map(|(_, value)| match self.greedy.as_deref() {
                Some(greedy) if greedy == name => PathValue::Raw(value),
                Some(_) | None => PathValue::Text(value),
            })
        });
        if !changes.parameters.is_empty() {
            // The request's own path was judged when it came in; what is mapped was not.
            RequestPath::parse(&path, Slashes::Collapsed)
                .map_err(|error| Rejection::detailed(Reason::BadPath, error.to_string()))?;
        }
        Ok(path)
    }

    /// Sends a request and waits until `deadline` for the head of the answer. `progress` tells of a
    /// body that is still arriving.
    ///
    /// # Errors
    /// Where the upstream cannot be reached, breaks off or takes too long: 503 of HTTP APIs, 504 of
    /// REST APIs. The request body's own fault where that is what went wrong.
    ///
    /// # Cancel safety
    /// Dropping the future ends the upstream's work on the request.
    pub(super) async fn send(
        &self,
        pool: &Rc<Pool>,
        exchange: &mut Exchange,
        outgoing: Request<UpstreamBody>,
        progress: Option<&BodyProgress>,
        deadline: Instant,
    ) -> Result<Answer, Rejection> {
        if let Some(follower) = exchange.record.follower() {
            self.tell_sending(follower, &outgoing);
        }
        let started = Instant::now();
        let sent = timeout_at(deadline, pool.send(&self.upstream, outgoing)).await;
        let elapsed = started.elapsed();
        exchange.record.record.upstream_us =
            Some(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX));
        let answer = match (sent, progress.and_then(BodyProgress::fault)) {
            (Ok(Ok(answer)), _) => accept(answer)?,
            // The upstream failed because its request did: the client is told about the request.
            (Ok(Err(_)) | Err(_), Some(fault)) => return Err(body_rejection(fault)),
            (Ok(Err(error)), None) => return Err(rejection(&self.upstream.name, &error)),
            (Err(_elapsed), None) => {
                let (name, timeout) = (&self.upstream.name, self.timeout);
                let detail = format!("`{name}`: no answer within {timeout:?}");
                return Err(Rejection::detailed(Reason::UpstreamTimeout, detail));
            }
        };
        let status = answer.status().as_u16();
        exchange.record.record.upstream_status = Some(status);
        exchange.endpoint_ids = EndpointIds::of(answer.headers());
        if let Some(follower) = exchange.record.follower() {
            let milliseconds = elapsed.as_millis();
            follower.tell(
                Step::Answered,
                format_args!(
                    "Received response. Status: {status}, Integration latency: {milliseconds} ms"
                ),
            );
            follower.show(Step::EndpointResponseHeaders, |message, masks| {
                message.push(format_args!("Endpoint response headers: "));
                message.pairs(masks.told(answer.headers()));
            });
        }
        Ok(answer)
    }
}

impl BackendPlan {
    /// Tells where a request is sent, and with which headers. Queries may hold credentials, and are
    /// left out.
    fn tell_sending(&self, follower: Follower<'_>, outgoing: &Request<UpstreamBody>) {
        let target = &self.upstream.settings.target;
        let scheme = if target.tls.is_some() {
            "https"
        } else {
            "http"
        };
        let host = self.upstream.host.to_str().unwrap_or_default();
        let uri = |message: &mut Message, masks: &Masks| {
            if masks.endpoint_path {
                message.push(format_args!("{scheme}://{host}/{MASK}"));
            } else {
                let path = outgoing.uri().path();
                message.push(format_args!("{scheme}://{host}{path}"));
            }
        };
        follower.tell_masked(Step::EndpointUri, |message, masks| {
            message.push(format_args!("Endpoint request URI: "));
            uri(message, masks);
        });
        follower.show(Step::EndpointHeaders, |message, masks| {
            message.push(format_args!("Endpoint request headers: "));
            message.pairs(masks.told_endpoint(outgoing.headers()));
        });
        follower.tell_masked(Step::Sent, |message, masks| {
            message.push(format_args!("Sending request to "));
            uri(message, masks);
        });
    }
}

/// The rejection that a fault of the request body amounts to.
#[must_use]
pub fn body_rejection(fault: BodyFault) -> Rejection {
    Rejection::new(match fault {
        BodyFault::TooLarge => Reason::BodyTooLarge,
        BodyFault::Timeout => Reason::BodyTimeout,
        BodyFault::Broken => Reason::BodyBroken,
    })
}

fn accept(answer: Answer) -> Result<Answer, Rejection> {
    // Nobody asked to switch protocols: Upgrade is not forwarded.
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Rejection::detailed(
            Reason::UpstreamInvalid,
            "101 without a request for it",
        ));
    }
    Ok(answer)
}

fn rejection(name: &UpstreamName, error: &SendError) -> Rejection {
    let reason = match error {
        SendError::Full(_) => {
            let detail = format!("`{name}`: {error}");
            return Rejection::detailed(Reason::UpstreamConcurrency, detail);
        }
        SendError::Connect(ConnectError::Refused(_)) => Reason::UpstreamRefused,
        SendError::Connect(ConnectError::Tls(_) | ConnectError::ServerName(_))
        | SendError::Tls(_) => Reason::UpstreamTls,
        SendError::Connect(ConnectError::Timeout(_)) => Reason::UpstreamConnectTimeout,
        SendError::Http(error) if error.is_parse() => Reason::UpstreamInvalid,
        SendError::Connect(ConnectError::Http(_)) | SendError::Http(_) => Reason::UpstreamReset,
    };
    Rejection::detailed(reason, error.to_string())
}
