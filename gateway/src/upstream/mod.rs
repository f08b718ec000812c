//! Connections to backends: one pool per worker, so that a request never crosses threads.

mod any_authority;
mod call;
mod connect;
mod identity;
mod pool;
pub mod tls;

pub use call::{CallBounds, CallError, call};
pub use connect::ConnectError;
pub use identity::ClientIdentity;
pub use pool::{Answer, Pool, PooledBody, SendError};

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderValue;
use http::uri::Authority;

use self::tls::BackendClient;
use crate::concurrency::{Hall, Seat};
use crate::model::{Upstream, UpstreamName};

/// What no other plan of this process has: the key of its pooled connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct PlanId(u64);

/// An upstream as requests need it. What is spoken to in another way, or shown another certificate,
/// is another plan, and connections never change plans.
#[derive(Debug)]
pub struct UpstreamPlan {
    id: PlanId,
    /// Its name.
    pub name: UpstreamName,
    /// What the file says.
    pub settings: Upstream,
    /// `Host` of forwarded requests.
    pub host: HeaderValue,
    /// `None` speaks plaintext.
    tls: Option<BackendClient>,
    /// Who is asking it, by all plans under its name; `None` where any number may.
    hall: Option<Arc<Hall>>,
}

/// An upstream whose URL cannot be spoken to.
#[derive(Debug, thiserror::Error)]
#[error("upstream `{name}`: `{host}` cannot stand in a Host header")]
pub struct UpstreamError {
    name: UpstreamName,
    host: String,
}

impl UpstreamPlan {
    /// Compiles an upstream; `tls` is what an https URL is spoken with, and `hall` counts who asks it where
    /// its settings limit that.
    ///
    /// # Errors
    /// The host is no authority.
    pub fn compile(
        settings: &Upstream,
        tls: Option<BackendClient>,
        hall: Option<Arc<Hall>>,
    ) -> Result<Self, UpstreamError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let target = &settings.target;
        let host = if target.host.contains(':') {
            format!("[{}]", target.host)
        } else {
            target.host.clone()
        };
        let standard = if target.tls.is_some() { 443 } else { 80 };
        let authority = if target.port == standard {
            host
        } else {
            format!("{host}:{}", target.port)
        };
        let invalid = || UpstreamError {
            name: settings.name.clone(),
            host: authority.clone(),
        };
        authority
            .parse::<Authority>()
            .map_err(|_invalid| invalid())?;
        Ok(Self {
            id: PlanId(NEXT.fetch_add(1, Ordering::Relaxed)),
            name: settings.name.clone(),
            host: HeaderValue::from_str(&authority).map_err(|_invalid| invalid())?,
            tls,
            hall,
            settings: settings.clone(),
        })
    }

    /// Whether this is the plan of an upstream with these settings that is shown `identity`.
    #[must_use]
    pub fn is_of(&self, settings: &Upstream, identity: Option<&ClientIdentity>) -> bool {
        let shown = self.tls.as_ref().and_then(BackendClient::identity);
        self.settings == *settings && shown == identity
    }

    /// Who is asking it, and how many may; `None` where any number may.
    #[must_use]
    pub fn limit(&self) -> Option<(&Arc<Hall>, u32)> {
        self.hall.as_ref().zip(self.settings.requests_max)
    }

    /// A seat for another request; `None` where none is needed.
    fn enter(&self) -> Result<Option<Seat>, SendError> {
        let Some((hall, max)) = self.limit() else {
            return Ok(None);
        };
        hall.enter(max).map(Some).ok_or(SendError::Full(max))
    }
}
