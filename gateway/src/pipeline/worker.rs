//! What one worker thread answers requests with.

use std::rc::Rc;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::body::BodyBudget;
use crate::exchange::{Exchange, RequestIds};
use crate::integration::Means;
use crate::snapshot::Snapshot;
use crate::step::attempt::{Asking, Purpose};
use crate::store::bucket::{Buckets, source_value};
use crate::store::key_ring::KeyRings;
use crate::store::offence::Offences;
use crate::store::penalty::Penalties;
use crate::store::vouch::Vouched;
use crate::telemetry::access_log::Sink;
use crate::telemetry::heavy_hitters::HeavyHitters;
use crate::telemetry::metrics::WorkerMetrics;
use crate::upstream::Pool;

/// What one worker answers requests with.
#[derive(Debug)]
pub struct Worker {
    /// What runs; replaced whole by a reload.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// The shared words.
    pub buckets: Buckets,
    /// API keys, and the plans that they belong to.
    pub rings: KeyRings,
    /// Who goes on although it was told to wait.
    pub offences: Offences,
    /// How the kernel edge is told of them; `None` where there is none.
    pub penalties: Option<Penalties>,
    /// Sources that have proven themselves, for the kernel edge; `None` where there is none.
    pub vouched: Option<Vouched>,
    /// Memory for buffered bodies.
    pub body_budget: BodyBudget,
    /// Connections to upstreams, this worker's own.
    pub pool: Rc<Pool>,
    /// Who is refused most.
    pub throttled: Arc<HeavyHitters>,
    /// This worker's end of the access log.
    pub sink: Rc<Sink>,
    /// This worker's counters.
    pub metrics: Arc<WorkerMetrics>,
    /// Names for requests.
    pub request_ids: RequestIds,
}

impl Worker {
    /// How the steps of a request that is served ask others.
    pub(super) const fn asking(&self) -> Asking<'_> {
        Asking {
            pool: &self.pool,
            budget: &self.body_budget,
            buckets: &self.buckets,
            purpose: Purpose::Serve,
        }
    }

    /// What integrations work with.
    pub(super) const fn means(&self) -> Means<'_> {
        Means {
            pool: &self.pool,
            budget: &self.body_budget,
        }
    }

    /// An admitted request that an authorizer let pass proves its source. A proxy proves nothing by
    /// what it passes on, be it requests or connections: the kernel sees nobody behind it. What its
    /// connection was charged for a handshake is given back to whoever has shown a key or who it is.
    pub(super) fn vouch(&self, exchange: &Exchange, now_ns: u64) {
        let connection = &exchange.connection;
        if (exchange.caller.is_some() || exchange.api_key.is_some())
            && let Some(charge_ns) = connection.restraint.proven()
        {
            let source = source_value(connection.source.ip());
            self.offences.proven(source, charge_ns);
        }
        if let Some(vouched) = &self.vouched
            && exchange.caller.is_some()
            && !connection.told.source_is_trusted
            && connection.told.announced.is_none()
        {
            vouched.vouch(connection.source.ip(), now_ns);
        }
    }
}
