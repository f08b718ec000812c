//! From an HTTP request to the pipeline of its API.

pub mod explain;

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use http::header::{CONTENT_LENGTH, HOST, HeaderName, TRANSFER_ENCODING};
use http::uri::Authority;
use http::{HeaderMap, Method, Request, Response, Version};
use hyper::body::Incoming;
use scopeguard::ScopeGuard;

use crate::clock;
use crate::exchange::{
    ClientAddress, Connection, EndpointIds, Exchange, Head, Reason, Rejection, RequestId,
};
use crate::integration::IntegrationResponse;
use crate::listener::{Handler, Sender};
use crate::model::ApiKind;
use crate::pipeline::reply::{ReplyBody, respond};
use crate::pipeline::{self, Worker};
use crate::snapshot::{Arrival, Asked, Destination, Missed, NoDestination, Snapshot};
use crate::step::concurrency::RETRY_AFTER_SECONDS;
use crate::telemetry::access_log::{Kind, OpenRecord, Record, ShortText, bounded};

const X_AMZN_REQUESTID: HeaderName = HeaderName::from_static("x-amzn-requestid");

impl Handler for Worker {
    type Body = ReplyBody;

    async fn handle(
        &self,
        connection: &Rc<Connection>,
        sender: Sender,
        request: Request<Incoming>,
        turn: impl Future<Output = ()>,
    ) -> Response<ReplyBody> {
        // One snapshot from here to the log record, whatever is reloaded meanwhile.
        let snapshot = self.snapshot.load_full();
        let id = self.request_ids.next();
        let sink = &self.sink;
        let exchange = open(
            connection,
            sender.client,
            &request,
            id,
            |started_ns, record| OpenRecord::open(sink, started_ns, record),
        );
        // A client that leaves drops this future: its request is logged in the same form as others.
        let mut exchange = scopeguard::guard(exchange, |mut left| left.word_line(None));
        turn.await;
        let outcome = match sender.barred {
            None => self.dispatch(&snapshot, &mut exchange, request).await,
            Some(reason) => Err(barred(reason)),
        };
        let throttled = outcome.as_ref().err().and_then(|it| it.throttled.as_ref());
        if let Some(throttled) = throttled {
            self.throttled.count(throttled.throttle, &throttled.caller);
        }
        self.discipline(&snapshot.penalties, &mut exchange, outcome.as_ref().err());
        let exchange = ScopeGuard::into_inner(exchange);
        respond(outcome, exchange, &self.metrics, snapshot)
    }
}

/// The refusal of a client that may send nothing now, whatever it asks for.
fn barred(reason: Reason) -> Rejection {
    Rejection {
        retry_after_seconds: (reason == Reason::ClientFull).then_some(RETRY_AFTER_SECONDS),
        ..Rejection::new(reason)
    }
}

impl Worker {
    async fn dispatch(
        &self,
        snapshot: &Snapshot,
        exchange: &mut Exchange,
        request: Request<Incoming>,
    ) -> Result<IntegrationResponse, Rejection> {
        let destination = destination(snapshot, exchange, &request)?;
        match exchange.kind {
            ApiKind::Http => pipeline::http::handle(destination, exchange, request, self).await,
            ApiKind::Rest => pipeline::rest::handle(destination, exchange, request, self).await,
        }
    }
}

/// Finds the API that a request is for.
fn destination<'s, B>(
    snapshot: &'s Snapshot,
    exchange: &mut Exchange,
    request: &Request<B>,
) -> Result<Destination<'s>, Rejection> {
    check_framing(request)?;
    check_headers(request, &exchange.connection)?;
    exchange.host = host(request)?;
    exchange.record.record.host = bounded(&exchange.host);
    let connection = Rc::clone(&exchange.connection);
    let arrival = Arrival {
        listener: &connection.listener,
        interface: connection.interface.as_deref(),
        tls: connection.tls.as_ref(),
        client: exchange.client.0,
    };
    let asked = Asked {
        host: &exchange.host,
        path: request.uri().path(),
        headers: request.headers(),
    };
    let found = snapshot.find(&arrival, &asked);
    let destination = found.map_err(|missed| refusal(missed, exchange, request))?;
    if destination.client_is_certified {
        note_certificate(exchange);
    }
    let api = destination.api;
    exchange.record.record.api = Some(Arc::clone(&api.name));
    exchange.base_path = destination.base_path();
    exchange.record.record.routing_rule = destination.routing_rule().map(Arc::clone);
    match api.kind {
        ApiKind::Http => exchange.kind = ApiKind::Http,
        ApiKind::Rest => answer_as_rest(exchange, request),
    }
    Ok(destination)
}

/// Opens the exchange of a request that has this name, with the record that `record` makes from when
/// it arrived.
fn open<B>(
    connection: &Rc<Connection>,
    client: ClientAddress,
    request: &Request<B>,
    id: RequestId,
    open_record: impl FnOnce(u64, Record) -> OpenRecord,
) -> Exchange {
    let listener = Arc::clone(&connection.listener);
    let peer = Arc::clone(&connection.told.peer_and_port);
    let mut record = Record::new(Kind::Request, clock::wall(), listener, peer);
    record.request_id = Some(ShortText(id.short()));
    record.announced.clone_from(&connection.told.announced);
    record.client = Some(if client.0 == connection.source.ip() {
        Arc::clone(&connection.told.source_text)
    } else {
        client.to_string().into()
    });
    record.method = Some(method_name(request.method()));
    record.path = bounded(request.uri().path());
    record.protocol = Some(protocol(request.version()));
    if let Some(tls) = &connection.tls {
        record.tls = Some(tls.version);
        record.server_name.clone_from(&tls.server_name);
    }
    Exchange {
        id,
        connection: Rc::clone(connection),
        client,
        host: String::new(),
        kind: ApiKind::Http,
        head: Head::new(request.method(), request.uri(), request.headers()),
        deployed: None,
        caller: None,
        api_key: None,
        authorizer: None,
        function: None,
        policy: None,
        decided: None,
        client_certificate: None,
        base_path: None,
        chosen_id_is_invalid: false,
        cors: None,
        rate_limit: None,
        endpoint_ids: EndpointIds::default(),
        seats: Vec::new(),
        under_way: None,
        scheme: if connection.tls.is_some() {
            "https"
        } else {
            "http"
        },
        record: open_record(clock::monotonic_ns(), record),
    }
}

/// The refusal of a request that has no destination. A custom domain refuses in the way of REST APIs,
/// whatever it leads to.
fn refusal<B>(missed: Missed, exchange: &mut Exchange, request: &Request<B>) -> Rejection {
    if missed.asks_for_certificate {
        note_certificate(exchange);
    }
    match missed.why {
        NoDestination::Barred(rejection) => {
            use Reason::{ClientCertificateMissing, ClientCertificateUntrusted};
            if matches!(
                rejection.reason,
                ClientCertificateMissing | ClientCertificateUntrusted
            ) {
                answer_as_rest(exchange, request);
            }
            *rejection
        }
        NoDestination::Host => Rejection::from(Reason::RouteNotFound),
        NoDestination::Closed(kind) => {
            exchange.kind = kind;
            Rejection::from(Reason::EndpointClosed)
        }
        NoDestination::Mapping => {
            answer_as_rest(exchange, request);
            Rejection::from(Reason::MappingNotFound)
        }
        NoDestination::Path(error) => Rejection::detailed(Reason::BadPath, error.to_string()),
    }
}

/// Keeps what the client presented, for whoever names it and for the log.
fn note_certificate(exchange: &mut Exchange) {
    let connection = Rc::clone(&exchange.connection);
    let Some(client) = connection.tls.as_ref().map(|tls| &tls.client) else {
        return;
    };
    if let Some(names) = client.presented() {
        let record = &mut exchange.record.record;
        record.client_subject = Some(bounded(&names.subject));
        record.client_issuer = Some(bounded(&names.issuer));
        record.client_serial = Some(bounded(&names.serial));
    }
    exchange.client_certificate = client.verified().cloned();
}

/// Names the request as REST APIs do.
fn answer_as_rest<B>(exchange: &mut Exchange, request: &Request<B>) {
    exchange.kind = ApiKind::Rest;
    let chosen = amzn_request_id(request);
    exchange.chosen_id_is_invalid = matches!(chosen, Some(None));
    let name = chosen.flatten();
    let name = name.map_or_else(|| exchange.id.uuid(), str::to_owned);
    exchange.record.record.amzn_request_id = Some(name.into());
}

/// The name that the client of a REST API chose for its request: none, an invalid one, or a UUID
/// (15.3 of docs/semantics.md).
fn amzn_request_id<B>(request: &Request<B>) -> Option<Option<&str>> {
    let mut sent = request.headers().get_all(X_AMZN_REQUESTID).iter();
    let only = match (sent.next()?, sent.next()) {
        (value, None) => value.to_str().ok(),
        (_, Some(_)) => None,
    };
    let is_uuid = |text: &&str| {
        let mut lengths = text.split('-').map(str::len);
        lengths.by_ref().take(5).eq([8, 4, 4, 4, 12])
            && lengths.next().is_none()
            && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
    };
    Some(only.filter(is_uuid))
}

/// Refuses messages whose length two parsers could read differently (RFC 9112, section 6.3).
///
/// Of a request with both lengths hyper keeps the chunked coding, drops `Content-Length` and
/// closes behind the answer (section 6.1), and of equal lengths it keeps one; different ones it
/// refuses itself. Other codings than chunked alone would reach the upstream as the content.
fn check_framing<B>(request: &Request<B>) -> Result<(), Rejection> {
    let headers = request.headers();
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let chunked_alone = match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    };
    if !chunked_alone || headers.get_all(CONTENT_LENGTH).iter().count() > 1 {
        return Err(Reason::BadFraming.into());
    }
    Ok(())
}

/// HTTP/1 counts and measures while it parses. HTTP/2 bounds a list only, in which small fields are
/// many, and answers without a record; its list is measured as RFC 9113, section 6.5.2 says.
fn check_headers<B>(request: &Request<B>, connection: &Connection) -> Result<(), Rejection> {
    let headers = request.headers();
    let within = |found: usize, max: u32| u32::try_from(found).is_ok_and(|found| found <= max);
    let fits = within(headers.len(), connection.header_count_max)
        && (request.version() != Version::HTTP_2
            || within(list_bytes(headers), connection.header_bytes_max));
    if fits {
        Ok(())
    } else {
        Err(Reason::TooManyHeaders.into())
    }
}

/// The size of a header list as HTTP/2 counts it.
fn list_bytes(headers: &HeaderMap) -> usize {
    const FIELD_OVERHEAD: usize = 32;
    headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + FIELD_OVERHEAD)
        .sum()
}

/// The host that the request is for, lower-cased and without port.
fn host<B>(request: &Request<B>) -> Result<String, Rejection> {
    let mut fields = request.headers().get_all(HOST).iter();
    let field = match (fields.next(), fields.next()) {
        (Some(_), Some(_)) => {
            return Err(Rejection::detailed(Reason::BadHost, "several Host fields"));
        }
        (Some(value), None) => Some(value.as_bytes()),
        (None, _) => None,
    };
    let from_field = field.map(|bytes| {
        Authority::try_from(bytes)
            .map_err(|error| Rejection::detailed(Reason::BadHost, error.to_string()))
    });
    // The target's authority takes precedence (RFC 9112, section 3.2.2), but a Host field that
    // names another one is an attempt to be two requests.
    let authority = match (request.uri().authority(), from_field.transpose()?) {
        (Some(target), Some(field)) if !target.as_str().eq_ignore_ascii_case(field.as_str()) => {
            return Err(Rejection::detailed(
                Reason::BadHost,
                "target and Host field differ",
            ));
        }
        (Some(target), _) => target.clone(),
        (None, Some(field)) => field,
        (None, None) => return Err(Rejection::detailed(Reason::BadHost, "no Host field")),
    };
    if authority.host().is_empty() || authority.as_str().contains('@') {
        return Err(Rejection::detailed(Reason::BadHost, "not a host name"));
    }
    let host = authority.host();
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    Ok(host.trim_end_matches('.').to_ascii_lowercase())
}

/// The method for the log; only one that no standard names has to be copied.
fn method_name(method: &Method) -> Cow<'static, str> {
    const STANDARD: [&str; 9] = [
        "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE",
    ];
    match STANDARD.iter().find(|name| **name == method.as_str()) {
        Some(name) => Cow::Borrowed(name),
        None => Cow::Owned(bounded(method.as_str())),
    }
}

const fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_3 => "HTTP/3.0",
        _ => "HTTP/1.1",
    }
}
