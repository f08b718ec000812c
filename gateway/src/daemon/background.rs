//! A thread that works beside the others, and that nobody waits for without end.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Such a thread. Start it after privileges were given up: they belong to threads.
#[derive(Debug)]
pub(super) struct Background {
    thread: JoinHandle<()>,
    /// Hangs up when the thread ends.
    ended: mpsc::Receiver<()>,
}

/// How a thread ended that was told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// As it should.
    InTime,
    /// It goes on, and nobody waits for it any more.
    NotInTime,
    /// It had panicked.
    Died,
}

impl Background {
    pub(super) fn start(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<Self> {
        let (ends, ended) = mpsc::sync_channel::<()>(1);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                work();
                drop(ends);
            })?;
        Ok(Self { thread, ended })
    }

    /// Whether it ended without being told to.
    pub(super) fn has_died(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits so long for the end of a thread that was told to end.
    pub(super) fn wait(self, limit: Duration) -> Ended {
        if self.ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            Ended::NotInTime
        } else if self.thread.join().is_err() {
            Ended::Died
        } else {
            Ended::InTime
        }
    }
}
