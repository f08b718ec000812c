//! A worker thread: one runtime, its own sockets, its own pools.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, Interval, interval, sleep_until};

use crate::body::BodyBudget;
use crate::exchange::RequestIds;
use crate::listener::{AcceptLoop, Accepting, Live};
use crate::pipeline::Worker;
use crate::snapshot::Snapshot;
use crate::store::bucket::Buckets;
use crate::store::key_ring::KeyRings;
use crate::store::offence::Offences;
use crate::store::penalty::Penalties;
use crate::store::vouch::Vouched;
use crate::telemetry::access_log::{FLUSH_INTERVAL, Writer};
use crate::telemetry::heavy_hitters::HeavyHitters;
use crate::telemetry::logs::Logs;
use crate::telemetry::metrics::WorkerMetrics;
use crate::telemetry::recent::Recent;
use crate::upstream::Pool;

/// Orders a worker may have waiting; the control thread waits beyond them.
const ORDERS_MAX: usize = 64;
/// How often idle upstream connections are looked through.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);

/// What the control thread asks of a worker.
#[derive(Debug)]
pub(super) enum Order {
    /// Accept connections on one more socket.
    Listen {
        /// What to do with them.
        accepting: Accepting,
        /// The socket, this worker's own.
        socket: std::net::TcpListener,
    },
}

/// What all workers share.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(super) buckets: Buckets,
    /// API keys, and the plans that they belong to.
    pub(super) rings: KeyRings,
    /// Who goes on although it was told to wait.
    pub(super) offences: Offences,
    pub(super) penalties: Option<Penalties>,
    pub(super) vouched: Option<Vouched>,
    pub(super) body_budget: BodyBudget,
    /// Who is refused most.
    pub(super) throttled: Arc<HeavyHitters>,
    /// What became of the last requests.
    pub(super) recent: Arc<Recent>,
    /// When the gateway must be gone, once it stops.
    pub(super) drain_deadline: watch::Receiver<Option<Instant>>,
}

/// A running worker, as the control thread sees it.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) thread: std::thread::JoinHandle<()>,
}

/// Starts worker `number`.
///
/// # Errors
/// No thread or no runtime can be had.
pub(super) fn start(
    number: usize,
    shared: Shared,
    logs: &Logs<Writer>,
    metrics: Arc<WorkerMetrics>,
    request_id_seed: u64,
) -> std::io::Result<Handle> {
    let (orders, received) = mpsc::channel(ORDERS_MAX);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let sinks = logs.sinks(Arc::clone(&shared.recent));
    let thread = std::thread::Builder::new()
        .name(format!("worker-{number}"))
        .spawn(move || {
            let sink = sinks.sink(Arc::clone(&metrics));
            let worker = Rc::new(Worker {
                snapshot: shared.snapshot,
                buckets: shared.buckets,
                rings: shared.rings,
                offences: shared.offences,
                penalties: shared.penalties,
                throttled: shared.throttled,
                vouched: shared.vouched,
                body_budget: shared.body_budget,
                pool: Rc::new(Pool::default()),
                sink,
                metrics,
                request_ids: RequestIds::new(request_id_seed),
            });
            let tasks = LocalSet::new();
            tasks.block_on(
                &runtime,
                work(Rc::clone(&worker), received, shared.drain_deadline),
            );
            // Connections that outlived the deadline end here, and their records are written.
            drop(tasks);
            worker.sink.flush();
        })?;
    Ok(Handle { orders, thread })
}

async fn work(
    worker: Rc<Worker>,
    mut orders: mpsc::Receiver<Order>,
    mut drain_deadline: watch::Receiver<Option<Instant>>,
) {
    let live = Rc::new(Live::default());
    let mut accept_loops = JoinSet::new();
    let mut flush = interval(FLUSH_INTERVAL);
    let mut sweep = interval(SWEEP_INTERVAL);
    loop {
        tokio::select! {
            _ = flush.tick() => worker.sink.flush(),
            _ = sweep.tick() => {
                let snapshot = worker.snapshot.load();
                worker.pool.sweep(snapshot.upstreams.iter().map(AsRef::as_ref));
            }
            Some(Order::Listen { accepting, socket }) = orders.recv() => {
                let accept_loop = AcceptLoop::new(
                    accepting,
                    Rc::clone(&worker),
                    Rc::clone(&worker.sink),
                    Arc::clone(&worker.metrics),
                    Rc::clone(&live),
                );
                accept_loops.spawn_local(accept_loop.run(socket));
            }
            Some(ended) = accept_loops.join_next() => report(ended),
            stopping = drain_deadline.wait_for(Option::is_some) => {
                drop(stopping);
                break;
            }
        }
    }
    // Every socket's queue is taken first; then the connections have until the deadline.
    while let Some(ended) = accept_loops.join_next().await {
        report(ended);
    }
    tokio::select! {
        () = drain(&live, drain_deadline) => {}
        () = keep_flushing(&worker, flush) => {}
    }
}

/// Hands records over for as long as there is something to wait for.
async fn keep_flushing(worker: &Worker, mut flush: Interval) {
    loop {
        flush.tick().await;
        worker.sink.flush();
    }
}

/// Waits until no connection is open, or for the deadline, which a second signal brings forward.
async fn drain(live: &Live, mut deadline: watch::Receiver<Option<Instant>>) {
    loop {
        // Nobody sets it any more when the control thread has died.
        let Some(at) = *deadline.borrow_and_update() else {
            return;
        };
        tokio::select! {
            () = live.none_left() => return,
            () = sleep_until(at) => {
                tracing::warn!(connections = live.count(), "drain time-out: connections are cut");
                return;
            }
            changed = deadline.changed() => if changed.is_err() {
                return;
            },
        }
    }
}

fn report(ended: Result<std::io::Result<()>, tokio::task::JoinError>) {
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "a listening socket failed"),
        Err(error) => tracing::error!(%error, "an accept loop died"),
    }
}
