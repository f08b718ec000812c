//! Starting, in the one order that works.
//!
//! Sockets are bound and the kernel edge is loaded while the process still has its rights; then the
//! rights go, before any thread exists, because they belong to threads; then threads are started.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::time::Instant;

use super::attack::AttackSwitch;
use super::control::{Control, Signals};
use super::credentials::CredentialTasks;
use super::deployments::{self, PlanError, Planned};
use super::figures::{self, Reloads, Sources};
use super::fleet::FleetThread;
use super::ground::{Footing, Ground};
use super::keys::KeyTasks;
use super::listeners::{Environment, Listeners};
use super::lists::Keeper;
use super::names::CurrentNames;
use super::options::Options;
use super::usage::UsageWriter;
use super::worker::{self, Shared};
use crate::body::BodyBudget;
use crate::clock;
use crate::config::{self, Configuration};
use crate::exchange::Reason;
use crate::model::Gateway;
use crate::snapshot::{Compiler, Snapshot, slot_tags};
use crate::store::bucket::Buckets;
use crate::store::connection::SourceRules;
use crate::store::coverage::Coverage;
use crate::store::decision::Decisions;
use crate::store::deployment::{DeploymentStore, Ledger};
use crate::store::fleet::{Fleet, Lender};
use crate::store::key_ring::{self, KeyRings};
use crate::store::lease::SlotRegistry;
use crate::store::list::Lists;
use crate::store::offence::Offences;
use crate::telemetry::access_log::Writer;
use crate::telemetry::logs::Logs;
use crate::telemetry::metrics::WorkerMetrics;
use crate::telemetry::recent::Recent;
use crate::xdp::EdgeHandle;
use crate::xdp::stats::StatisticsReader;

/// The gateway did not start, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is not usable; every error, one per line.
    #[error("{0}")]
    Config(config::Report),
    /// Something it needs could not be had.
    #[error(transparent)]
    Setup(#[from] anyhow::Error),
}

/// Runs the gateway until it is told to stop. Blocks; must be called from a process that has no
/// other threads.
///
/// # Errors
/// See [`StartError`].
pub fn run(options: Options) -> Result<(), StartError> {
    let configuration = config::open(&options.config).map_err(StartError::Config)?;
    let mut settings = configuration.gateway().clone();
    options.apply_to(&mut settings);

    // A runtime without threads: those would keep rights that are given up below. Its handlers
    // are in place before anything is attached that a signal would leave behind.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("control runtime")?;
    let signals = {
        let _context = runtime.enter();
        Signals::install().context("signal handlers")?
    };

    let footing = Footing::take(&settings)?;
    let (model, ledger) = plan(&configuration, &footing.deployments, &options)?;
    let ground = Ground::take(footing, &model)?;
    // Key files and certificates of authorizers and upstreams may be readable for root only.
    let decisions = Decisions::new(model.decision_bytes_max);
    let (fleet, lender) = Fleet::new(random()?);
    fleet.put_in_force(model.fleet.as_ref());
    let slots = SlotRegistry::in_fleet(ground.buckets.clone(), fleet);
    let slots = Arc::new(slots);
    let keys = ground.api_keys.keys();
    let mut tags = slot_tags(&model);
    tags.extend(key_ring::slot_tags(&keys.all(), &model.usage_plans));
    let freed = slots.retain(&tags);
    if freed > 0 {
        tracing::info!(
            freed,
            "slots of routes and API keys that are gone were freed"
        );
    }
    let rings = KeyRings::new(keys.clone(), ground.usage.clone(), Arc::clone(&slots));
    let compiler = Compiler::new(slots, decisions);
    let snapshot = compiler
        .compile(&model, None)
        .map_err(anyhow::Error::from)?;
    let ring = rings.prepare(&model.usage_plans);
    let ring = ring.map_err(anyhow::Error::from)?;
    configuration.settle(&model);
    let deployments = &ground.deployments;
    deployments.write(&ledger).map_err(anyhow::Error::from)?;
    let now_ns = clock::monotonic_ns();
    snapshot.put_limits_in_force(&ground.buckets, now_ns);
    rings.install(ring, now_ns).map_err(anyhow::Error::from)?;
    ground.give_up_rights(&model)?;

    let configured = Configured {
        options,
        configuration,
        model,
    };
    let control = assemble(configured, ground, compiler, (snapshot, rings), lender)?;
    let tasks = tokio::task::LocalSet::new();
    let outcome = tasks.block_on(&runtime, control.run(signals));
    drop(tasks);
    // What an abandoned reload still reads cannot be ended; whoever stops the gateway does not wait.
    runtime.shutdown_timeout(ABANDONED_WORK_MAX);
    Ok(outcome?)
}

/// Time that work on other threads has to end once the gateway has stopped.
const ABANDONED_WORK_MAX: Duration = Duration::from_secs(5);

/// What the gateway is, with the deployments that its stages serve, and what will be known of those.
fn plan(
    configuration: &Configuration,
    store: &DeploymentStore,
    options: &Options,
) -> Result<(Gateway, Ledger), StartError> {
    let Planned { ledger, loaded } = match deployments::plan(store, configuration, None) {
        Ok(planned) => planned,
        Err(PlanError::Config(report)) => return Err(StartError::Config(report)),
        Err(error) => return Err(StartError::Setup(error.into())),
    };
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    for note in ledger.notes() {
        tracing::info!("{note}");
    }
    let mut model = loaded.gateway;
    options.apply_to(&mut model);
    Ok((model, ledger))
}

/// What the gateway was told to be.
struct Configured {
    options: Options,
    configuration: Configuration,
    model: Gateway,
}

/// Starts the threads and hands everything to the control thread, which is this one.
fn assemble(
    Configured {
        options,
        configuration,
        model,
    }: Configured,
    ground: Ground,
    compiler: Compiler,
    (snapshot, rings): (Snapshot, KeyRings),
    lender: Lender,
) -> anyhow::Result<Control> {
    let Ground {
        lock,
        listeners,
        edge,
        buckets,
        lists,
        deployments,
        usage,
        api_keys,
        sockets,
        logs,
        ..
    } = ground;
    let logs = logs.start()?;
    let attack = edge.get().map(|edge| attack_switch(edge, &model));
    let (shared, drain_deadline) = share(&model, (snapshot, rings), &buckets, edge.get());
    let (counters, workers) = start_workers(model.workers.get(), &shared, &logs)?;
    let reloads = Arc::new(Reloads::default());
    let statistics = edge.get().map(|edge| edge.statistics());
    let names = names_now(&model, &shared.rings, &lists, statistics.as_ref());
    let sources = Sources {
        snapshot: Arc::clone(&shared.snapshot),
        decisions: Arc::clone(compiler.decisions()),
        buckets,
        body_budget: shared.body_budget.clone(),
        logs_dropped: logs.dropped(),
        reloads: Arc::clone(&reloads),
        edge: statistics,
        lists: lists.clone(),
        names: names.clone(),
        attack: attack.clone(),
        vouched: shared.vouched.clone(),
        penalties: edge.get().map(|edge| edge.penalties()),
        offences: shared.offences.clone(),
        usage: usage.clone(),
        fleet: compiler.slots().fleet().clone(),
    };
    Ok(Control {
        lock,
        options,
        around: Environment {
            rules: source_rules(lists.clone(), edge.get(), &shared),
            workers,
        },
        shared,
        compiler: Arc::new(compiler),
        listeners: Listeners::default(),
        prepared: Some(listeners),
        keys: KeyTasks::default(),
        credentials: CredentialTasks::default(),
        edge: edge.settle(),
        attack,
        list_keeper: Keeper::start(&lists, names.clone(), sources.edge.clone())
            .context("list thread")?,
        lists,
        deployments,
        usage_writer: UsageWriter::start(&usage).context("usage thread")?,
        fleet_thread: FleetThread::start(lender).context("fleet thread")?,
        usage,
        api_keys,
        configuration: Arc::new(ArcSwap::from_pointee(configuration)),
        metrics: Arc::new(figures::metrics(counters, &sources)),
        reloads,
        names,
        reopener: logs.reopener(),
        logs,
        sockets: Some(sockets),
        drain_deadline,
        model,
    })
}

/// What says whether there is an attack.
fn attack_switch(edge: &EdgeHandle, model: &Gateway) -> AttackSwitch {
    AttackSwitch::new(edge.control(), edge.syns(), &model.edge.under_attack)
}

/// What everything that is counted is called from here on.
fn names_now(
    model: &Gateway,
    rings: &KeyRings,
    lists: &Lists,
    statistics: Option<&StatisticsReader>,
) -> CurrentNames {
    let names = CurrentNames::of_last_run(&model.runtime_directory, rings.clone());
    names.replace(model, lists, statistics);
    names
}

/// What all workers share, and the end of their time.
fn share(
    model: &Gateway,
    (snapshot, rings): (Snapshot, KeyRings),
    buckets: &Buckets,
    edge: Option<&EdgeHandle>,
) -> (Shared, watch::Sender<Option<Instant>>) {
    let (drain_deadline, deadline) = watch::channel(None);
    let shared = Shared {
        snapshot: Arc::new(ArcSwap::from_pointee(snapshot)),
        buckets: buckets.clone(),
        rings,
        offences: Offences::default(),
        penalties: edge.map(|edge| edge.penalties()),
        throttled: Arc::default(),
        vouched: edge.map(|edge| edge.vouched()),
        body_budget: BodyBudget::new(model.body_memory_bytes_max),
        recent: Recent::new(model.telemetry.recent_requests),
        drain_deadline: deadline,
    };
    (shared, drain_deadline)
}

/// Starts the threads that serve, each with its counters.
fn start_workers(
    count: usize,
    shared: &Shared,
    logs: &Logs<Writer>,
) -> anyhow::Result<(Vec<Arc<WorkerMetrics>>, Vec<worker::Handle>)> {
    let counters: Vec<Arc<WorkerMetrics>> = (0..count)
        .map(|number| Arc::new(WorkerMetrics::new(number, Reason::NAMES.len())))
        .collect();
    let mut workers = Vec::with_capacity(count);
    for (number, metrics) in counters.iter().enumerate() {
        let seed = random()?;
        let worker = worker::start(number, shared.clone(), logs, Arc::clone(metrics), seed);
        workers.push(worker.context("worker thread")?);
    }
    Ok((counters, workers))
}

/// What accept asks of sources, whoever else judges.
fn source_rules(lists: Lists, edge: Option<&EdgeHandle>, shared: &Shared) -> Arc<SourceRules> {
    Arc::new(SourceRules {
        lists,
        buckets: shared.buckets.clone(),
        offences: shared.offences.clone(),
        coverage: edge.map_or_else(Coverage::default, EdgeHandle::coverage),
    })
}

fn random() -> anyhow::Result<u64> {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_unspecified| anyhow::anyhow!("no randomness"))?;
    Ok(u64::from_ne_bytes(bytes))
}
