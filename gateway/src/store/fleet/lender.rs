//! Whoever asks Redis, for all allowances of a gateway.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::QUESTIONS_MAX;
use super::allowance::{Allowance, Asked, Purpose};
use super::counters::{FleetCounters, one};
use super::link::{Link, Unanswered};
use super::question::Answer;
use super::roll::{Common, Fleet, Order, SetRefused};
use crate::clock;
use crate::model;

/// How often it is looked for what nobody uses.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked whether a question is over.
const TURN: Duration = Duration::from_millis(2);
/// How long it waits for one at most.
const TURN_MAX: Duration = Duration::from_secs(5);
/// Longest time that a stop waits until everything is given back.
const GIVE_BACK_MAX: Duration = Duration::from_secs(1);

/// Asks Redis for more where allowances need it, and gives back what they do not.
#[derive(Debug)]
pub struct Lender {
    fleet: Fleet,
    orders: mpsc::Receiver<Order>,
    servers: watch::Receiver<Option<model::Fleet>>,
}

impl Lender {
    pub(super) const fn new(
        fleet: Fleet,
        orders: mpsc::Receiver<Order>,
        servers: watch::Receiver<Option<model::Fleet>>,
    ) -> Self {
        Self {
            fleet,
            orders,
            servers,
        }
    }

    /// The allowance that is to be asked about next, if there is one.
    #[cfg(test)]
    pub(super) fn ordered(&mut self) -> Option<Arc<Allowance>> {
        match self.orders.try_recv().ok()? {
            Order::Ask(allowance) => Some(allowance),
            Order::SetRemaining { .. } => None,
        }
    }

    /// Asks until `stop` says something or nobody can say anything any more, then gives back what is left.
    pub async fn run(mut self, mut stop: oneshot::Receiver<()>) {
        loop {
            let servers = self.servers.borrow_and_update().clone();
            let is_over = match servers {
                Some(servers) => self.serve(&servers, &mut stop).await,
                None => self.wait(&mut stop).await,
            };
            // The next ones have to answer first.
            self.fleet.0.common.counters.reach(false);
            if is_over {
                return;
            }
        }
    }

    /// Waits for servers. Nobody asks for anything meanwhile but by a snapshot that goes.
    async fn wait(&mut self, stop: &mut oneshot::Receiver<()>) -> bool {
        loop {
            tokio::select! {
                _ = &mut *stop => return true,
                changed = self.servers.changed() => return changed.is_err(),
                Some(order) = self.orders.recv() => refuse(order),
            }
        }
    }

    /// Asks these servers until there are others or the gateway stops; whether it does.
    async fn serve(&mut self, servers: &model::Fleet, stop: &mut oneshot::Receiver<()>) -> bool {
        let link = Arc::new(Link::new(&servers.redis));
        let common = Arc::clone(&self.fleet.0.common);
        let keeping = link.keep(&servers.redis, servers.timeout, &common.counters);
        tokio::pin!(keeping);
        let mut sweep = interval(SWEEP_EVERY);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut under_way = JoinSet::new();
        loop {
            tokio::select! {
                _ = &mut *stop => {
                    let end = async {
                        while under_way.join_next().await.is_some() {}
                        give_back_all(&self.fleet, &common, &link).await;
                    };
                    tokio::select! {
                        ended = timeout(GIVE_BACK_MAX, end) => if ended.is_err() {
                            tracing::warn!("not everything was given back to the fleet");
                        },
                        () = &mut keeping => {}
                    }
                    return true;
                }
                changed = self.servers.changed() => {
                    // Each is answered, or not, in its time; and none is forgotten.
                    let settled = async { while under_way.join_next().await.is_some() {} };
                    tokio::select! {
                        () = settled => {}
                        () = &mut keeping => {}
                    }
                    return changed.is_err();
                }
                () = &mut keeping => return false,
                _ = sweep.tick() => {
                    let (idle_ns, now_ns) = (common.settings.load().idle_ns, clock::monotonic_ns());
                    let mut room = 0;
                    if link.is_up() {
                        self.fleet.tell(now_ns);
                        room = QUESTIONS_MAX.saturating_sub(under_way.len());
                    }
                    for allowance in self.fleet.idle(idle_ns, now_ns).into_iter().take(room) {
                        if allowance.begin() {
                            under_way.spawn(ask(Arc::clone(&common), Arc::clone(&link), allowance, Purpose::GiveBack));
                        }
                    }
                }
                Some(_) = under_way.join_next(), if !under_way.is_empty() => {}
                Some(order) = self.orders.recv(), if under_way.len() < QUESTIONS_MAX => {
                    let (common, link) = (Arc::clone(&common), Arc::clone(&link));
                    under_way.spawn(follow(common, link, order));
                }
            }
        }
    }
}

/// Does what is ordered.
async fn follow(common: Arc<Common>, link: Arc<Link>, order: Order) {
    match order {
        Order::Ask(allowance) => ask(common, link, allowance, Purpose::Refill).await,
        Order::SetRemaining {
            allowance,
            remaining,
            done,
        } => {
            // One question at a time: two would each say what was had before the other. Not for ever: one that is
            // ordered and not asked yet may be behind this one.
            let begins = async {
                while !allowance.begin() {
                    sleep(TURN).await;
                }
            };
            let outcome = match timeout(TURN_MAX, begins).await {
                Err(_elapsed) => Err(SetRefused::Busy),
                Ok(()) => {
                    let purpose = Purpose::SetRemaining(remaining);
                    let asked = allowance.question(purpose, clock::monotonic_ns());
                    let outcome = put(&common, &link, &allowance, &asked).await;
                    outcome.map_err(|error| SetRefused::NoAnswer(error.to_string()))
                }
            };
            // Whoever ordered it may have left.
            let _left = done.send(outcome);
        }
    }
}

async fn ask(common: Arc<Common>, link: Arc<Link>, allowance: Arc<Allowance>, purpose: Purpose) {
    let asked = allowance.question(purpose, clock::monotonic_ns());
    if let Err(error) = put(&common, &link, &allowance, &asked).await {
        tracing::debug!(limit = allowance.name(), %error, "the fleet was not asked");
    }
}

/// Puts a question, and has the allowance know what becomes of it.
async fn put(
    common: &Common,
    link: &Link,
    allowance: &Arc<Allowance>,
    asked: &Asked,
) -> Result<(), Unanswered> {
    let settings = common.settings.load_full();
    let within = (settings.timeout, &common.counters);
    let answer = link.ask(&settings.asker, &asked.question, within);
    let answer = answer.await;
    let now_ns = clock::monotonic_ns();
    let answer = answer.inspect_err(|_error| {
        one(&common.counters.failures);
        allowance.unanswered(now_ns);
    })?;
    one(&common.counters.answers);
    if let Answer::Given(given) = &answer
        && given.lost > 0
    {
        tracing::error!(
            limit = allowance.name(),
            requests = given.lost,
            "the store of the fleet had lost what this gateway had taken: it was taken again, and as much may \
             have been admitted beyond the limit"
        );
    }
    allowance.answered(asked, &answer, now_ns);
    Ok(())
}

async fn give_back_all(fleet: &Fleet, common: &Arc<Common>, link: &Arc<Link>) {
    let mut under_way = JoinSet::new();
    for allowance in fleet.idle(0, clock::monotonic_ns()) {
        if under_way.len() >= QUESTIONS_MAX {
            under_way.join_next().await;
        }
        if allowance.begin() {
            let (common, link) = (Arc::clone(common), Arc::clone(link));
            under_way.spawn(ask(common, link, allowance, Purpose::GiveBack));
        }
    }
    while under_way.join_next().await.is_some() {}
}

/// There is nobody to ask.
fn refuse(order: Order) {
    match order {
        Order::Ask(allowance) => allowance.unanswered(clock::monotonic_ns()),
        Order::SetRemaining { done, .. } => {
            let refused = SetRefused::NoAnswer(Unanswered::NoConnection.to_string());
            // Whoever ordered it may have left.
            let _left = done.send(Err(refused));
        }
    }
}

impl FleetCounters {
    pub(super) fn reach(&self, is_reached: bool) {
        self.is_reached.store(is_reached, Relaxed);
    }
}
