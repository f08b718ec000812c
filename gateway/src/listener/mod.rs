//! Sockets, TLS, HTTP: from a SYN to a request, and from a response to bytes.
//!
//! Every worker has sockets of its own for every listener, bound with SO_REUSEPORT, so that the
//! kernel spreads connections and no lock is shared. This module knows nothing of routes or
//! authorizers: it hands requests to a [`Handler`].

mod bind;
mod accept;
mod tls;
mod connection;
mod watched;

pub use accept::{AcceptLoop, Accepting, Live};
pub use bind::{BindError, bind};
pub use connection::Handler;
pub use tls::{Resumption, TlsError, server_config};

use std::sync::Arc;

use crate::model::{Listener, ListenerLimits, ListenerTimeouts, Prefix};

/// A listener as connections need it.
#[derive(Debug)]
pub struct ListenerPlan {
    /// Its name.
    pub name: Arc<str>,
    /// TLS; `None` serves plaintext.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Whether HTTP/2 is spoken.
    pub http2: bool,
    /// Peers whose forwarding headers are believed.
    pub trusted_proxies: Arc<[Prefix]>,
    /// Limits.
    pub limits: ListenerLimits,
    /// Time-outs.
    pub timeouts: ListenerTimeouts,
}

impl ListenerPlan {
    /// Compiles a listener, reading its certificates.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn compile(listener: &Listener, resumption: &Resumption) -> Result<Self, TlsError> {
        let tls = listener
            .tls
            .as_ref()
            .map(|tls| server_config(tls, listener.http2, resumption));
        Ok(Self {
            name: Arc::from(listener.name.as_str()),
            tls: tls.transpose()?,
            http2: listener.http2,
            trusted_proxies: Arc::from(listener.trusted_proxies.as_slice()),
            limits: listener.limits.clone(),
            timeouts: listener.timeouts.clone(),
        })
    }
}
