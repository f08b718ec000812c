//! One connection: handshake, protocol, requests, end.

use std::cell::RefCell;
use std::future::{Future, pending};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::ListenerPlan;
use super::ending::{Ending, Farewell};
use super::ends::{Ends, Failed, Sender, sender};
use super::handshake::shake_hands;
use super::tls::TlsPlan;
use super::turn::{Capped, turn};
use super::watched::{Abort, Activity, InFlightBody, Phase, Watched};
use crate::clock;
use crate::exchange::{Connection, PeerAddress, Restraint, SourceAddress, TlsFacts, Told};
use crate::model::PenaltyMode;
use crate::store::connection::{ConnectionPermit, Doorkeeper};
use crate::telemetry::access_log::{Kind, Record, Sink};
use crate::telemetry::metrics::{ConnectionEvent, WorkerMetrics};
use crate::telemetry::operator_log::explain;

/// How HTTP/2 clients with prior knowledge begin (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Smallest read buffer hyper accepts.
const HYPER_BUFFER_MIN: usize = 8 << 10;
/// Header count up to which hyper parses without allocating.
const HYPER_HEADERS_DEFAULT: u32 = 100;

/// What answers requests.
pub trait Handler: 'static {
    /// What answers are made of.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Unpin
        + 'static;

    /// Answers one request of `sender`, which is there and has its `turn` among those of other connections to
    /// wait for. Dropped when the client leaves.
    fn handle(
        &self,
        connection: &Rc<Connection>,
        sender: Sender,
        request: Request<Incoming>,
        turn: impl Future<Output = ()>,
    ) -> impl Future<Output = Response<Self::Body>>;
}

/// What a connection needs of its worker.
#[derive(Debug)]
pub(super) struct Surroundings<H> {
    pub(super) handler: Rc<H>,
    pub(super) sink: Rc<Sink>,
    pub(super) metrics: Arc<WorkerMetrics>,
    /// The listener's plan in force.
    pub(super) plan: Arc<ArcSwap<ListenerPlan>>,
    /// Who may stay.
    pub(super) doorkeeper: Arc<Doorkeeper>,
    /// Which open connections of the listener end.
    pub(super) farewell: watch::Receiver<Farewell>,
}

impl<H> Clone for Surroundings<H> {
    fn clone(&self) -> Self {
        Self {
            handler: Rc::clone(&self.handler),
            sink: Rc::clone(&self.sink),
            metrics: Arc::clone(&self.metrics),
            plan: Arc::clone(&self.plan),
            doorkeeper: Arc::clone(&self.doorkeeper),
            farewell: self.farewell.clone(),
        }
    }
}

/// Serves one accepted connection to its end.
pub(super) async fn serve<H: Handler>(
    mut stream: TcpStream,
    peer: SocketAddr,
    plan: Arc<ListenerPlan>,
    around: Surroundings<H>,
    permit: &mut ConnectionPermit,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY");
    }
    let Ok(local) = stream.local_addr() else {
        return;
    };
    let ends = match Ends::learn(&mut stream, peer, local, &plan, permit).await {
        Ok(ends) => ends,
        Err(Failed {
            event,
            detail,
            ends,
        }) => {
            if let Some(event) = event {
                note(&around, &plan, &ends, event, detail);
            }
            return;
        }
    };
    let charge_ns = match &plan.tls {
        None => None,
        Some(_) => match turn(&ends, &plan, &around).await {
            Ok(charge_ns) => charge_ns,
            // Nothing was said that a farewell could follow.
            Err(Capped) => return stream.abort(),
        },
    };
    let open = Open {
        ends,
        plan,
        around,
        charge_ns,
    };
    match open.plan.tls.clone() {
        None => open.serve_plaintext(stream).await,
        Some(tls) => open.serve_tls(stream, tls).await,
    }
}

struct Open<H> {
    ends: Ends,
    plan: Arc<ListenerPlan>,
    around: Surroundings<H>,
    /// What its handshake was charged.
    charge_ns: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

impl<H: Handler> Open<H> {
    async fn serve_tls(&self, stream: TcpStream, tls: Arc<TlsPlan>) {
        let handshake = shake_hands(&tls, stream);
        let (stream, facts) = match timeout(self.plan.timeouts.handshake, handshake).await {
            Ok(Ok(done)) => done,
            Ok(Err(error)) => {
                return self.note(ConnectionEvent::HandshakeFailed, Some(error.to_string()));
            }
            Err(_elapsed) => return self.note(ConnectionEvent::HandshakeTimeout, None),
        };
        let protocol = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Protocol::Http2,
            Some(_) | None => Protocol::Http1,
        };
        let activity = Activity::new(Instant::now());
        let io = Watched::new(stream, Bytes::new(), Rc::clone(&activity));
        self.serve_http(io, Some(facts), protocol, activity).await;
    }

    async fn serve_plaintext(&self, mut stream: TcpStream) {
        let activity = Activity::new(Instant::now());
        let (protocol, replay) = if self.plan.http2 {
            match timeout(self.plan.timeouts.headers, read_ahead(&mut stream)).await {
                Ok(Ok(told_apart)) => told_apart,
                // Nothing was asked, so there is nobody to answer.
                Ok(Err(_gone)) => return,
                Err(_elapsed) => return self.note(ConnectionEvent::HeaderTimeout, None),
            }
        } else {
            (Protocol::Http1, Bytes::new())
        };
        let io = Watched::new(stream, replay, Rc::clone(&activity));
        self.serve_http(io, None, protocol, activity).await;
    }

    async fn serve_http<S: AsyncRead + AsyncWrite + Abort + Unpin + 'static>(
        &self,
        stream: Watched<S>,
        tls: Option<TlsFacts>,
        protocol: Protocol,
        activity: Rc<Activity>,
    ) {
        let ending = Ending {
            farewell: self.around.farewell.clone(),
            is_plaintext: tls.is_none(),
        };
        let goes_away = protocol == Protocol::Http2;
        let restraint = Rc::new(Restraint::of_handshake(self.charge_ns));
        let stream = stream.held_back_by(Rc::clone(&restraint));
        let facts = Facts::new(&self.plan, self.ends, tls, Rc::clone(&restraint));
        let around = self.around.clone();
        let notes = Rc::clone(&activity);
        let service = service_fn(move |request: Request<Incoming>| {
            let in_flight = notes.begin();
            let plan = around.plan.load_full();
            let begun = facts.check(&around, &plan).map(|()| {
                facts.judge(&around, &plan);
                let facts = facts.under(Arc::clone(&plan));
                let sent = sender(&facts, request.headers(), &plan, &around.doorkeeper);
                (facts, sent)
            });
            let handler = Rc::clone(&around.handler);
            async move {
                let (facts, (sender, place)) = begun?;
                let turn = in_flight.turn();
                let response = handler.handle(&facts, sender, request, turn).await;
                Ok::<_, Unserved>(response.map(|body| InFlightBody::new(body, in_flight, place)))
            }
        });
        let io = TokioIo::new(stream);
        let ended = match protocol {
            Protocol::Http1 => {
                let connection = self.http1().serve_connection(io, service);
                let driven = pin!(self.drive(
                    connection,
                    |connection| connection.graceful_shutdown(),
                    &activity,
                    ending,
                    (&restraint, goes_away),
                ));
                activity.in_turns(driven).await
            }
            Protocol::Http2 => {
                activity.speaks_http2(Instant::now());
                let connection = self.http2().serve_connection(io, service);
                self.drive(
                    connection,
                    |connection| connection.graceful_shutdown(),
                    &activity,
                    ending,
                    (&restraint, goes_away),
                )
                .await
            }
        };
        // It may have ended by itself with the request that it is cut for.
        self.charge(&restraint);
        let ended = restraint.cut_for().map_or(ended, Ended::Penalised);
        self.conclude(ended, &activity);
    }

    fn http1(&self) -> hyper::server::conn::http1::Builder {
        let limits = &self.plan.limits;
        let mut builder = hyper::server::conn::http1::Builder::new();
        let head = usize::try_from(limits.header_bytes_max).unwrap_or(usize::MAX);
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .half_close(false);
        builder.max_buf_size(head.max(HYPER_BUFFER_MIN));
        if limits.header_count_max != HYPER_HEADERS_DEFAULT {
            builder.max_headers(usize::try_from(limits.header_count_max).unwrap_or(usize::MAX));
        }
        builder
    }

    fn http2(&self) -> hyper::server::conn::http2::Builder<LocalExecutor> {
        let limits = &self.plan.limits;
        let resets = usize::try_from(limits.http2_resets_max).unwrap_or(usize::MAX);
        let mut builder = hyper::server::conn::http2::Builder::new(LocalExecutor);
        builder.timer(TokioTimer::new());
        builder.max_concurrent_streams(limits.http2_streams_max);
        // Beyond the limit the request is refused with a record; far beyond it the library answers.
        builder.max_header_list_size(limits.header_bytes_max.saturating_mul(4));
        builder.max_pending_accept_reset_streams(resets);
        builder.max_local_error_reset_streams(resets);
        builder
    }

    /// Runs the connection until it ends, a time-out cuts it, or `ending` has come and what was
    /// asked is answered.
    async fn drive<C: Future<Output = hyper::Result<()>>>(
        &self,
        connection: C,
        shut_down: impl Fn(Pin<&mut C>),
        activity: &Activity,
        mut ending: Ending,
        (restraint, goes_away): (&Restraint, bool),
    ) -> Ended {
        let mut connection = pin!(connection);
        let mut timer = pin!(sleep_until(self.deadline(activity, Instant::now()).at));
        let mut shutting_down = false;
        loop {
            tokio::select! {
                biased;
                outcome = &mut connection => return Ended::Hyper(outcome),
                () = &mut timer => {
                    let now = Instant::now();
                    let deadline = self.deadline(activity, now);
                    if deadline.at > now {
                        timer.as_mut().reset(deadline.at);
                    } else if deadline.event.is_none() && !shutting_down {
                        shutting_down = true;
                        shut_down(connection.as_mut());
                        timer.as_mut().reset(now + self.plan.timeouts.idle);
                    } else {
                        return Ended::Cut(deadline.event);
                    }
                }
                () = restraint.changed() => {
                    self.charge(restraint);
                    if let Some(length) = restraint.cut_for() {
                        return Ended::Penalised(length);
                    }
                    // Over HTTP/1.1 the pause is all that a client can be told.
                    if goes_away && restraint.is_paused() && !shutting_down {
                        shutting_down = true;
                        shut_down(connection.as_mut());
                    }
                }
                () = self.pardoned(restraint) => restraint.let_go(),
                () = ending.comes(activity), if !shutting_down => {
                    shutting_down = true;
                    shut_down(connection.as_mut());
                }
            }
        }
    }

    /// Charges its source for what has offended on it.
    fn charge(&self, restraint: &Restraint) {
        let connections = restraint.take_charge();
        if connections > 0 {
            let source = self.ends.source.ip();
            let doorkeeper = &self.around.doorkeeper;
            doorkeeper.charge(source, connections, clock::monotonic_ns());
        }
    }

    /// Waits until its source is pardoned, while the connection is held back.
    async fn pardoned(&self, restraint: &Restraint) {
        if !restraint.is_paused() {
            return pending().await;
        }
        let doorkeeper = &self.around.doorkeeper;
        doorkeeper.pardoned(self.ends.source.ip()).await;
    }

    /// When the connection, as it stands, will have waited too long.
    fn deadline(&self, activity: &Activity, now: Instant) -> Deadline {
        let timeouts = &self.plan.timeouts;
        match activity.phase() {
            Phase::Head(since) => Deadline {
                at: since + timeouts.headers,
                event: Some(ConnectionEvent::HeaderTimeout),
            },
            Phase::Idle(since) => Deadline {
                at: since + timeouts.idle,
                event: None,
            },
            Phase::Busy => {
                let since = activity.blocked_since().unwrap_or(now);
                Deadline {
                    at: since + timeouts.body,
                    event: Some(ConnectionEvent::ClientStalled),
                }
            }
        }
    }

    fn conclude(&self, ended: Ended, activity: &Activity) {
        match ended {
            Ended::Hyper(Ok(())) | Ended::Cut(None) => {}
            Ended::Cut(Some(event)) => self.note(event, None),
            Ended::Penalised(length) => {
                let source = self.ends.source.ip();
                let doorkeeper = &self.around.doorkeeper;
                doorkeeper.penalise(source, length, clock::monotonic_ns());
                self.note(
                    ConnectionEvent::Penalised,
                    Some(format!("for {} s", length.as_secs())),
                );
            }
            Ended::Hyper(Err(error)) if error.is_parse() || error.is_parse_too_large() => {
                self.note(ConnectionEvent::BadRequest, Some(explain(&error)));
            }
            Ended::Hyper(Err(error)) if is_attack(&error) => {
                self.note(ConnectionEvent::BadRequest, Some(explain(&error)));
            }
            Ended::Hyper(Err(error)) => {
                // A client that breaks off in its first head is worth a record; one that breaks
                // off later has one already.
                if !activity.has_served() && !error.is_incomplete_message() {
                    self.note(ConnectionEvent::BadRequest, Some(explain(&error)));
                }
                tracing::debug!(peer = %self.ends.peer, error = %explain(&error), "connection ended");
            }
        }
    }

    fn note(&self, event: ConnectionEvent, detail: Option<String>) {
        note(&self.around, &self.plan, &self.ends, event, detail);
    }
}

/// Counts and logs what happened to a connection as such.
pub(super) fn note<H>(
    around: &Surroundings<H>,
    plan: &ListenerPlan,
    ends: &Ends,
    event: ConnectionEvent,
    detail: Option<String>,
) {
    around.metrics.connection(event);
    let mut record = record(plan, ends);
    record.reason = Some(event.name());
    record.detail = detail.map(Into::into);
    around.sink.connection(&record);
}

/// The record of a connection as such.
pub(super) fn record(plan: &ListenerPlan, ends: &Ends) -> Record {
    let listener = Arc::clone(&plan.name);
    let peer = ends.peer.to_string().into();
    let mut record = Record::new(Kind::Connection, clock::wall(), listener, peer);
    if ends.source != ends.peer {
        record.announced = Some(ends.source.to_string().into());
    }
    record
}

/// Why a connection ends with a request that is not answered.
#[derive(Debug, thiserror::Error)]
enum Unserved {
    /// The source has been put on the deny list since it connected.
    #[error("the source is denied")]
    Denied,
    /// A reload has changed whether its peer says who has opened it.
    #[error("the listener asks for another beginning since a reload: {0}")]
    Beginning(&'static str),
}

/// What requests of a connection have in common, under the plan that is in force: a reload also
/// reaches connections that stay open.
struct Facts {
    ends: Ends,
    current: RefCell<(Arc<ListenerPlan>, Rc<Connection>)>,
}

impl Facts {
    fn new(
        plan: &Arc<ListenerPlan>,
        ends: Ends,
        tls: Option<TlsFacts>,
        restraint: Rc<Restraint>,
    ) -> Self {
        let connection = Self::connection(plan, &ends, tls, restraint);
        Self {
            ends,
            current: RefCell::new((Arc::clone(plan), connection)),
        }
    }

    /// Whether the next request is answered under a plan.
    fn check<H>(&self, around: &Surroundings<H>, plan: &ListenerPlan) -> Result<(), Unserved> {
        let ends = &self.ends;
        let (event, unserved) = if !ends.fit(plan) {
            let why = if ends.has_header {
                "its PROXY header is believed no more"
            } else {
                "it has to begin with a PROXY header"
            };
            let event = ConnectionEvent::ProxyHeaderInvalid;
            (event, Unserved::Beginning(why))
        } else if ends.is_a_client(plan) && around.doorkeeper.denies(ends.source.ip()) {
            (ConnectionEvent::Denied, Unserved::Denied)
        } else {
            return Ok(());
        };
        let detail = match &unserved {
            Unserved::Denied => None,
            Unserved::Beginning(_) => Some(unserved.to_string()),
        };
        note(around, plan, ends, event, detail);
        Err(unserved)
    }

    /// Finds out whether the connection may be held back, where anybody is: not where many stand behind it
    /// or its source may do everything, which may change while it is open.
    fn judge<H>(&self, around: &Surroundings<H>, plan: &ListenerPlan) {
        if plan.penalties.mode == PenaltyMode::Off {
            return;
        }
        let (ends, current) = (&self.ends, self.current.borrow());
        let is_exempt = !ends.is_a_client(plan) || around.doorkeeper.exempts(ends.source.ip());
        current.1.restraint.judge(is_exempt);
    }

    fn under(&self, plan: Arc<ListenerPlan>) -> Rc<Connection> {
        let mut current = self.current.borrow_mut();
        if !Arc::ptr_eq(&current.0, &plan) {
            let known = &current.1;
            let restraint = Rc::clone(&known.restraint);
            let renewed = Self::connection(&plan, &self.ends, known.tls.clone(), restraint);
            *current = (plan, renewed);
        }
        Rc::clone(&current.1)
    }

    fn connection(
        plan: &ListenerPlan,
        ends: &Ends,
        tls: Option<TlsFacts>,
        restraint: Rc<Restraint>,
    ) -> Rc<Connection> {
        let (peer, source) = (PeerAddress(ends.peer), SourceAddress(ends.source));
        Rc::new(Connection {
            listener: Arc::clone(&plan.name),
            peer,
            source,
            local: ends.local,
            interface: plan.interface.clone(),
            tls,
            trusted_proxies: Arc::clone(&plan.trusted_proxies),
            forwarded_header: plan.forwarded_header,
            restraint,
            header_count_max: plan.limits.header_count_max,
            header_bytes_max: plan.limits.header_bytes_max,
            body_timeout: plan.timeouts.body,
            told: Told::new(peer, source, ends.port, &plan.trusted_proxies),
        })
    }
}

enum Ended {
    Hyper(hyper::Result<()>),
    /// Its source is cut off for so long.
    Penalised(Duration),
    /// By a time-out; without event an idle connection whose farewell the client did not take.
    Cut(Option<ConnectionEvent>),
}

struct Deadline {
    at: Instant,
    event: Option<ConnectionEvent>,
}

/// Reads until it is certain whether HTTP/2 is spoken.
async fn read_ahead(stream: &mut TcpStream) -> std::io::Result<(Protocol, Bytes)> {
    let mut read = BytesMut::with_capacity(1024);
    loop {
        if stream.read_buf(&mut read).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if read.starts_with(PREFACE) {
            return Ok((Protocol::Http2, read.freeze()));
        }
        if !PREFACE.starts_with(&read) {
            return Ok((Protocol::Http1, read.freeze()));
        }
    }
}

/// Whether HTTP/2 ended the connection over what the client sent, as with streams reset in a row
/// or a header block without end. That is worth a record whatever was served before.
fn is_attack(error: &hyper::Error) -> bool {
    let cause =
        std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<h2::Error>());
    cause.is_some_and(|error| error.is_go_away() && error.is_library())
}

/// Runs a connection's streams on the worker that owns it.
#[derive(Clone, Copy, Debug)]
struct LocalExecutor;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        // The stream's task ends with its connection, which hyper tells it.
        drop(tokio::task::spawn_local(future));
    }
}
