//! Starting, in the one order that works.
//!
//! Sockets are bound and the kernel edge is loaded while the process still has its rights; then the
//! rights go, before any thread exists, because they belong to threads; then logs are opened and
//! threads started.

use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::admin::{self, Allowed};
use super::control::{Control, Sockets};
use super::figures::{self, Reloads, Sources};
use super::keys::KeyTasks;
use super::listeners::Listeners;
use super::worker::{self, Shared};
use crate::body::BodyBudget;
use crate::config;
use crate::exchange::Reason;
use crate::listener::SharedTls;
use crate::model::{self, Edge, Gateway};
use crate::snapshot::Compiler;
use crate::step::authorize::Decisions;
use crate::store::bucket::{self, BootId, Buckets};
use crate::store::connection::SourceRules;
use crate::store::deny::{DenyList, Moment};
use crate::store::lease::SlotRegistry;
use crate::telemetry::access_log::{Destination, Writer};
use crate::telemetry::metrics::{Metrics, WorkerMetrics};

/// What the command line adds to the configuration.
#[derive(Debug, Clone)]
pub struct Options {
    /// The configuration file.
    pub config: PathBuf,
    /// Interfaces to attach to instead of the configured ones.
    pub interfaces: Vec<String>,
}

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

impl Options {
    /// Lets the command line overrule the file.
    pub(super) fn apply_to(&self, model: &mut Gateway) {
        if !self.interfaces.is_empty() {
            model.edge.interfaces.clone_from(&self.interfaces);
        }
    }
}

/// Runs the gateway until it is told to stop. Blocks; must be called from a process that has no
/// other threads.
///
/// # Errors
/// See [`StartError`].
pub fn run(options: Options) -> Result<(), StartError> {
    let loaded = config::load(&options.config).map_err(StartError::Config)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let mut model = loaded.gateway;
    options.apply_to(&mut model);
    let control = prepare(options, model)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| anyhow::anyhow!("control runtime: {error}"))?;
    let tasks = tokio::task::LocalSet::new();
    Ok(tasks.block_on(&runtime, control.run())?)
}

/// Everything up to the first thread that may see a request.
fn prepare(options: Options, model: Gateway) -> anyhow::Result<Control> {
    make_directory(&model.runtime_directory, 0o750)?;
    make_directory(&model.state_directory, 0o700)?;

    let binder = super::listeners::Binder { tls: SharedTls::new()?, workers: model.workers.get() };
    let listeners = super::listeners::Listeners::default();
    let prepared = listeners.prepare(&model, &binder)?;
    let deny = DenyList::open(&model.state_directory, Moment::now())?;
    let buckets = map_buckets(&model)?;
    let sockets = Sockets {
        admin: admin::bind(&model.admin.socket)
            .map_err(|error| anyhow::anyhow!("admin socket `{}`: {error}", model.admin.socket.display()))?,
        metrics: model.telemetry.metrics.map(bind_metrics).transpose()?,
        allowed: Allowed { user: rustix::process::geteuid().as_raw(), group: rustix::process::getegid().as_raw() },
    };

    let decisions = Arc::new(Decisions::new());
    let slots = Arc::new(SlotRegistry::new(buckets.clone()));
    let compiler = Compiler::new(buckets.clone(), Arc::clone(&slots), Arc::clone(&decisions));
    let snapshot = Arc::new(compiler.compile(&model, None)?);
    let freed = slots.release_unused();
    if freed > 0 {
        tracing::info!(freed, "slots of routes that are gone were freed");
    }
    snapshot.put_limits_in_force(crate::clock::monotonic_ns());

    let log = Writer::start(&destination(&model.telemetry.access_log))
        .map_err(|error| anyhow::anyhow!("access log: {error}"))?;
    let (drain_deadline, deadline) = watch::channel(None);
    let shared = Shared {
        snapshot: Arc::new(ArcSwap::new(snapshot)),
        buckets: buckets.clone(),
        body_budget: BodyBudget::new(model.body_memory_bytes_max),
        drain_deadline: deadline,
    };
    let counters: Vec<Arc<WorkerMetrics>> = (0..model.workers.get())
        .map(|_| Arc::new(WorkerMetrics::new(Reason::NAMES.len())))
        .collect();
    let workers = counters
        .iter()
        .enumerate()
        .map(|(number, metrics)| worker::start(number, shared.clone(), &log, Arc::clone(metrics), random()?).map_err(anyhow::Error::from))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let reloads = Arc::new(Reloads::default());
    let figures = figures::figures(&Sources {
        snapshot: Arc::clone(&shared.snapshot),
        decisions,
        buckets: buckets.clone(),
        body_budget: shared.body_budget.clone(),
        log_dropped: log.dropped(),
        reloads: Arc::clone(&reloads),
    });
    let metrics = Arc::new(Metrics::new(counters, Reason::NAMES, figures));
    let rules = Arc::new(SourceRules {
        deny: deny.clone(),
        buckets,
        connections: ArcSwap::from_pointee(connection_limit(&model.edge)),
        kernel_judges: AtomicBool::new(false),
    });
    let (draining, drained) = watch::channel(false);
    Ok(Control {
        options,
        model,
        shared,
        compiler,
        binder,
        listeners,
        prepared: Some(prepared),
        around: super::listeners::Environment { rules, draining: drained, workers },
        keys: KeyTasks::default(),
        deny,
        metrics,
        reloads,
        reopener: log.reopener(),
        log,
        sockets: Some(sockets),
        draining,
        drain_deadline,
    })
}

fn map_buckets(model: &Gateway) -> anyhow::Result<Buckets> {
    let path = model.runtime_directory.join(bucket::FILE_NAME);
    let (buckets, opened) = Buckets::open_file(&path, BootId::current()?)?;
    match opened {
        bucket::Opened::Created => tracing::info!(path = %path.display(), "buckets start empty"),
        bucket::Opened::Kept => tracing::info!(path = %path.display(), "buckets kept"),
        bucket::Opened::Replaced(why) => {
            tracing::warn!(path = %path.display(), ?why, "buckets start empty: the file could not be kept");
        }
    }
    Ok(buckets)
}

/// New connections per source as accept enforces them.
pub(super) fn connection_limit(edge: &Edge) -> gateway_common::settings::SourceLimit {
    edge.connections.map_or_else(Default::default, |rate| gateway_common::settings::SourceLimit {
        source: rate.source,
        aggregate: rate.aggregate,
        precise: 1,
    })
}

/// Where access-log records go.
pub(super) fn destination(log: &model::AccessLog) -> Destination {
    match log {
        model::AccessLog::Off => Destination::Off,
        model::AccessLog::Stdout => Destination::Stdout,
        model::AccessLog::File(path) => Destination::File(path.clone()),
    }
}

fn bind_metrics(address: SocketAddr) -> anyhow::Result<std::net::TcpListener> {
    let socket = std::net::TcpListener::bind(address)
        .map_err(|error| anyhow::anyhow!("metrics address {address}: {error}"))?;
    socket.set_nonblocking(true)?;
    tracing::info!(address = %socket.local_addr()?, "metrics");
    Ok(socket)
}

fn make_directory(path: &Path, mode: u32) -> anyhow::Result<()> {
    match std::fs::DirBuilder::new().recursive(true).mode(mode).create(path) {
        Ok(()) => Ok(()),
        Err(error) => Err(anyhow::anyhow!(
            "directory `{}`: {error}: create it for the gateway's user, or name another one in the configuration",
            path.display()
        )),
    }
}

fn random() -> anyhow::Result<u64> {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_unspecified| anyhow::anyhow!("no randomness"))?;
    Ok(u64::from_ne_bytes(bytes))
}
