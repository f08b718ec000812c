//! The thread that writes, and where to.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::sink::Sinks;

/// Buffers that may wait for the writer; beyond them records are dropped and counted.
const QUEUE_BUFFERS_MAX: usize = 256;

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
pub(super) enum Message {
    Lines { bytes: Vec<u8>, records: u64 },
    Open(Output),
    Stop,
}

#[derive(Debug)]
pub(super) enum Output {
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
