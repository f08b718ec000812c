//! The control thread.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, interval};

use super::admin::{self, Cause, Reached, ReloadRequest};
use super::attack::AttackSwitch;
use super::credentials::CredentialTasks;
use super::figures::Reloads;
use super::fleet::FleetThread;
use super::ground::Sockets;
use super::keys::KeyTasks;
use super::listeners::{Environment, Listeners, Prepared};
use super::lists::Keeper;
use super::lock::InstanceLock;
use super::metrics_page;
use super::names::CurrentNames;
use super::options::Options;
use super::reload::Reloaded;
use super::settling;
use super::usage::UsageWriter;
use super::worker::Shared;
use crate::config::Configuration;
use crate::model::Gateway;
use crate::snapshot::Compiler;
use crate::store::api_key::ApiKeyStore;
use crate::store::deployment::DeploymentStore;
use crate::store::list::Lists;
use crate::store::usage::Usage;
use crate::telemetry::access_log::{Reopener, Writer};
use crate::telemetry::logs::Logs;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::operator_log::explain;
use crate::xdp::EdgeHandle;

/// Reloads that may wait; further peers wait to ask.
const RELOADS_MAX: usize = 4;
/// How often workers, and what is left to be put right, are looked after.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// The running gateway, seen from its control thread.
#[derive(Debug)]
pub(super) struct Control {
    /// Held to the end: no second gateway of this instance.
    pub(super) lock: InstanceLock,
    pub(super) options: Options,
    /// What the file said when it was last read.
    pub(super) configuration: Arc<ArcSwap<Configuration>>,
    /// What it means with the deployments that stages serve.
    pub(super) model: Gateway,
    pub(super) shared: Shared,
    pub(super) compiler: Arc<Compiler>,
    pub(super) listeners: Listeners,
    /// The first listeners, until they are in use.
    pub(super) prepared: Option<Prepared>,
    pub(super) around: Environment,
    pub(super) keys: KeyTasks,
    pub(super) credentials: CredentialTasks,
    pub(super) edge: Option<Box<EdgeHandle>>,
    pub(super) attack: Option<AttackSwitch>,
    pub(super) lists: Lists,
    pub(super) deployments: DeploymentStore,
    pub(super) api_keys: ApiKeyStore,
    pub(super) list_keeper: Keeper,
    pub(super) usage: Usage,
    pub(super) usage_writer: UsageWriter,
    pub(super) fleet_thread: FleetThread,
    pub(super) metrics: Arc<Metrics>,
    pub(super) reloads: Arc<Reloads>,
    pub(super) names: CurrentNames,
    pub(super) reopener: Logs<Reopener>,
    pub(super) logs: Logs<Writer>,
    pub(super) sockets: Option<Sockets>,
    pub(super) drain_deadline: watch::Sender<Option<Instant>>,
}

/// The signals that mean something.
#[derive(Debug)]
pub(super) struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes them over; must be called within a runtime.
    pub(super) fn install() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Event {
        tokio::select! {
            _ = self.terminate.recv() => Event::Stop(SIGTERM),
            _ = self.interrupt.recv() => Event::Stop(SIGINT),
            _ = self.hangup.recv() => Event::Reload,
        }
    }

    /// The next one that stops the gateway.
    ///
    /// # Cancel safety
    /// Safe: a signal that has not been returned is the next one.
    pub(super) async fn stop(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => SIGTERM,
            _ = self.interrupt.recv() => SIGINT,
        }
    }
}

const SIGTERM: &str = "SIGTERM";
const SIGINT: &str = "SIGINT";

enum Event {
    Stop(&'static str),
    Reload,
}

fn tell_of_stop(signal: &'static str) {
    tracing::info!(signal, "stopping: no new connections");
}

impl Control {
    /// Serves until a signal says otherwise, then drains.
    pub(super) async fn run(mut self, mut signals: Signals) -> anyhow::Result<()> {
        let (reload_requests, mut requested) = mpsc::channel::<ReloadRequest>(RELOADS_MAX);
        let snapshot = self.shared.snapshot.load_full();
        let ask_others = async {
            self.keys.start(&snapshot).await;
            self.credentials.start(&snapshot).await;
        };
        tokio::select! {
            () = ask_others => {}
            signal = signals.stop() => {
                tell_of_stop(signal);
                self.close(&mut signals).await;
                return Ok(());
            }
        }
        self.open(snapshot.generation, reload_requests).await?;
        let mut housekeeping = interval(HOUSEKEEPING);
        let outcome = loop {
            tokio::select! {
                event = signals.next() => match event {
                    Event::Stop(signal) => {
                        tell_of_stop(signal);
                        break Ok(());
                    }
                    Event::Reload => match self.reload(Cause::Asked, &mut signals).await {
                        // The outcome is in the log and in the metrics.
                        Reloaded::Ended(_) => {}
                        Reloaded::Abandoned(signal) => {
                            tell_of_stop(signal);
                            break Ok(());
                        }
                    },
                },
                Some(request) = requested.recv() => {
                    match self.reload(request.cause, &mut signals).await {
                        Reloaded::Ended(outcome) => if request.reply.send(outcome).is_err() {
                            tracing::debug!("whoever asked for the reload has left");
                        },
                        // Who asked is told so, because nobody is left to answer.
                        Reloaded::Abandoned(signal) => {
                            tell_of_stop(signal);
                            break Ok(());
                        }
                    }
                }
                _ = housekeeping.tick() => {
                    if self.around.workers.iter().any(|worker| worker.thread.is_finished()) {
                        break Err(anyhow::anyhow!("a worker thread died"));
                    }
                    if self.list_keeper.has_died() {
                        break Err(anyhow::anyhow!("the thread that keeps the lists died"));
                    }
                    if self.usage_writer.has_died() {
                        break Err(anyhow::anyhow!("the thread that writes usage died"));
                    }
                    if self.fleet_thread.has_died() {
                        break Err(anyhow::anyhow!("the thread that asks for limits of the fleet died"));
                    }
                }
            }
        };
        self.close(&mut signals).await;
        outcome
    }

    /// Opens the doors, once there are keys.
    async fn open(
        &mut self,
        generation: u64,
        reload_requests: mpsc::Sender<ReloadRequest>,
    ) -> anyhow::Result<()> {
        if let Some(sockets) = self.sockets.take() {
            let socket = UnixListener::from_std(sockets.admin)?;
            let serving = admin::serve(
                socket,
                sockets.allowed,
                Reached {
                    lists: self.lists.clone(),
                    decisions: Arc::clone(self.compiler.decisions()),
                    deployments: self.deployments.clone(),
                    usage: self.usage.clone(),
                    fleet: self.compiler.slots().fleet().clone(),
                    api_keys: self.api_keys.clone(),
                    rings: self.shared.rings.clone(),
                    offences: self.shared.offences.clone(),
                    throttled: Arc::clone(&self.shared.throttled),
                    snapshot: Arc::clone(&self.shared.snapshot),
                    config: self.options.config.clone(),
                    configuration: Arc::clone(&self.configuration),
                    attack: self.attack.clone(),
                    buckets: self.shared.buckets.clone(),
                    body_budget: self.shared.body_budget.clone(),
                    recent: Arc::clone(&self.shared.recent),
                    reloads: reload_requests,
                },
            );
            drop(tokio::task::spawn_local(serving));
            if let Some(socket) = sockets.metrics {
                let serving =
                    metrics_page::serve(TcpListener::from_std(socket)?, Arc::clone(&self.metrics));
                drop(tokio::task::spawn_local(serving));
            }
        }
        if let Some(edge) = &self.edge {
            let follower = edge.address_follower();
            drop(tokio::task::spawn_local(async move {
                let Err(error) = follower.run().await;
                tracing::error!(
                    error = explain(&error),
                    "the host's addresses are not followed any more; the kernel keeps the ones it knows"
                );
            }));
        }
        if let Some(attack) = &self.attack {
            drop(tokio::task::spawn_local(attack.clone().watch()));
        }
        let settling = settling::keep_settled(self.deployments.clone(), HOUSEKEEPING);
        drop(tokio::task::spawn_local(settling));
        let settling = settling::keep_settled(self.api_keys.clone(), HOUSEKEEPING);
        drop(tokio::task::spawn_local(settling));
        if let Some(prepared) = self.prepared.take() {
            self.listeners
                .apply(prepared, &self.model, &self.around)
                .await;
        }
        self.compiler.slots().free_unused();
        tracing::info!(
            instance = %self.model.instance,
            workers = self.around.workers.len(),
            generation,
            "ready"
        );
        Ok(())
    }

    /// Stops accepting, waits for what is open within the drain time-out, and leaves. A second
    /// signal cuts the wait short.
    async fn close(mut self, signals: &mut Signals) {
        self.compiler.slots().keep_all();
        let deadline = Instant::now() + self.model.drain_timeout;
        self.listeners.stop();
        self.drain_deadline.send_replace(Some(deadline));
        let mut poll = interval(Duration::from_millis(10));
        while self
            .around
            .workers
            .iter()
            .any(|worker| !worker.thread.is_finished())
        {
            tokio::select! {
                _ = poll.tick() => {}
                event = signals.next() => if let Event::Stop(signal) = event {
                    tracing::warn!(signal, "stopping at once: connections are cut");
                    self.drain_deadline.send_replace(Some(Instant::now()));
                },
            }
        }
        for worker in self.around.workers.drain(..) {
            if worker.thread.join().is_err() {
                tracing::error!("a worker thread had died");
            }
        }
        if let Err(error) = std::fs::remove_file(&self.model.admin.socket) {
            tracing::debug!(%error, "admin socket stays behind");
        }
        // Not behind what waits for disks: what stays attached would go on judging.
        if let Some(edge) = self.edge.take() {
            let on_exit = self.model.edge.on_exit;
            match edge.shutdown(on_exit) {
                Ok(()) => tracing::info!(?on_exit, "kernel edge left"),
                Err(error) => tracing::error!(error = explain(&error), "kernel edge"),
            }
        }
        self.fleet_thread.stop();
        self.list_keeper.stop();
        self.usage_writer.stop();
        settling::settle_before_the_end(self.deployments).await;
        settling::settle_before_the_end(self.api_keys).await;
        self.logs.stop().await;
        drop(self.lock);
        tracing::info!("stopped");
    }
}
