//! What would become of a request: the same steps that requests take, for one that nobody sent.
//!
//! Up to admission nothing that a request does is felt by others, so the steps themselves are asked.
//! What is limited is looked at and not charged, nothing is counted or logged, and nobody is asked
//! outside unless that is wanted.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, Method, Request, Uri};
use serde::{Deserialize, Serialize};

use super::{destination, open};
use crate::clock;
use crate::exchange::{
    Caller, ClientAddress, ClientProof, Connection, Decided, Exchange, Judged, PeerAddress,
    Rejection, RequestIds, SourceAddress, TlsFacts, Told,
};
use crate::integration::{BackendPlan, IntegrationPlan};
use crate::model::{ApiKind, Listener, Prefix, Track};
use crate::pipeline::{self, Arriving, Entered};
use crate::pipeline::{keyed, sender, used};
use crate::snapshot::{RoutePlan, Snapshot};
use crate::step::admit::{Keyed, standings};
use crate::step::attempt::Asking;
use crate::step::concurrency::{Occupancy, occupancies};
use crate::store::api_key::ApiKeys;
use crate::store::bucket::Buckets;
use crate::store::key_ring::{KeyRing, KeyRings};
use crate::telemetry::access_log::OpenRecord;

/// A request that nobody sent.
#[derive(Debug)]
pub struct Question<'a> {
    /// The listener that it would come to.
    pub listener: &'a Listener,
    /// Who would send it.
    pub client: IpAddr,
    /// Its method.
    pub method: Method,
    /// Path and query, or with scheme and host.
    pub uri: Uri,
    /// Its headers, `Host` among them.
    pub headers: HeaderMap,
}

/// What would become of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Step by step, in their order; the last one is the one that refuses, if one does.
    pub steps: Vec<ExplainedStep>,
    /// The status of the refusal; `None` where the integration answers.
    pub status: Option<u16>,
    /// The reason of the refusal, as logs and metrics name it.
    pub reason: Option<String>,
    /// More about that reason, for operators.
    pub detail: Option<String>,
}

/// What one step makes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedStep {
    /// `listener`, `destination`, `route`, `sizes`, `authorizer`, `policy`, `policies`,
    /// `monitored`, `api_key`, `concurrency`, `throttle` or `integration`.
    pub step: String,
    /// Whether the request goes on behind it.
    pub passes: bool,
    /// What it found.
    pub said: String,
}

/// What requests are charged to, which is only looked at here.
#[derive(Clone, Copy, Debug)]
pub struct Charged<'a> {
    /// The buckets.
    pub buckets: &'a Buckets,
    /// API keys, and the plans that they belong to.
    pub rings: &'a KeyRings,
}

/// Says what would become of a request with what runs now.
pub async fn explain(
    snapshot: &Snapshot,
    charged: Charged<'_>,
    question: Question<'_>,
    asking: Asking<'_>,
) -> Explanation {
    let connection = connection(snapshot, &question);
    let mut request = Request::new(());
    *request.method_mut() = question.method;
    *request.uri_mut() = question.uri;
    *request.headers_mut() = question.headers;
    let id = RequestIds::new(clock::monotonic_ns()).next();
    let client = ClientAddress::resolve(
        connection.source,
        &connection.trusted_proxies,
        connection.forwarded_header,
        request.headers(),
    );
    let mut exchange = open(&connection, client, &request, id, OpenRecord::unwritten);
    let mut steps = vec![passed("listener", at(question.listener))];
    let ended = walk(
        snapshot,
        charged,
        &mut exchange,
        request,
        asking,
        &mut steps,
    )
    .await;
    let Err(rejection) = ended else {
        return Explanation {
            steps,
            status: None,
            reason: None,
            detail: None,
        };
    };
    if steps.iter().all(|step| step.passes) {
        steps.push(refused(unnamed(&exchange), &rejection));
    }
    Explanation {
        steps,
        status: Some(rejection.status().as_u16()),
        reason: Some(rejection.reason.name().to_owned()),
        detail: rejection.detail.map(String::from),
    }
}

/// Takes the request as far as it comes.
async fn walk(
    snapshot: &Snapshot,
    charged: Charged<'_>,
    exchange: &mut Exchange,
    request: Request<()>,
    asking: Asking<'_>,
    steps: &mut Vec<ExplainedStep>,
) -> Result<(), Rejection> {
    let destination = destination(snapshot, exchange, &request)?;
    let (head, ()) = request.into_parts();
    let uri = head.uri.clone();
    let mut body = Arriving::Nothing;
    let sent = (&head, &mut body);
    let entered = match exchange.kind {
        ApiKind::Rest => pipeline::rest::enter(destination, exchange, sent, &uri, asking)
            .await
            .map(Some),
        ApiKind::Http => pipeline::http::enter(destination, exchange, sent, &uri, asking).await,
    };
    steps.extend(found(exchange));
    let Some(Entered { found, .. }) = entered? else {
        let said = "a preflight of a browser, which the gateway answers itself".to_owned();
        steps.push(passed("integration", said));
        return Ok(());
    };
    let ring = charged.rings.current();
    let keys = (&**ring, charged.rings.keys());
    let keyed = api_key(found.value, keys, exchange, &head, steps)?;
    seats(found.value, charged.buckets, exchange, &head, steps)?;
    let charged = (charged.buckets, keyed.as_ref());
    throttles(found.value, charged, exchange, &head, steps)?;
    steps.push(passed("integration", answers(&found.value.integration)));
    Ok(())
}

/// What is known of a request, however far it came.
fn found(exchange: &Exchange) -> impl Iterator<Item = ExplainedStep> {
    let record = &exchange.record.record;
    let destination = exchange.deployed.as_ref().map(|deployed| {
        let api = record.api.as_deref().unwrap_or_default();
        let mut said = format!(
            "stage `{}` of API `{api}` ({})",
            deployed.stage, deployed.id
        );
        if let Some(number) = deployed.deployment {
            said.push_str(&format!(", deployment {number}"));
        }
        if deployed.track == Track::Canary {
            said.push_str(", its canary");
        }
        if let Some(rule) = &record.routing_rule {
            said.push_str(&format!(", by routing rule `{rule}`"));
        }
        passed("destination", said)
    });
    let route = record.route.as_deref();
    let route = route.map(|route| passed("route", format!("`{route}`")));
    let authorizer = exchange.authorizer.as_ref().map(|judged| {
        let caller = exchange.caller.as_ref().and_then(Caller::subject);
        let caller = caller.map(|caller| format!("caller `{caller}`"));
        let is_recalled = matches!(exchange.caller, Some(Caller::Function(_)));
        let recalled =
            (is_recalled && exchange.function.is_none()).then(|| "remembered".to_owned());
        let more: Vec<String> = caller.into_iter().chain(recalled).collect();
        let name = record.authorizer.as_deref().unwrap_or_default();
        judgement(
            "authorizer",
            judged,
            Some(format!("authorizer `{name}`")),
            (!more.is_empty()).then(|| more.join(", ")),
        )
    });
    let watched = record.monitored.map(|would| {
        let said = format!("what only monitors would say: `{would}`");
        passed("monitored", said)
    });
    let by = record.decided_by.as_ref().map(ToString::to_string);
    let (policy, set) = match (&exchange.policy, &exchange.decided) {
        // A policy set is asked of what the policies have let pass.
        (Some(judged), Some(decided)) => {
            let by = Some(of_set(decided));
            let policy = record.decided_by.as_ref();
            let policy = policy.map(|by| passed("policy", format!("lets it pass: {by}")));
            (policy, Some(judgement("policies", judged, by, None)))
        }
        (Some(judged), None) => (Some(judgement("policy", judged, by, None)), None),
        (None, _) => (None, None),
    };
    let known = [destination, route, authorizer, policy, set, watched];
    known.into_iter().flatten()
}

/// What of a policy set decided.
fn of_set(decided: &Decided) -> String {
    let names = decided.policies.iter().map(|name| format!("`{name}`"));
    let names = names.collect::<Vec<_>>().join(", ");
    let set = &decided.set;
    if names.is_empty() {
        format!("no policy of set `{set}` decided")
    } else {
        format!("{names} of policy set `{set}`")
    }
}

fn judgement(
    name: &str,
    judged: &Judged,
    by: Option<String>,
    more: Option<String>,
) -> ExplainedStep {
    let passes = judged.status < 400;
    let verdict = if passes { "lets it pass" } else { "refuses it" };
    let by = by.unwrap_or_else(|| "no statement applies".to_owned());
    let more = more.map(|more| format!(", {more}")).unwrap_or_default();
    ExplainedStep {
        step: name.to_owned(),
        passes,
        said: format!("{verdict}: {by}{more}"),
    }
}

/// Finds the API key that the request would be counted for.
fn api_key<'r>(
    route: &'r RoutePlan,
    keys: (&'r KeyRing, &ApiKeys),
    exchange: &mut Exchange,
    head: &Parts,
    steps: &mut Vec<ExplainedStep>,
) -> Result<Option<Keyed<'r>>, Rejection> {
    let Some(source) = route.api_key else {
        return Ok(None);
    };
    let keyed = keyed((route, source), head, exchange, keys);
    let keyed = keyed.inspect_err(|rejection| steps.push(refused("api_key", rejection)))?;
    let (key, plan) = (keyed.key.held.key(), keyed.key.plan());
    let said = format!("`{}`, under usage plan `{}`", key.id, plan.name);
    steps.push(passed("api_key", said));
    exchange.api_key = Some(used(route, &keyed, head));
    Ok(Some(keyed))
}

/// Looks at how many requests are under way, by every limit that the request would take a seat of.
fn seats(
    route: &RoutePlan,
    buckets: &Buckets,
    exchange: &Exchange,
    head: &Parts,
    steps: &mut Vec<ExplainedStep>,
) -> Result<(), Rejection> {
    let mut refusal = None;
    for occupancy in occupancies(&route.concurrency, buckets, &sender(exchange, head)) {
        let Occupancy { inside, max, .. } = occupancy;
        let name = occupancy.reason.name();
        let passes = occupancy.has_seat() || occupancy.is_monitored;
        let verdict = match passes {
            true if occupancy.has_seat() => "admits it",
            true => "only watched, would refuse it",
            false => "refuses it",
        };
        steps.push(ExplainedStep {
            step: "concurrency".to_owned(),
            passes,
            said: format!("{name}: {verdict}, {inside} of {max} are under way"),
        });
        if !passes {
            refusal.get_or_insert(occupancy.reason);
        }
    }
    refusal.map_or(Ok(()), |reason| Err(reason.into()))
}

/// Looks at every bucket that the request would be charged to.
fn throttles(
    route: &RoutePlan,
    (buckets, keyed): (&Buckets, Option<&Keyed<'_>>),
    exchange: &Exchange,
    head: &Parts,
    steps: &mut Vec<ExplainedStep>,
) -> Result<(), Rejection> {
    let sender = sender(exchange, head);
    let now_ns = clock::monotonic_ns();
    let sources = route.sources.0.iter();
    let sources = sources.map(|bucket| bucket.standing(buckets, &sender, now_ns));
    let standings = standings(&route.admit, buckets, &sender, keyed, now_ns);
    let mut refusal = None;
    for standing in sources.chain(standings) {
        let name = standing.reason.name();
        let milliseconds = standing.wait_ns.div_ceil(1_000_000);
        let passes = standing.wait_ns == 0 || standing.is_monitored;
        steps.push(ExplainedStep {
            step: "throttle".to_owned(),
            passes,
            said: match standing.wait_ns {
                0 => format!("{name}: admits it"),
                _ if passes => {
                    format!("{name}: only watched, would refuse it for another {milliseconds} ms")
                }
                _ => format!("{name}: refuses it for another {milliseconds} ms"),
            },
        });
        if !passes {
            refusal.get_or_insert(standing.reason);
        }
    }
    refusal.map_or(Ok(()), |reason| Err(reason.into()))
}

/// What would answer it.
fn answers(plan: &IntegrationPlan) -> String {
    let forwards = |backend: &BackendPlan| format!("`{}`", backend.upstream.name);
    match plan {
        IntegrationPlan::HttpProxy(plan) => format!("forwarded to {}", forwards(&plan.backend)),
        IntegrationPlan::Http(plan) => {
            format!("mapped, and sent to {}", forwards(&plan.backend))
        }
        IntegrationPlan::Mock(_) => "a mock, which the gateway answers itself".to_owned(),
        IntegrationPlan::Refused => {
            "500: its definition could not be understood as a whole".to_owned()
        }
    }
}

/// The step that refused a request of which no step said so itself.
fn unnamed(exchange: &Exchange) -> &'static str {
    match (&exchange.deployed, &exchange.record.record.route) {
        (None, _) => "destination",
        (Some(_), None) => "route",
        (Some(_), Some(_)) => "sizes",
    }
}

fn at(listener: &Listener) -> String {
    let spoken = match &listener.tls {
        Some(_) => "TLS",
        None => "plaintext",
    };
    format!("`{}` at {}, {spoken}", listener.name, listener.address)
}

fn passed(step: &str, said: String) -> ExplainedStep {
    ExplainedStep {
        step: step.to_owned(),
        passes: true,
        said,
    }
}

fn refused(step: &str, rejection: &Rejection) -> ExplainedStep {
    ExplainedStep {
        step: step.to_owned(),
        passes: false,
        said: rejection.reason.description().to_owned(),
    }
}

/// The connection that the request would come on: with TLS one that meets what its host asks for, but
/// for a client's certificate, which nobody has.
fn connection(snapshot: &Snapshot, question: &Question<'_>) -> Rc<Connection> {
    let listener = question.listener;
    let host = question.headers.get(HOST);
    let host = host.and_then(|host| host.to_str().ok());
    let host = host.and_then(|host| host.parse::<Authority>().ok());
    let host = host.map(|host| host.host().to_ascii_lowercase());
    let host = host.unwrap_or_default();
    let client = SocketAddr::new(question.client, 0);
    let (peer, source) = (PeerAddress(client), SourceAddress(client));
    let trusted_proxies: Arc<[Prefix]> = listener.trusted_proxies.as_slice().into();
    Rc::new(Connection {
        listener: Arc::from(listener.name.as_str()),
        peer,
        source,
        local: listener.address,
        interface: listener.interface.as_deref().map(Arc::from),
        tls: listener.tls.as_ref().map(|_| TlsFacts {
            server_name: Some(Arc::from(host.as_str())),
            version: "TLSv1.3",
            cipher: "TLS13_AES_256_GCM_SHA384",
            terms: snapshot.terms(listener.name.as_str(), &host),
            client: ClientProof::Missing,
        }),
        told: Told::new(peer, source, listener.address.port(), &trusted_proxies),
        trusted_proxies,
        forwarded_header: listener.forwarded_header,
        restraint: Rc::default(),
        header_count_max: listener.limits.header_count_max,
        header_bytes_max: listener.limits.header_bytes_max,
        body_timeout: listener.timeouts.body,
    })
}
