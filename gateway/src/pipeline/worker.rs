//! What one worker thread answers requests with.

use std::rc::Rc;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::body::BodyBudget;
use crate::exchange::RequestIds;
use crate::snapshot::Snapshot;
use crate::store::bucket::Buckets;
use crate::store::vouch::Vouched;
use crate::telemetry::access_log::Sink;
use crate::telemetry::metrics::WorkerMetrics;
use crate::upstream::Pool;

/// What one worker answers requests with.
#[derive(Debug)]
pub struct Worker {
    /// What runs; replaced whole by a reload.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// The shared words.
    pub buckets: Buckets,
    /// Sources that have proven themselves, for the kernel edge; `None` where there is none.
    pub vouched: Option<Vouched>,
    /// Memory for buffered bodies.
    pub body_budget: BodyBudget,
    /// Connections to upstreams, this worker's own.
    pub pool: Rc<Pool>,
    /// This worker's end of the access log.
    pub sink: Rc<Sink>,
    /// This worker's counters.
    pub metrics: Arc<WorkerMetrics>,
    /// Names for requests.
    pub request_ids: RequestIds,
}
