//! One worker's end of the log: records are formatted into a buffer of the worker's own.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};

use super::record::Record;
use super::writer::Message;
use crate::language::log_format::LogLine;
use crate::telemetry::metrics::WorkerMetrics;
use crate::telemetry::stage_counts::StageCounts;

/// Bytes after which a worker hands its buffer over without waiting for the interval.
const BUFFER_BYTES: usize = 32 << 10;

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
    /// Counts and logs a request, in the words of `line` where it has one.
    pub(super) fn request(
        &self,
        record: &Record,
        line: Option<&LogLine>,
        stage: Option<&StageCounts>,
        elapsed_ns: u64,
    ) {
        self.metrics.request(record.status, elapsed_ns);
        if let Some(stage) = stage {
            stage.request(self.metrics.number(), record.status, elapsed_ns);
        }
        self.append(record, line);
    }

    /// Logs what happened to a connection that yielded no request.
    pub fn connection(&self, record: &Record) {
        self.append(record, None);
    }

    fn append(&self, record: &Record, line: Option<&LogLine>) {
        let mut buffer = self.buffer.borrow_mut();
        let start = buffer.bytes.len();
        if let Some(line) = line {
            line.write(&mut buffer.bytes, |what| record.late(what));
        } else if serde_json::to_writer(&mut buffer.bytes, record).is_err() {
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

/// Makes the ends of workers, on the workers' own threads.
#[derive(Clone, Debug)]
pub struct Sinks {
    pub(super) queue: SyncSender<Message>,
    pub(super) dropped: Arc<AtomicU64>,
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
