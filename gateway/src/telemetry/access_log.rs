//! One JSON object per request, on one line.
//!
//! Every worker formats into a buffer of its own and hands it to one writer thread, so that no
//! request waits for a disk. The queue between them is bounded; what does not fit is dropped and
//! counted, never waited for.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

use crate::clock;
use crate::telemetry::metrics::WorkerMetrics;

/// Bytes after which a worker hands its buffer over without waiting for the interval.
const BUFFER_BYTES: usize = 32 << 10;
/// Buffers that may wait for the writer; beyond them records are dropped and counted.
const QUEUE_BUFFERS_MAX: usize = 256;
/// How often workers hand over what they have.
pub const FLUSH_INTERVAL: Duration = Duration::from_millis(50);
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
    /// Name of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<ShortText<16>>,
    /// Listener that accepted the connection.
    pub listener: Arc<str>,
    /// The other end of the socket.
    pub peer: Arc<str>,
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
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "method")]
    pub method: Option<http::Method>,
    /// Host the request was sent to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// Path without query.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// API that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<Arc<str>>,
    /// Route that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<Arc<str>>,
    /// Subject of the verified token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Arc<str>>,
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
}

/// Up to `N` bytes of ASCII, kept without allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortText<const N: usize>(pub [u8; N]);

impl<const N: usize> Serialize for ShortText<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&self.0).unwrap_or_default())
    }
}

impl Record {
    /// An empty record of what happened at `time` on a connection from `peer`.
    #[must_use]
    pub const fn new(kind: Kind, time: SystemTime, listener: Arc<str>, peer: Arc<str>) -> Self {
        Self {
            time,
            kind,
            request_id: None,
            listener,
            peer,
            client: None,
            server_name: None,
            tls: None,
            protocol: None,
            method: None,
            host: String::new(),
            path: String::new(),
            api: None,
            route: None,
            subject: None,
            status: None,
            reason: None,
            detail: None,
            upstream_status: None,
            upstream_us: None,
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
    started_ns: u64,
    complete: bool,
    sink: Rc<Sink>,
}

impl OpenRecord {
    /// Opens the record of a request that arrived at `started_ns`.
    #[must_use]
    pub fn open(sink: &Rc<Sink>, started_ns: u64, record: Record) -> Self {
        Self {
            record: Box::new(record),
            started_ns,
            complete: false,
            sink: Rc::clone(sink),
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
        if !self.complete && self.record.reason.is_none() {
            self.record.reason = Some(REASON_CLIENT_LEFT);
        }
        let elapsed_ns = clock::monotonic_ns().saturating_sub(self.started_ns);
        self.record.duration_us = elapsed_ns / 1_000;
        self.sink.request(&self.record, elapsed_ns);
    }
}

/// One worker's end of the log.
#[derive(Debug)]
pub struct Sink {
    buffer: RefCell<Buffer>,
    queue: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
    metrics: Arc<WorkerMetrics>,
}

#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    records: u64,
}

impl Sink {
    /// Counts and logs a request.
    fn request(&self, record: &Record, elapsed_ns: u64) {
        self.metrics.request(record.status, elapsed_ns);
        self.append(record);
    }

    /// Logs what happened to a connection that yielded no request.
    pub fn connection(&self, record: &Record) {
        self.append(record);
    }

    fn append(&self, record: &Record) {
        let mut buffer = self.buffer.borrow_mut();
        let start = buffer.bytes.len();
        if serde_json::to_writer(&mut buffer.bytes, record).is_err() {
            // A record is plain text and numbers; if it ever fails, half a line must not stay.
            buffer.bytes.truncate(start);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        buffer.bytes.push(b'\n');
        buffer.records += 1;
        if buffer.bytes.len() >= BUFFER_BYTES {
            self.hand_over(&mut buffer);
        }
    }

    /// Hands everything buffered to the writer.
    pub fn flush(&self) {
        self.hand_over(&mut self.buffer.borrow_mut());
    }

    fn hand_over(&self, buffer: &mut Buffer) {
        if buffer.bytes.is_empty() {
            return;
        }
        let full = std::mem::replace(&mut buffer.bytes, Vec::with_capacity(BUFFER_BYTES + 1024));
        let records = std::mem::take(&mut buffer.records);
        match self.queue.try_send(Message::Lines {
            bytes: full,
            records,
        }) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.dropped.fetch_add(records, Ordering::Relaxed);
            }
        }
    }
}

/// Where records go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Nowhere.
    Off,
    /// Standard output.
    Stdout,
    /// Appended to a file.
    File(PathBuf),
}

#[derive(Debug)]
enum Message {
    Lines { bytes: Vec<u8>, records: u64 },
    Open(Output),
    Stop,
}

#[derive(Debug)]
enum Output {
    Off,
    Stdout,
    File(File),
}

/// The thread that writes.
#[derive(Debug)]
pub struct Writer {
    queue: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// No thread can be had.
    pub fn start(Opened(output): Opened) -> std::io::Result<Self> {
        let (queue, messages) = sync_channel(QUEUE_BUFFERS_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let lost = Arc::clone(&dropped);
        let thread = std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || write_all(output, &messages, &lost))?;
        Ok(Self {
            queue,
            dropped,
            thread: Some(thread),
        })
    }

    /// What makes the ends of workers.
    #[must_use]
    pub fn sinks(&self) -> Sinks {
        Sinks {
            queue: self.queue.clone(),
            dropped: Arc::clone(&self.dropped),
        }
    }

    /// A handle that can reopen the destination, as after log rotation.
    #[must_use]
    pub fn reopener(&self) -> Reopener {
        Reopener {
            queue: self.queue.clone(),
        }
    }

    /// Number of records that were dropped, shared with the metrics.
    #[must_use]
    pub fn dropped(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.dropped)
    }

    /// Writes what is queued and ends the thread.
    pub fn stop(mut self) {
        // The receiver lives as long as the thread; if it died, there is nothing left to write.
        if self.queue.send(Message::Stop).is_ok()
            && let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the access-log thread died; the last records are lost");
        }
    }
}

/// Makes the ends of workers, on the workers' own threads.
#[derive(Clone, Debug)]
pub struct Sinks {
    queue: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

impl Sinks {
    /// A worker's end.
    #[must_use]
    pub fn sink(self, metrics: Arc<WorkerMetrics>) -> Rc<Sink> {
        Rc::new(Sink {
            buffer: RefCell::default(),
            queue: self.queue,
            dropped: self.dropped,
            metrics,
        })
    }
}

/// Points the writer at a freshly opened destination.
#[derive(Clone, Debug)]
pub struct Reopener {
    queue: SyncSender<Message>,
}

/// A destination that has been opened but is not in use yet.
#[derive(Debug)]
pub struct Opened(Output);

impl Reopener {
    /// Opens `destination`, so that a reload fails before it changes anything.
    ///
    /// # Errors
    /// The file cannot be opened for appending.
    pub fn prepare(destination: &Destination) -> std::io::Result<Opened> {
        open(destination).map(Opened)
    }

    /// Puts it in use, behind everything already queued.
    pub fn install(&self, opened: Opened) {
        if self.queue.send(Message::Open(opened.0)).is_err() {
            tracing::error!("the access-log thread has died; no records are written");
        }
    }
}

fn open(destination: &Destination) -> std::io::Result<Output> {
    let append = |path: &Path| {
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o640)
            .open(path)
    };
    Ok(match destination {
        Destination::Off => Output::Off,
        Destination::Stdout => Output::Stdout,
        Destination::File(path) => Output::File(append(path)?),
    })
}

fn write_all(mut output: Output, messages: &Receiver<Message>, dropped: &AtomicU64) {
    let mut failing = false;
    while let Ok(message) = messages.recv() {
        let (bytes, records) = match message {
            Message::Lines { bytes, records } => (bytes, records),
            Message::Open(opened) => {
                output = opened;
                continue;
            }
            Message::Stop => break,
        };
        let written = match &mut output {
            Output::Off => Ok(()),
            Output::Stdout => {
                let mut stdout = std::io::stdout().lock();
                stdout.write_all(&bytes).and_then(|()| stdout.flush())
            }
            Output::File(file) => file.write_all(&bytes),
        };
        match written {
            Ok(()) => failing = false,
            Err(error) => {
                dropped.fetch_add(records, Ordering::Relaxed);
                if !failing {
                    tracing::error!(%error, "access log cannot be written; records are dropped");
                }
                failing = true;
            }
        }
    }
}

fn timestamp<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_rfc3339_millis(*at))
}

fn method<S: Serializer>(method: &Option<http::Method>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(method.as_ref().map_or("", http::Method::as_str))
}

/// What a client sent, cut to a length that is safe to log.
#[must_use]
pub fn bounded(text: &str) -> String {
    text.get(..text.floor_char_boundary(TEXT_BYTES_MAX))
        .unwrap_or_default()
        .to_owned()
}
