//! Penalties that reach the kernel edge.
//!
//! TLS hides from the program which key a connection carries, so this process decides and the
//! program enforces, in two ways.
//!
//! (a) *Debt of a source.* Debt is added to the word that the program charges for the source's
//! connections or packets. The program's ordinary limit then refuses until the debt has passed:
//! no timer, no second table, and it ends by itself. A source in debt keeps the configured trickle
//! of new connections.
//!
//! (b) *A held flow.* An offence has a word of its own per key and source. A row of the flow table
//! joins one connection to that word, and the program drops the connection's packets as long as
//! the word is in debt. The row goes with the [`HeldFlow`] that stands for it, and that with the
//! connection.
//!
//! Refused and counted: debt for a source whose line is full, an offence whose line is full, a row
//! for which the table has no room. What may be penalised, and for how long, is not decided here.

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gateway_common::flow::{FlowKey, FlowRow};
use gateway_common::limit::Limit;
use gateway_common::settings::SourceLimit;

pub use super::bucket::Debt;
use super::bucket::{Buckets, SharedLines, ns, source, source_value};
use super::control::ControlWords;
use crate::model::Prefix;

/// Protocol number of TCP.
const TCP: u32 = 6;

/// What penalties are written to. Clones share it.
#[derive(Clone, Debug)]
pub struct Penalties(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    buckets: Buckets,
    offences: SharedLines,
    flows: Box<dyn FlowTable>,
    control: ControlWords,
    refused: AtomicU64,
    failed: AtomicU64,
}

/// The flow table of the kernel edge.
pub trait FlowTable: fmt::Debug + Send + Sync {
    /// Adds a row.
    ///
    /// # Errors
    /// [`FlowError`]; the table is as before.
    fn insert(&self, key: FlowKey, row: FlowRow) -> Result<(), FlowError>;

    /// Removes a row.
    ///
    /// # Errors
    /// [`FlowError::Failed`].
    fn remove(&self, key: FlowKey) -> Result<(), FlowError>;

    /// Removes every row.
    ///
    /// # Errors
    /// [`FlowError::Failed`]; some rows may be left.
    fn clear(&self) -> Result<(), FlowError>;
}

/// Why a flow cannot be held, or not be let go.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// Every row is taken: see [`gateway_common::capacity::FLOW_MAX`].
    #[error("the table of penalised flows is full")]
    Full,
    /// The flow has a row already.
    #[error("the flow is held already")]
    Held,
    /// The map operation failed.
    #[error("the table of penalised flows")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
}

/// The far end of a connection, as one that may be penalised.
///
/// Behind a proxy or a balancer stand many clients, and a penalty for its address would shut all of them
/// out: so there is none of these for either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offender(SocketAddr);

impl Offender {
    /// `None` where `peer` is one of the `proxies` of the listener that it has connected to
    /// ([`Listener::proxies`](crate::model::Listener::proxies)).
    #[must_use]
    pub fn new(peer: SocketAddr, mut proxies: impl Iterator<Item = Prefix>) -> Option<Self> {
        let address = peer.ip();
        let is_proxy = proxies.any(|prefix| prefix.contains(address));
        (!is_proxy).then_some(Self(peer))
    }
}

/// An offence by what it is counted for: one key from one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offence {
    tag: u64,
}

/// A connection whose packets are dropped while its offence is in debt. Dropping it ends that.
#[derive(Debug)]
pub struct HeldFlow {
    penalties: Penalties,
    key: FlowKey,
}

/// What penalties came to, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PenaltyCounts {
    /// Flows held now.
    pub flows: u64,
    /// Penalties refused because their line or table was full.
    pub refused: u64,
    /// Rows that could not be removed.
    pub failed: u64,
}

impl Penalties {
    /// On the mapped tables of the kernel edge. Rows that an earlier run left are removed: their
    /// connections ended with it.
    ///
    /// # Errors
    /// [`FlowError::Failed`].
    pub fn new(
        buckets: Buckets,
        offences: SharedLines,
        flows: Box<dyn FlowTable>,
        control: ControlWords,
    ) -> Result<Self, FlowError> {
        flows.clear()?;
        control.clear_penalties();
        Ok(Self(Arc::new(Inner {
            buckets,
            offences,
            flows,
            control,
            refused: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        })))
    }

    /// Adds `debt` to what the source of `offender` owes under `limit`, the one that the program charges it to, up
    /// to `most` beyond a full bucket.
    pub fn add_debt(
        &self,
        offender: Offender,
        limit: &SourceLimit,
        debt: Duration,
        most: Duration,
        now_ns: u64,
    ) -> Debt {
        let source = offender.0.ip();
        let added = self.0.buckets.add_debt(source, now_ns, limit, (debt, most));
        if added == Debt::NoRoom {
            self.0.refused.fetch_add(1, Ordering::Relaxed);
        }
        added
    }

    /// The offences of a key from a source. `key` is an identity such as
    /// [`Buckets::slot_tag`]; the source counts as the buckets count it.
    #[must_use]
    pub fn offence(&self, key: u64, offender: Offender) -> Offence {
        let source = source_value(offender.0.ip());
        Offence {
            tag: self.0.buckets.caller_tag(key, &source),
        }
    }

    /// Adds `debt` to an offence under `limit`, up to `most` beyond a full bucket, and returns how
    /// far beyond it is. `None` where its line is full of other offences; that is counted.
    pub fn offend(
        &self,
        offence: Offence,
        limit: &Limit,
        debt: Duration,
        most: Duration,
        now_ns: u64,
    ) -> Option<Duration> {
        let line = self.0.offences.of(offence.tag);
        let unit_ns = limit.increment(1);
        let Some(word) = line.find_or_claim(offence.tag, now_ns, unit_ns) else {
            self.0.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        let beyond = limit.add_debt(word, now_ns, ns(debt), ns(most));
        Some(Duration::from_nanos(beyond))
    }

    /// Whether an offence is in debt: a charge of one unit would be refused now. This is what the
    /// program asks for the packets of a held flow.
    #[must_use]
    pub fn is_in_debt(&self, offence: Offence, limit: &Limit, now_ns: u64) -> bool {
        let found = self.0.offences.of(offence.tag).find(offence.tag);
        found.is_some_and(|way| {
            let ahead = way.tat.load(Ordering::Acquire).saturating_sub(now_ns);
            ahead > limit.slack_ns(1)
        })
    }

    /// Holds the connection between `offender` and our end `local` while `offence` is in debt under
    /// `limit`.
    ///
    /// # Errors
    /// [`FlowError`]; a full table is counted too.
    pub fn hold(
        &self,
        offender: Offender,
        local: SocketAddr,
        offence: Offence,
        limit: &Limit,
    ) -> Result<HeldFlow, FlowError> {
        let key = flow_key(offender.0, local);
        let row = FlowRow {
            tag: offence.tag,
            slack_ns: limit.slack_ns(1),
            line: self.0.offences.index(offence.tag),
            reserved: 0,
        };
        self.0.control.add_penalty();
        if let Err(error) = self.0.flows.insert(key, row) {
            self.0.control.remove_penalty();
            if matches!(error, FlowError::Full) {
                self.0.refused.fetch_add(1, Ordering::Relaxed);
            }
            return Err(error);
        }
        Ok(HeldFlow {
            penalties: self.clone(),
            key,
        })
    }

    /// What penalties came to.
    #[must_use]
    pub fn counts(&self) -> PenaltyCounts {
        PenaltyCounts {
            flows: self.0.control.penalties(),
            refused: self.0.refused.load(Ordering::Relaxed),
            failed: self.0.failed.load(Ordering::Relaxed),
        }
    }
}

impl Drop for HeldFlow {
    fn drop(&mut self) {
        let inner = &*self.penalties.0;
        match inner.flows.remove(self.key) {
            Ok(()) => inner.control.remove_penalty(),
            // The row is still there, so it goes on being counted as one; it holds back nobody
            // but this connection, and only until the offence is paid for.
            Err(error) => {
                inner.failed.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(
                    error = crate::telemetry::operator_log::explain(&error),
                    "a penalised flow stays in its table"
                );
            }
        }
    }
}

/// A connection as its packets arrive here.
fn flow_key(peer: SocketAddr, local: SocketAddr) -> FlowKey {
    FlowKey {
        source: source(peer.ip().to_canonical()),
        destination: source(local.ip().to_canonical()),
        ports: u32::from(peer.port()) << 16 | u32::from(local.port()),
        protocol: TCP,
    }
}
