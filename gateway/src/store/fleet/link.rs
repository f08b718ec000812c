//! The connection to Redis, however its servers belong together.

use std::time::Duration;

use redis::{Value, cmd};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::connector::{Connector, Way};
use super::counters::FleetCounters;
use super::question::{Answer, Asker, Question, Scripts};
use crate::model::Redis;
use crate::telemetry::operator_log::explain;

/// Time between attempts to connect: it doubles from the first to the last.
const RECONNECT_MIN: Duration = Duration::from_millis(50);
const RECONNECT_MAX: Duration = Duration::from_secs(1);
/// How often a connection is looked after that nobody uses.
const PING_EVERY: Duration = Duration::from_secs(1);
/// How often it is said again that there is none.
const REMIND_EVERY: Duration = Duration::from_secs(60);

/// Why a question was not answered.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    /// There is no connection.
    #[error("no connection")]
    NoConnection,
    /// It took too long.
    #[error("no answer within {0:?}")]
    TooLate(Duration),
    /// Redis, or the way to it.
    #[error(transparent)]
    Redis(#[from] redis::RedisError),
}

/// A connection that is made anew whenever it breaks.
#[derive(Debug)]
pub(super) struct Link {
    state: watch::Sender<State>,
    scripts: Scripts,
}

#[derive(Clone, Debug)]
enum State {
    /// Nothing is known yet.
    Connecting,
    Up(Connection),
    Down,
}

/// A connection, and which one it is.
#[derive(Clone, Debug)]
struct Connection {
    number: u64,
    way: Way,
}

impl Link {
    pub(super) fn new() -> Self {
        Self {
            state: watch::Sender::new(State::Connecting),
            scripts: Scripts::new(),
        }
    }

    /// Asks. Whoever comes while the first connection is made waits for that; later there is one, or there is
    /// not.
    pub(super) async fn ask(
        &self,
        asker: &Asker,
        question: &Question,
        within: Duration,
    ) -> Result<Answer, Unanswered> {
        let mut followed = self.state.subscribe();
        let state = followed.wait_for(|state| !matches!(state, State::Connecting));
        let state = state
            .await
            .map_err(|_gone| Unanswered::NoConnection)?
            .clone();
        let State::Up(Connection { number, mut way }) = state else {
            return Err(Unanswered::NoConnection);
        };
        let asked = self.scripts.invocation(asker, question);
        let answer = timeout(within, asked.invoke_async::<Value>(&mut way)).await;
        let answer = match answer {
            Ok(answer) => answer.map_err(Unanswered::Redis),
            Err(_elapsed) => Err(Unanswered::TooLate(within)),
        };
        let answer = answer.and_then(|value| {
            let read = Answer::read(&value, &question.terms);
            read.map_err(|error| Unanswered::Redis(error.into()))
        });
        // A cluster's client keeps its connections by itself, and what one node cannot do another may.
        if let (Err(error), Way::Server(_)) = (&answer, &way) {
            self.broke(number, error);
        }
        answer
    }

    /// Keeps a connection to these servers, until it is dropped.
    pub(super) async fn keep(&self, redis: &Redis, within: Duration, counters: &FleetCounters) {
        let (mut number, mut pause) = (0_u64, RECONNECT_MIN);
        let mut said: Option<tokio::time::Instant> = None;
        let mut connector = Connector::new(redis, within);
        loop {
            number += 1;
            let made = match &mut connector {
                Ok(connector) => connector.connect(within).await,
                Err(error) => Err(Unanswered::Redis(error.clone())),
            };
            match made {
                Ok(way) => {
                    counters.reach(true);
                    if said.take().is_some() {
                        tracing::warn!(
                            "the store of the fleet answers again: limits across gateways hold again"
                        );
                    } else {
                        tracing::info!(servers = %named(redis), "the store of the fleet answers");
                    }
                    pause = RECONNECT_MIN;
                    self.state.send_replace(State::Up(Connection {
                        number,
                        way: way.clone(),
                    }));
                    self.watch(number, way, within).await;
                    counters.reach(false);
                }
                Err(error) => {
                    counters.reach(false);
                    self.state.send_replace(State::Down);
                    if said.is_none_or(|said| said.elapsed() >= REMIND_EVERY) {
                        said = Some(tokio::time::Instant::now());
                        tracing::error!(
                            error = explain(&error),
                            servers = %named(redis),
                            "the store of the fleet does not answer: limits across gateways do not hold, and \
                             this gateway goes on as `fleet.unreachable` says; tried again until it does"
                        );
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(RECONNECT_MAX);
                }
            }
        }
    }

    /// Waits until connection `number` has broken.
    async fn watch(&self, number: u64, mut way: Way, within: Duration) {
        let mut followed = self.state.subscribe();
        let mut every = tokio::time::interval(PING_EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                broken = followed.wait_for(|state| !is_up(state, number)) => {
                    drop(broken);
                    return;
                }
                _ = every.tick(), if matches!(way, Way::Server(_)) => {
                    let ping = cmd("PING");
                    let ping = ping.query_async::<Value>(&mut way);
                    let error = match timeout(within, ping).await {
                        Ok(Ok(_pong)) => continue,
                        Ok(Err(error)) => Unanswered::Redis(error),
                        Err(_elapsed) => Unanswered::TooLate(within),
                    };
                    self.broke(number, &error);
                }
            }
        }
    }

    fn broke(&self, number: u64, error: &Unanswered) {
        let broke = self.state.send_if_modified(|state| {
            let was_up = is_up(state, number);
            if was_up {
                *state = State::Down;
            }
            was_up
        });
        if broke {
            tracing::error!(
                error = explain(error),
                "the store of the fleet has failed: until it answers again this gateway goes on as \
                 `fleet.unreachable` says"
            );
        }
    }
}

const fn is_up(state: &State, wanted: u64) -> bool {
    matches!(state, State::Up(Connection { number, .. }) if *number == wanted)
}

fn named(redis: &Redis) -> String {
    let servers = redis.servers.iter().map(ToString::to_string);
    servers.collect::<Vec<_>>().join(", ")
}
