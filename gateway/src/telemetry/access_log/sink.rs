//! One worker's end of the logs: lines are formatted into buffers of the worker's own.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};

use serde::Serialize;

use super::record::Record;
use super::writer::Message;
use crate::language::log_format::LogLine;
use crate::telemetry::execution_log::Event;
use crate::telemetry::metrics::WorkerMetrics;
use crate::telemetry::recent::Recent;
use crate::telemetry::stage_counts::Counts;

/// Bytes after which a worker hands its buffer over without waiting for the interval.
const BUFFER_BYTES: usize = 32 << 10;

/// One worker's end of both logs.
#[derive(Debug)]
pub struct Sink {
    access: Lines,
    execution: Lines,
    metrics: Arc<WorkerMetrics>,
    recent: Arc<Recent>,
}

/// One worker's end of one log.
#[derive(Debug)]
struct Lines {
    buffer: RefCell<Buffer>,
    queue: Queue,
}

#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    lines: u64,
}

impl Sink {
    /// Counts and logs a request, in the words of `line` where it has one.
    pub(super) fn request<'a>(
        &self,
        record: &Record,
        line: Option<&LogLine>,
        counts: impl Iterator<Item = &'a Counts>,
        elapsed_ns: u64,
    ) {
        self.metrics.request(record.status, elapsed_ns);
        for counts in counts {
            counts.request(self.metrics.number(), record.status, elapsed_ns);
        }
        self.recent.keep(record);
        match line {
            None => self.access.json(record),
            Some(line) => self.access.append(|bytes| {
                line.write(bytes, |what| record.late(what));
                true
            }),
        }
    }

    /// Logs what happened to a connection that yielded no request.
    pub fn connection(&self, record: &Record) {
        self.access.json(record);
    }

    /// Logs a step of a request that is followed.
    pub(in crate::telemetry) fn execution(&self, event: &Event<'_>) {
        self.execution.json(event);
    }

    /// Hands everything buffered to the writers.
    pub fn flush(&self) {
        for lines in [&self.access, &self.execution] {
            lines.hand_over(&mut lines.buffer.borrow_mut());
        }
    }
}

impl Lines {
    const fn new(queue: Queue) -> Self {
        Self {
            buffer: RefCell::new(Buffer {
                bytes: Vec::new(),
                lines: 0,
            }),
            queue,
        }
    }

    fn json(&self, line: &impl Serialize) {
        self.append(|bytes| serde_json::to_writer(bytes, line).is_ok());
    }

    /// Appends what `write` makes, which says whether it made a whole line.
    fn append(&self, write: impl FnOnce(&mut Vec<u8>) -> bool) {
        let mut buffer = self.buffer.borrow_mut();
        let start = buffer.bytes.len();
        if !write(&mut buffer.bytes) {
            // A line is plain text and numbers; if it ever fails, half of it must not stay.
            buffer.bytes.truncate(start);
            self.queue.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        buffer.bytes.push(b'\n');
        buffer.lines += 1;
        if buffer.bytes.len() >= BUFFER_BYTES {
            self.hand_over(&mut buffer);
        }
    }

    fn hand_over(&self, buffer: &mut Buffer) {
        if buffer.bytes.is_empty() {
            return;
        }
        let full = std::mem::replace(&mut buffer.bytes, Vec::with_capacity(BUFFER_BYTES + 1024));
        let records = std::mem::take(&mut buffer.lines);
        match self.queue.messages.try_send(Message::Lines {
            bytes: full,
            records,
        }) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.queue.dropped.fetch_add(records, Ordering::Relaxed);
            }
        }
    }
}

/// The way to the writer of one log.
#[derive(Clone, Debug)]
pub struct Queue {
    pub(super) messages: SyncSender<Message>,
    pub(super) dropped: Arc<AtomicU64>,
}

/// Makes the ends of workers, on the workers' own threads.
#[derive(Clone, Debug)]
pub struct Sinks {
    /// To the access log.
    pub access: Queue,
    /// To the execution log.
    pub execution: Queue,
    /// What became of the last requests.
    pub recent: Arc<Recent>,
}

impl Sinks {
    /// A worker's end.
    #[must_use]
    pub fn sink(self, metrics: Arc<WorkerMetrics>) -> Rc<Sink> {
        Rc::new(Sink {
            access: Lines::new(self.access),
            execution: Lines::new(self.execution),
            metrics,
            recent: self.recent,
        })
    }
}
