//! Reading the configuration again: all of it takes effect, or nothing.
//!
//! First everything that can fail is done beside the running gateway: the file is read, snapshots
//! compiled, certificates read, sockets bound, keys fetched. Then everything changes at once, and
//! nothing of that can fail. Kernel maps follow; what fails there is reported and does not undo the
//! rest.
//!
//! There is one reload at a time. What takes long of the first part, reading and compiling a large
//! configuration or waiting for an issuer's keys, is not done on the control thread, and whoever stops
//! the gateway does not wait for it; nothing has changed by then.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::admin::{Applied, Cause};
use super::control::{Control, Signals};
use super::deployments::{self, Planned};
use super::ground::{bound, destinations, warn_of_obstacles};
use super::listeners::Prepared;
use super::lists::{blocking, wanted};
use crate::clock;
use crate::config::{self, Configuration, Diagnostic};
use crate::model::Gateway;
use crate::snapshot::Snapshot;
use crate::store::deployment::Ledger;
use crate::store::key_ring::KeyRing;
use crate::store::list::Prepared as PreparedLists;
use crate::telemetry::access_log::Opened;
use crate::telemetry::logs::Logs;
use crate::telemetry::operator_log::explain;

/// Everything that a change needs, had while the gateway runs on as it is.
struct Ready {
    /// What the file says, or said when it was last read.
    configuration: Arc<Configuration>,
    /// What will be known of deployments.
    ledger: Ledger,
    model: Gateway,
    snapshot: Snapshot,
    ring: KeyRing,
    listeners: Prepared,
    lists: PreparedLists,
    logs: Logs<Opened>,
    /// What probably should change.
    warnings: Vec<Diagnostic>,
}

/// What became of a reload.
#[derive(Debug)]
pub(super) enum Reloaded {
    /// What to tell whoever asked.
    Ended(Result<String, String>),
    /// This signal stops the gateway, and nothing was changed.
    Abandoned(&'static str),
}

/// What is known once the configuration was read.
struct Read {
    configuration: Arc<Configuration>,
    planned: Planned,
}

impl Control {
    /// Reloads, reports to the log, and returns what to tell whoever asked.
    pub(super) async fn reload(&mut self, cause: Cause, signals: &mut Signals) -> Reloaded {
        let prepared = tokio::select! {
            prepared = self.prepare(&cause) => prepared,
            signal = signals.stop() => return Reloaded::Abandoned(signal),
        };
        let outcome = match prepared {
            // On the heap, because all that was read is in it.
            Ok(ready) => Box::pin(self.follow(ready, &cause)).await,
            Err(message) => Err(message),
        };
        match &outcome {
            Ok(message) => {
                self.reloads.succeeded.fetch_add(1, Ordering::Relaxed);
                tracing::info!("{message}");
            }
            Err(message) => {
                self.reloads.failed.fetch_add(1, Ordering::Relaxed);
                tracing::error!("reload refused, the running configuration stays: {message}");
            }
        }
        Reloaded::Ended(outcome)
    }

    /// Takes what is ready in force; returns what to say of it.
    async fn follow(&mut self, ready: Ready, cause: &Cause) -> Result<String, String> {
        let notes = ready.ledger.notes().join("; ");
        let (generation, lapses) = self.take_effect(ready, cause).await?;
        let mut message = match (cause, notes.as_str()) {
            (Cause::Ordered(_), notes) => format!("{notes}; generation {generation}"),
            (_, "") => format!("configuration reloaded, generation {generation}"),
            (_, notes) => format!("configuration reloaded, generation {generation}; {notes}"),
        };
        for lapse in lapses {
            tracing::error!("in force, but {lapse}");
            message.push_str("; ");
            message.push_str(&lapse);
        }
        Ok(message)
    }

    /// Does everything that can fail, beside the running gateway.
    ///
    /// # Cancel safety
    /// Safe: it is as if nobody had asked, but that keys may be fetched which nothing needs yet.
    async fn prepare(&mut self, cause: &Cause) -> Result<Ready, String> {
        if let Cause::Applied(applied) = cause {
            self.is_for_us(applied)?;
        }
        let Read {
            configuration,
            planned: Planned { ledger, loaded },
        } = self.read(cause).await?;
        let (mut model, warnings) = (loaded.gateway, loaded.warnings);
        self.options.apply_to(&mut model);
        restart_only(&self.model, &model, self.edge.is_some())?;
        self.edge_permits(&model)?;

        let compiler = Arc::clone(&self.compiler);
        let running = self.shared.snapshot.load_full();
        let rings = self.shared.rings.clone();
        let (model, snapshot, ring) = aside(move || {
            let snapshot = compiler.compile(&model, Some(&running));
            let snapshot = snapshot.map_err(|error| explain(&error))?;
            let ring = rings.prepare(&model.usage_plans);
            let ring = ring.map_err(|error| explain(&error))?;
            Ok((model, snapshot, ring))
        })
        .await?;
        let listeners = self
            .listeners
            .prepare(&model)
            .map_err(|error| explain(&error))?;
        let lists = blocking(self.lists.clone(), {
            let wanted = wanted(&model);
            move |lists| lists.prepare(&wanted)
        })
        .await?;
        let logs = destinations(&model.telemetry).open();
        let logs = logs.map_err(|error| explain(&error))?;
        self.keys.start(&snapshot).await;
        self.credentials.start(&snapshot).await;
        Ok(Ready {
            configuration,
            ledger,
            model,
            snapshot,
            ring,
            listeners,
            lists,
            logs,
            warnings,
        })
    }

    /// Reads the configuration, where the cause is about what the file says now, and plans what stages
    /// serve of it.
    async fn read(&self, cause: &Cause) -> Result<Read, String> {
        let ordered = match cause {
            Cause::Asked | Cause::Applied(_) => None,
            Cause::Ordered(ordered) => Some(ordered.clone()),
        };
        // A rollback must not wait for a file that somebody is changing to be right again.
        let reads_file = ordered.as_ref().is_none_or(|it| it.order.reads_file());
        let (path, store) = (self.options.config.clone(), self.deployments.clone());
        let known = self.configuration.load_full();
        aside(move || {
            let configuration = if reads_file {
                Arc::new(config::open(&path).map_err(|report| report.to_string())?)
            } else {
                known
            };
            let planned = deployments::plan(&store, &configuration, ordered.as_ref());
            Ok(Read {
                planned: planned.map_err(|error| explain(&error))?,
                configuration,
            })
        })
        .await
    }

    /// Changes everything at once; returns the generation, and what could not follow. Fails only
    /// where deployments cannot be written, and has changed nothing then.
    async fn take_effect(
        &mut self,
        ready: Ready,
        cause: &Cause,
    ) -> Result<(u64, Vec<String>), String> {
        let Ready {
            configuration,
            ledger,
            model,
            snapshot,
            ring,
            listeners,
            lists,
            logs,
            warnings,
        } = ready;
        let store = self.deployments.clone();
        let written = deployments::blocking(store, move |store| store.write(&ledger)).await;
        if let Err(error) = written {
            let running = self.shared.snapshot.load_full();
            self.keys.retain(&running);
            self.credentials.retain(&running);
            return Err(error);
        }

        // From here on nothing fails.
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        let snapshot = Arc::new(snapshot);
        let now_ns = clock::monotonic_ns();
        let fleet = self.compiler.slots().fleet();
        fleet.put_in_force(model.fleet.as_ref());
        // Right before the snapshot: no route asks for a key that the ring of its time does not know.
        let matched = self.shared.rings.install(ring, now_ns);
        self.shared.snapshot.store(Arc::clone(&snapshot));
        snapshot.put_limits_in_force(&self.shared.buckets, now_ns);
        self.keys.retain(&snapshot);
        self.credentials.retain(&snapshot);
        self.shared.body_budget.resize(model.body_memory_bytes_max);
        self.compiler.decisions().resize(model.decision_bytes_max);
        self.reopener.install(logs);
        let bound = bound(&model, &listeners.addresses);
        self.listeners.apply(listeners, &model, &self.around).await;
        let interfaces = match cause {
            Cause::Applied(applied) => &applied.interfaces,
            Cause::Asked | Cause::Ordered(_) => &model.edge.interfaces,
        };
        let followed = match &mut self.edge {
            Some(edge) => edge.apply_to(&bound, interfaces),
            None => Ok(()),
        };
        if let Some(attack) = &self.attack {
            attack.follow(&model.edge.under_attack);
            warn_of_obstacles(&model);
        }
        configuration.settle(&model);
        self.model = model;
        self.configuration.store(configuration);
        let matched = matched.map_err(|error| explain(&error));
        let followed = followed.map_err(|error| explain(&error));
        let parts = [("API keys", matched), ("kernel edge", followed)];
        let lapses = parts.into_iter().filter_map(|(part, outcome)| {
            let error = outcome.err()?;
            Some(format!("the {part} could not follow: {error}"))
        });
        let mut lapses: Vec<String> = lapses.collect();
        let installed = blocking(self.lists.clone(), |it| it.install_or_owe(lists));
        match installed.await {
            Ok(unsaved) => lapses.extend(unsaved.map(|unsaved| explain(&unsaved))),
            Err(error) => lapses.push(format!("the lists could not follow: {error}")),
        }
        let statistics = self.edge.as_ref().map(|edge| edge.statistics());
        self.names
            .replace(&self.model, &self.lists, statistics.as_ref());
        Ok((snapshot.generation, lapses))
    }

    /// Whether what was applied is what a reload is going to read.
    fn is_for_us(&self, applied: &Applied) -> Result<(), String> {
        let config = &self.options.config;
        let ours = std::fs::canonicalize(config)
            .map_err(|error| format!("cannot resolve `{}`: {error}", config.display()))?;
        if ours != applied.config {
            return Err(format!(
                "this gateway runs with `{}`: apply that file, or restart the gateway with the other",
                ours.display()
            ));
        }
        if !self.options.interfaces.is_empty() {
            return Err(
                "this gateway was started with --interface, which the file does not know: \
                 restart it instead"
                    .to_owned(),
            );
        }
        if self.edge.is_none() {
            return Err(
                "this gateway has started without a kernel edge: restart it as root".to_owned(),
            );
        }
        Ok(())
    }

    /// Refuses what would take privileges to attach, while nothing has changed yet.
    fn edge_permits(&mut self, model: &Gateway) -> Result<(), String> {
        match &mut self.edge {
            Some(edge) => edge.require(model).map_err(|error| explain(&error)),
            None => Ok(()),
        }
    }
}

/// Does what takes long on a thread that may block.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(died) => Err(format!("reload: {died}")),
    }
}

/// Refuses changes that only a restart can make, naming the settings. With a kernel edge its
/// interfaces are not among them: `gateway xdp apply` attaches.
fn restart_only(running: &Gateway, new: &Gateway, has_edge: bool) -> Result<(), String> {
    let settings = [
        ("instance", running.instance != new.instance),
        ("user", running.user != new.user),
        ("group", running.group != new.group),
        ("workers", running.workers != new.workers),
        (
            "runtime_directory",
            running.runtime_directory != new.runtime_directory,
        ),
        (
            "state_directory",
            running.state_directory != new.state_directory,
        ),
        (
            "buckets.throttles",
            running.buckets.throttles() != new.buckets.throttles(),
        ),
        (
            "buckets.callers",
            running.buckets.callers() != new.buckets.callers(),
        ),
        ("admin.socket", running.admin.socket != new.admin.socket),
        (
            "telemetry.metrics",
            running.telemetry.metrics != new.telemetry.metrics,
        ),
        (
            "telemetry.recent_requests",
            running.telemetry.recent_requests != new.telemetry.recent_requests,
        ),
        ("xdp.mode", running.edge.mode != new.edge.mode),
        ("xdp.on_exit", running.edge.on_exit != new.edge.on_exit),
        (
            "xdp.interfaces",
            !has_edge && running.edge.interfaces != new.edge.interfaces,
        ),
        (
            "xdp.attach",
            !has_edge && running.edge.attach != new.edge.attach,
        ),
    ];
    let changed: Vec<&str> = settings
        .iter()
        .filter(|(_, differs)| *differs)
        .map(|(name, _)| *name)
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{} can only change with a restart: stop the gateway and run `gateway run` again, as root \
         where the kernel edge changes; nothing was changed",
        changed.join(", ")
    ))
}
