//! The connection to Redis, however its servers belong together.

use std::time::Duration;

use redis::{Value, cmd};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::connector::{Connector, Way};
use super::counters::FleetCounters;
use super::question::{Answer, Asker, Question, Scripts};
use super::voice::Voice;
use crate::model::Redis;

/// Time between attempts to connect: it doubles from the first to the last.
const RECONNECT_MIN: Duration = Duration::from_millis(50);
const RECONNECT_MAX: Duration = Duration::from_secs(1);
/// How often a connection is looked after that nobody uses.
const PING_EVERY: Duration = Duration::from_secs(1);

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

impl Unanswered {
    /// Whether a server was there and would not do it.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Self::NoConnection | Self::TooLate(_) => false,
            Self::Redis(error) => {
                let is_broken = error.is_io_error() || error.is_connection_dropped();
                !is_broken && !error.is_timeout()
            }
        }
    }

    /// Whether it says nothing of any other limit: what stands under the name of this one was put there by
    /// somebody else.
    fn is_of_one_limit(&self) -> bool {
        use redis::ErrorKind::{Parse, UnexpectedReturnType};
        match self {
            Self::NoConnection | Self::TooLate(_) => false,
            Self::Redis(error) => {
                error.code() == Some("WRONGTYPE")
                    || matches!(error.kind(), Parse | UnexpectedReturnType)
            }
        }
    }
}

/// A connection that is made anew whenever it breaks.
#[derive(Debug)]
pub(super) struct Link {
    state: watch::Sender<State>,
    scripts: Scripts,
    voice: Voice,
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
    /// To these servers, before there is one.
    pub(super) fn new(redis: &Redis) -> Self {
        Self {
            state: watch::Sender::new(State::Connecting),
            scripts: Scripts::new(),
            voice: Voice::new(redis),
        }
    }

    /// Whether there is one now.
    pub(super) fn is_up(&self) -> bool {
        matches!(*self.state.borrow(), State::Up(_))
    }

    /// Asks. Whoever comes while the first connection is made waits for that, as long as for an answer; later
    /// there is one, or there is not.
    pub(super) async fn ask(
        &self,
        asker: &Asker,
        question: &Question,
        (within, counters): (Duration, &FleetCounters),
    ) -> Result<Answer, Unanswered> {
        let mut followed = self.state.subscribe();
        let state = followed.wait_for(|state| !matches!(state, State::Connecting));
        let state = timeout(within, state).await;
        let state = state
            .map_err(|_elapsed| Unanswered::NoConnection)?
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
            let read = Answer::read(&value);
            read.map_err(|error| Unanswered::Redis(error.into()))
        });
        match (&answer, &way) {
            (Ok(_), _) => self.voice.answered(counters),
            (Err(error), _) if error.is_of_one_limit() => {
                self.voice.cannot_ask(&question.name, error);
            }
            (Err(error), Way::Server(_)) => self.broke(number, error, counters),
            // A cluster's client keeps its connections by itself, and what one node cannot do another may.
            (Err(error), Way::Cluster(_)) => self.voice.failed_in_part(error, counters),
        }
        answer
    }

    /// Keeps a connection to these servers, until it is dropped.
    pub(super) async fn keep(&self, redis: &Redis, within: Duration, counters: &FleetCounters) {
        let (mut number, mut pause) = (0_u64, RECONNECT_MIN);
        let mut connector = Connector::new(redis, within);
        loop {
            number += 1;
            let made = match &mut connector {
                Ok(connector) => connector.connect(within).await,
                Err(error) => Err(Unanswered::Redis(error.clone())),
            };
            match made {
                Ok(way) => {
                    let began = Instant::now();
                    if matches!(way, Way::Cluster(_)) {
                        self.voice.answered(counters);
                    }
                    self.state.send_replace(State::Up(Connection {
                        number,
                        way: way.clone(),
                    }));
                    self.watch(number, way, (within, counters)).await;
                    // A server that takes connections, and breaks each of them or refuses everything, is asked
                    // no faster for it.
                    if began.elapsed() >= RECONNECT_MAX {
                        pause = RECONNECT_MIN;
                    }
                }
                Err(error) => {
                    self.state.send_replace(State::Down);
                    self.voice.failed(&error, counters);
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(RECONNECT_MAX);
        }
    }

    /// Waits until connection `number` has broken.
    async fn watch(
        &self,
        number: u64,
        mut way: Way,
        (within, counters): (Duration, &FleetCounters),
    ) {
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
                        Ok(Ok(_pong)) => {
                            self.voice.answered(counters);
                            continue;
                        }
                        Ok(Err(error)) => Unanswered::Redis(error),
                        Err(_elapsed) => Unanswered::TooLate(within),
                    };
                    self.broke(number, &error, counters);
                }
            }
        }
    }

    fn broke(&self, number: u64, error: &Unanswered, counters: &FleetCounters) {
        let broke = self.state.send_if_modified(|state| {
            let was_up = is_up(state, number);
            if was_up {
                *state = State::Down;
            }
            was_up
        });
        if broke {
            self.voice.failed(error, counters);
        }
    }
}

const fn is_up(state: &State, wanted: u64) -> bool {
    matches!(state, State::Up(Connection { number, .. }) if *number == wanted)
}
