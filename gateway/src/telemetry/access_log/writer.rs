//! The thread that writes, and where to.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::time::Instant;

use super::sink::Queue;

/// Buffers that may wait for the writer; beyond them records are dropped and counted.
const QUEUE_BUFFERS_MAX: usize = 256;

/// How long a stopping gateway waits for whoever reads the log, looked at this often.
const STOP_PATIENCE: Duration = Duration::from_secs(2);
const STOP_LOOK: Duration = Duration::from_millis(5);

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
    next: Arc<Mutex<Option<Output>>>,
    thread: JoinHandle<()>,
    /// What people call the log.
    name: &'static str,
}

impl Writer {
    /// Starts the thread of the log that is called `name`.
    ///
    /// # Errors
    /// No thread can be had.
    pub fn start(Opened(output): Opened, name: &'static str) -> std::io::Result<Self> {
        let (queue, messages) = sync_channel(QUEUE_BUFFERS_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let lost = Arc::clone(&dropped);
        let next = Arc::<Mutex<Option<Output>>>::default();
        let reopened = Arc::clone(&next);
        let thread = std::thread::Builder::new()
            .name(name.replace(' ', "-"))
            .spawn(move || write_all(name, output, &reopened, &messages, &lost))?;
        Ok(Self {
            queue,
            dropped,
            next,
            thread,
            name,
        })
    }

    /// The way here.
    #[must_use]
    pub fn queue(&self) -> Queue {
        Queue {
            messages: self.queue.clone(),
            dropped: Arc::clone(&self.dropped),
        }
    }

    /// A handle that can reopen the destination, as after log rotation.
    #[must_use]
    pub fn reopener(&self) -> Reopener {
        Reopener {
            next: Arc::clone(&self.next),
        }
    }

    /// Number of records that were dropped, shared with the metrics.
    #[must_use]
    pub fn dropped(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.dropped)
    }

    /// Writes what is queued and ends the thread; gives up on a reader that takes nothing for
    /// [`STOP_PATIENCE`].
    pub async fn stop(self) {
        let deadline = Instant::now() + STOP_PATIENCE;
        let mut told = false;
        while !self.thread.is_finished() && Instant::now() < deadline {
            // A full queue has room again once the writer has written some of it.
            told = told || self.queue.try_send(Message::Stop).is_ok();
            tokio::time::sleep(STOP_LOOK).await;
        }
        if !self.thread.is_finished() {
            tracing::error!("nobody reads the {}; its last records are lost", self.name);
        } else if self.thread.join().is_err() {
            tracing::error!(
                "the thread of the {} died; its last records are lost",
                self.name
            );
        }
    }
}

/// Points the writer at a freshly opened destination.
#[derive(Clone, Debug)]
pub struct Reopener {
    next: Arc<Mutex<Option<Output>>>,
}

/// A destination that has been opened but is not in use yet.
#[derive(Debug)]
pub struct Opened(Output);

impl Opened {
    /// The file, if it is one.
    #[must_use]
    pub const fn file(&self) -> Option<&File> {
        match &self.0 {
            Output::File(file) => Some(file),
            Output::Off | Output::Stdout => None,
        }
    }
}

impl Reopener {
    /// Opens `destination`, so that a reload fails before it changes anything.
    ///
    /// # Errors
    /// The file cannot be opened for appending.
    pub fn prepare(destination: &Destination) -> std::io::Result<Opened> {
        open(destination).map(Opened)
    }

    /// Puts it in use from the next buffer on. Never waits for whoever reads the log.
    pub fn install(&self, opened: Opened) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(opened.0);
    }
}

fn open(destination: &Destination) -> std::io::Result<Output> {
    let append = |path: &Path| {
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o640)
            // Opened with rights that whoever may write the directory need not have.
            .custom_flags(libc::O_NOFOLLOW)
            .open(path)
    };
    Ok(match destination {
        Destination::Off => Output::Off,
        Destination::Stdout => Output::Stdout,
        Destination::File(path) => Output::File(append(path)?),
    })
}

fn write_all(
    name: &str,
    mut output: Output,
    next: &Mutex<Option<Output>>,
    messages: &Receiver<Message>,
    dropped: &AtomicU64,
) {
    let mut failing = false;
    while let Ok(message) = messages.recv() {
        let (bytes, records) = match message {
            Message::Lines { bytes, records } => (bytes, records),
            Message::Stop => break,
        };
        let reopened = next.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(reopened) = reopened {
            output = reopened;
        }
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
                    tracing::error!(%error, "{name} cannot be written; records are dropped");
                }
                failing = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::super::{Kind, Record, Sinks};
    use super::*;
    use crate::telemetry::metrics::WorkerMetrics;
    use crate::telemetry::recent::Recent;

    #[tokio::test]
    async fn a_reader_that_takes_nothing_holds_up_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let mut reader = OpenOptions::new();
        let _reader = reader
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(&path)
            .unwrap();
        let destination = Destination::File(path);
        let writer = Writer::start(Reopener::prepare(&destination).unwrap(), "log").unwrap();
        let sinks = Sinks {
            recent: Recent::new(0),
            access: writer.queue(),
            execution: writer.queue(),
        };
        let sink = sinks.sink(Arc::new(WorkerMetrics::new(0, 0)));
        let mut record = Record::new(
            Kind::Connection,
            SystemTime::UNIX_EPOCH,
            Arc::from("main"),
            Arc::from("192.0.2.1:1"),
        );
        record.detail = Some("x".repeat(16 << 10).into());
        // More than the pipe and the queue hold.
        for _ in 0..2 * QUEUE_BUFFERS_MAX * 3 {
            sink.connection(&record);
        }
        assert!(writer.dropped().load(Ordering::Relaxed) > 0);
        writer
            .reopener()
            .install(Reopener::prepare(&destination).unwrap());
        let stopped = tokio::time::timeout(STOP_PATIENCE * 5, writer.stop()).await;
        assert!(stopped.is_ok());
    }

    #[test]
    fn a_link_is_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let (target, link) = (
            directory.path().join("target"),
            directory.path().join("link"),
        );
        File::create(&target).unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(Reopener::prepare(&Destination::File(link)).is_err());
        assert!(Reopener::prepare(&Destination::File(target)).is_ok());
    }
}
