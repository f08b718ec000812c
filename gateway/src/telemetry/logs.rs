//! The access log and the execution log, which are opened, written and closed in one way.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::access_log::{Destination, Opened, Reopener, Sinks, Writer};
use super::recent::Recent;

/// What both logs have one of.
#[derive(Clone, Debug)]
pub struct Logs<T> {
    /// Of the access log.
    pub access: T,
    /// Of the execution log.
    pub execution: T,
}

/// A log that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("{log}")]
pub struct LogError {
    /// Which one, such as `access log`.
    log: &'static str,
    source: std::io::Error,
}

const ACCESS: &str = "access log";
const EXECUTION: &str = "execution log";

impl Logs<Destination> {
    /// Opens both.
    ///
    /// # Errors
    /// The one that cannot be opened; nothing is written anywhere then.
    pub fn open(&self) -> Result<Logs<Opened>, LogError> {
        Ok(Logs {
            access: Reopener::prepare(&self.access).map_err(of(ACCESS))?,
            execution: Reopener::prepare(&self.execution).map_err(of(EXECUTION))?,
        })
    }
}

impl Logs<Opened> {
    /// Starts the threads that write.
    ///
    /// # Errors
    /// No thread can be had.
    pub fn start(self) -> Result<Logs<Writer>, LogError> {
        Ok(Logs {
            access: Writer::start(self.access, ACCESS).map_err(of(ACCESS))?,
            execution: Writer::start(self.execution, EXECUTION).map_err(of(EXECUTION))?,
        })
    }
}

impl Logs<Writer> {
    /// What makes the ends of workers, which keep the last requests in `recent`.
    #[must_use]
    pub fn sinks(&self, recent: Arc<Recent>) -> Sinks {
        Sinks {
            recent,
            access: self.access.queue(),
            execution: self.execution.queue(),
        }
    }

    /// How many records of each were dropped, shared with the metrics.
    #[must_use]
    pub fn dropped(&self) -> Logs<Arc<AtomicU64>> {
        Logs {
            access: self.access.dropped(),
            execution: self.execution.dropped(),
        }
    }

    /// What can reopen both, as after log rotation.
    #[must_use]
    pub fn reopener(&self) -> Logs<Reopener> {
        Logs {
            access: self.access.reopener(),
            execution: self.execution.reopener(),
        }
    }

    /// Writes what is queued and ends the threads; gives up on a reader that takes nothing.
    pub async fn stop(self) {
        tokio::join!(self.access.stop(), self.execution.stop());
    }
}

impl Logs<Reopener> {
    /// Points both writers at what was opened.
    pub fn install(&self, opened: Logs<Opened>) {
        self.access.install(opened.access);
        self.execution.install(opened.execution);
    }
}

fn of(log: &'static str) -> impl Fn(std::io::Error) -> LogError {
    move |source| LogError { log, source }
}
