//! What operators are told of the servers: that they answer no more, once and every minute, and that they do
//! again.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::counters::FleetCounters;
use super::link::Unanswered;
use crate::model::Redis;
use crate::telemetry::operator_log::explain;

/// How often it is said again that something is wrong.
const REMIND_EVERY: Duration = Duration::from_secs(60);
/// For how long nothing may have been refused until it is said that servers answer again: of a cluster some do
/// while others fail, and a server that takes no writes answers who asks after it.
const QUIET: Duration = Duration::from_secs(5);

/// Says what has changed, and no more.
#[derive(Debug)]
pub(super) struct Voice {
    servers: String,
    said: Mutex<Said>,
}

#[derive(Debug, Default)]
struct Said {
    /// Whether it was said that they answer.
    has_greeted: bool,
    /// When it was said last that they do not; `None` while they do.
    failure: Option<Instant>,
    /// When a question failed last while others may be answered.
    quiet_since: Option<Instant>,
    /// When it was said last that one limit cannot be asked about.
    limit: Option<Instant>,
}

impl Voice {
    pub(super) fn new(redis: &Redis) -> Self {
        let servers = redis.servers.iter().map(ToString::to_string);
        Self {
            servers: servers.collect::<Vec<_>>().join(", "),
            said: Mutex::default(),
        }
    }

    /// Servers have answered.
    pub(super) fn answered(&self, counters: &FleetCounters) {
        self.answered_at(Instant::now(), counters);
    }

    fn answered_at(&self, now: Instant, counters: &FleetCounters) {
        let mut said = self.said();
        if said
            .quiet_since
            .is_some_and(|at| now.duration_since(at) < QUIET)
        {
            return;
        }
        said.quiet_since = None;
        counters.reach(true);
        if said.failure.take().is_some() {
            tracing::warn!(
                "the store of the fleet answers again: limits across gateways hold again"
            );
        } else if !said.has_greeted {
            tracing::info!(servers = %self.servers, "the store of the fleet answers");
        }
        said.has_greeted = true;
    }

    /// They cannot be asked, or have refused what they were asked.
    pub(super) fn failed(&self, error: &Unanswered, counters: &FleetCounters) {
        self.say_failed(error, error.is_refusal(), counters);
    }

    /// One of several cannot be asked, or has refused; the others may go on to answer.
    pub(super) fn failed_in_part(&self, error: &Unanswered, counters: &FleetCounters) {
        self.say_failed(error, true, counters);
    }

    fn say_failed(&self, error: &Unanswered, others_answer: bool, counters: &FleetCounters) {
        let mut said = self.said();
        counters.reach(false);
        if others_answer {
            said.quiet_since = Some(Instant::now());
        }
        if is_due(said.failure) {
            said.failure = Some(Instant::now());
            tracing::error!(
                error = explain(error),
                servers = %self.servers,
                "the store of the fleet does not answer: limits across gateways do not hold, and this gateway \
                 goes on as `fleet.unreachable` says; tried again until it does"
            );
        }
    }

    /// What one limit is called there is something else.
    pub(super) fn cannot_ask(&self, limit: &str, error: &Unanswered) {
        let mut said = self.said();
        if is_due(said.limit) {
            said.limit = Some(Instant::now());
            tracing::error!(
                limit,
                error = explain(error),
                "a limit across gateways does not hold: what the store of the fleet has under its name is not \
                 this limit; remove it there, or give the fleet another name"
            );
        }
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_due(said: Option<Instant>) -> bool {
    said.is_none_or(|said| said.elapsed() >= REMIND_EVERY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::WithoutStore;
    use crate::store::fleet::tests::model;

    fn refusal() -> Unanswered {
        let error = (redis::ErrorKind::Extension, "NOREPLICAS");
        Unanswered::Redis(error.into())
    }

    #[test]
    fn servers_of_which_some_refuse_are_not_said_to_answer() {
        let voice = Voice::new(&model(WithoutStore::Share).redis);
        let counters = FleetCounters::default();
        let is_reached = || counters.figures().is_reached;
        voice.answered(&counters);
        assert!(is_reached());
        voice.failed(&refusal(), &counters);
        assert!(!is_reached());
        // Another one goes on to answer.
        voice.answered(&counters);
        assert!(!is_reached());
        voice.answered_at(Instant::now() + QUIET, &counters);
        assert!(is_reached());
        voice.failed_in_part(&Unanswered::NoConnection, &counters);
        voice.answered(&counters);
        assert!(!is_reached());
        voice.answered_at(Instant::now() + QUIET, &counters);
        assert!(is_reached());
        // A connection that breaks and is made again is another matter.
        voice.failed(&Unanswered::NoConnection, &counters);
        assert!(!is_reached());
        voice.answered(&counters);
        assert!(is_reached());
    }
}
