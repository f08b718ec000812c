//! What is logged of one request or connection.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Serialize, Serializer};

use super::sink::Sink;
use crate::body::BodyProgress;
use crate::clock;
use crate::language::log_format::{Late, LogLine};
use crate::telemetry::decider::Decider;
use crate::telemetry::execution_log::{BODY_BYTES_MAX, Execution, ExecutionPlan, Follower};
use crate::telemetry::stage_counts::{Counts, StageCounts};

/// Longest logged form of anything the client chose freely.
const TEXT_BYTES_MAX: usize = 512;

/// What is logged of one request. Query strings are never logged: they may carry credentials.
#[derive(Debug, Serialize)]
pub struct Record {
    /// Arrival, RFC 3339 in UTC.
    #[serde(serialize_with = "timestamp")]
    pub time: SystemTime,
    /// What the record is about.
    pub kind: Kind,
    /// Name of the request: what `apigw-requestid` and `x-amz-apigw-id` say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<ShortText<16>>,
    /// Name of a REST API's request: what `x-amzn-RequestId` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amzn_request_id: Option<Box<str>>,
    /// Listener that accepted the connection.
    pub listener: Arc<str>,
    /// The other end of the socket.
    pub peer: Arc<str>,
    /// Who opened the connection, where the peer has announced somebody by the PROXY protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub announced: Option<Arc<str>>,
    /// Who sent the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<Arc<str>>,
    /// Server name of the TLS handshake.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<Arc<str>>,
    /// TLS version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<&'static str>,
    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<&'static str>,
    /// Request method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<Cow<'static, str>>,
    /// Host the request was sent to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// Path without query.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Routing rule of the custom domain that led to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routing_rule: Option<Arc<str>>,
    /// API that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<Arc<str>>,
    /// Its stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<Arc<str>>,
    /// Number of the deployment that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment: Option<u32>,
    /// Whether the stage's canary answered; left out where it did not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub canary: bool,
    /// Route that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<Arc<str>>,
    /// Subject of the client's certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_subject: Option<String>,
    /// Its issuer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_issuer: Option<String>,
    /// Its serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_serial: Option<String>,
    /// The authorizer that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorizer: Option<Arc<str>>,
    /// Subject of the verified token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Arc<str>>,
    /// Id of the API key that it came with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<Arc<str>>,
    /// What of the policies decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<Decider>,
    /// Ids of the policies that decided, of the route's policy set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<Arc<str>>,
    /// What would have become of it if what only monitors were enforced: `allow`, or the reason of the
    /// first that would have refused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitored: Option<&'static str>,
    /// What else than an answer became of it: `slowed`, `cut` or `held`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub penalty: Option<&'static str>,
    /// Status sent to the client; absent if it left before one was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why the request was rejected or cut short.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// More about the reason; for operators only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<Cow<'static, str>>,
    /// Status of the upstream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_status: Option<u16>,
    /// Microseconds from handing the request to the upstream to its response head.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_us: Option<u64>,
    /// What is wrong with the answer, if somebody looked and something is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_check: Option<&'static str>,
    /// Microseconds from the request's head to the last byte of the answer.
    pub duration_us: u64,
    /// Bytes of the request body received.
    pub request_bytes: u64,
    /// Bytes of the response body handed to the connection.
    pub response_bytes: u64,
}

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A request.
    Request,
    /// A connection on which no request could be read.
    Connection,
    /// A step of a request, in the execution log.
    Execution,
}

/// Up to `N` bytes of ASCII, kept without allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortText<const N: usize>(pub [u8; N]);

impl<const N: usize> Serialize for ShortText<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&self.0).unwrap_or_default())
    }
}

/// What [`Record::monitored`] says where nothing would have been refused.
const ALLOW: &str = "allow";

impl Record {
    /// Notes what something that only monitors would have done: nothing, or refuse for a reason, with more
    /// about it.
    pub fn monitor(&mut self, refusal: Option<(&'static str, Option<&Cow<'static, str>>)>) {
        match (self.monitored, refusal) {
            (None | Some(ALLOW), Some((reason, detail))) => {
                self.monitored = Some(reason);
                self.detail = detail.cloned();
            }
            (None, None) => self.monitored = Some(ALLOW),
            (Some(_), _) => {}
        }
    }

    /// What a format knows only now.
    pub(super) const fn late(&self, what: Late) -> u64 {
        match what {
            Late::Latency => self.duration_us / 1_000,
            Late::Length => self.response_bytes,
            Late::Data => self.request_bytes.saturating_add(self.response_bytes),
        }
    }

    /// An empty record of what happened at `time` on a connection from `peer`.
    #[must_use]
    pub const fn new(kind: Kind, time: SystemTime, listener: Arc<str>, peer: Arc<str>) -> Self {
        Self {
            time,
            kind,
            request_id: None,
            amzn_request_id: None,
            listener,
            peer,
            announced: None,
            client: None,
            server_name: None,
            tls: None,
            protocol: None,
            method: None,
            host: String::new(),
            path: String::new(),
            routing_rule: None,
            api: None,
            stage: None,
            deployment: None,
            canary: false,
            route: None,
            client_subject: None,
            client_issuer: None,
            client_serial: None,
            authorizer: None,
            subject: None,
            api_key: None,
            decided_by: None,
            policies: Vec::new(),
            monitored: None,
            penalty: None,
            status: None,
            reason: None,
            detail: None,
            upstream_status: None,
            upstream_us: None,
            response_check: None,
            duration_us: 0,
            request_bytes: 0,
            response_bytes: 0,
        }
    }
}

/// What ended a request that was not rejected but did not complete either.
pub const REASON_CLIENT_LEFT: &str = "client_left";
/// The upstream broke off in the middle of its response body.
pub const REASON_UPSTREAM_BROKE_OFF: &str = "upstream_broke_off";

/// A record being filled in. It is written when dropped, so that every request yields exactly one,
/// also when its client has left.
#[derive(Debug)]
pub struct OpenRecord {
    /// What is known so far. Boxed, because it moves with the request through every step and into
    /// the response's body.
    pub record: Box<Record>,
    /// What the request's body came to so far, once it is being read.
    pub body: Option<Rc<BodyProgress>>,
    /// What is logged instead of the record, in the format of its stage.
    pub line: Option<Box<LogLine>>,
    /// Where its stage counts it, once that is found.
    pub stage: Option<Arc<StageCounts>>,
    /// Where its route does, where that has counters of its own.
    pub route: Option<Arc<Counts>>,
    /// What follows it for the execution log; nothing for most.
    execution: Option<Box<Execution>>,
    started_ns: u64,
    complete: bool,
    /// Where it is written; `None` of a request that nobody sent.
    sink: Option<Rc<Sink>>,
}

impl OpenRecord {
    /// Opens the record of a request that arrived at `started_ns`.
    #[must_use]
    pub fn open(sink: &Rc<Sink>, started_ns: u64, record: Record) -> Self {
        Self::begin(Some(Rc::clone(sink)), started_ns, record)
    }

    /// The record of a request that nobody sent: it is written and counted nowhere.
    #[must_use]
    pub fn unwritten(started_ns: u64, record: Record) -> Self {
        Self::begin(None, started_ns, record)
    }

    fn begin(sink: Option<Rc<Sink>>, started_ns: u64, record: Record) -> Self {
        Self {
            record: Box::new(record),
            body: None,
            line: None,
            stage: None,
            route: None,
            execution: None,
            started_ns,
            complete: false,
            sink,
        }
    }

    /// Follows the request from here on.
    pub fn follow(&mut self, plan: &Arc<ExecutionPlan>) {
        self.execution = Some(Box::new(Execution::new(Arc::clone(plan))));
    }

    /// What tells of its steps, where it is followed.
    #[must_use]
    pub fn follower(&self) -> Option<Follower<'_>> {
        Some(Follower {
            execution: self.execution.as_deref()?,
            record: &self.record,
            sink: self.sink.as_deref()?,
        })
    }

    /// Says that its body is going to be read.
    pub fn reads(&mut self, body: &Rc<BodyProgress>) {
        if let Some(execution) = &self.execution
            && execution.tells_data()
        {
            body.keep_start(BODY_BYTES_MAX);
        }
        self.body = Some(Rc::clone(body));
    }

    /// Says that a piece of the answer's body is handed over.
    pub fn answers(&mut self, piece: &[u8]) {
        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        self.record.response_bytes = self.record.response_bytes.saturating_add(length);
        if let Some(execution) = &mut self.execution {
            execution.answer(piece);
        }
    }

    /// Says that the answer has been handed over whole.
    pub fn complete(&mut self) {
        self.complete = true;
    }

    /// When the request's head had arrived, on the monotonic clock.
    #[must_use]
    pub const fn started_ns(&self) -> u64 {
        self.started_ns
    }
}

impl Drop for OpenRecord {
    fn drop(&mut self) {
        let Some(sink) = &self.sink else {
            return;
        };
        if !self.complete && self.record.reason.is_none() {
            self.record.reason = Some(REASON_CLIENT_LEFT);
        }
        let elapsed_ns = clock::monotonic_ns().saturating_sub(self.started_ns);
        self.record.duration_us = elapsed_ns / 1_000;
        if let Some(body) = &self.body {
            self.record.request_bytes = body.bytes();
        }
        if let Some(execution) = &self.execution {
            execution.end(&self.record, sink, self.body.as_deref());
        }
        let stage = self.stage.as_deref().map(StageCounts::counts);
        let counts = stage.into_iter().chain(self.route.as_deref());
        let line = self.line.as_deref();
        sink.request(&self.record, line, counts, elapsed_ns);
    }
}

/// What a client sent, cut to a length that is safe to log.
#[must_use]
pub fn bounded(text: &str) -> String {
    text.get(..text.floor_char_boundary(TEXT_BYTES_MAX))
        .unwrap_or_default()
        .to_owned()
}

/// RFC 3339 in UTC, with milliseconds.
pub(in crate::telemetry) fn timestamp<S: Serializer>(
    at: &SystemTime,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_rfc3339_millis(*at))
}
