//! Sockets, TLS, HTTP: from a SYN to a request, and from a response to bytes.
//!
//! Every worker has sockets of its own for every listener, bound with SO_REUSEPORT, so that the
//! kernel spreads connections and no lock is shared. This module knows nothing of routes or
//! authorizers: it hands requests to a [`Handler`].

mod bind;
mod accept;
mod cipher_policy;
mod client_auth;
mod tls;
mod handshake;
mod turn;
mod ends;
pub mod proxy_protocol;
mod ending;
mod connection;
mod pipelined;
mod watched;

pub use accept::{AcceptLoop, Accepting, Live};
pub use bind::{BindError, bind};
pub use client_auth::Authorities;
pub use connection::Handler;
pub use ending::Farewell;
pub use ends::Sender;
pub use tls::{Resumption, Served, TlsError, TlsPlan};

use std::net::IpAddr;
use std::sync::Arc;

use crate::model::{
    DomainName, EndpointTls, ForwardedHeader, Gateway, Listener, ListenerLimits, ListenerName,
    ListenerTimeouts, PenaltyRules, Prefix, ProxyProtocol,
};

/// A listener as connections need it.
#[derive(Debug)]
pub struct ListenerPlan {
    /// Its name.
    pub name: Arc<str>,
    /// The interface that its clients come in by; `None` for every one. Sockets are bound to it, so
    /// it is the same for all connections that follow plans of this listener.
    pub interface: Option<Arc<str>>,
    /// TLS; `None` serves plaintext.
    pub tls: Option<Arc<TlsPlan>>,
    /// Whether HTTP/2 is spoken.
    pub http2: bool,
    /// Sources whose forwarding headers are believed.
    pub trusted_proxies: Arc<[Prefix]>,
    /// Which of their headers is read.
    pub forwarded_header: ForwardedHeader,
    /// Peers that announce by the PROXY protocol whose connections they pass on.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Limits.
    pub limits: ListenerLimits,
    /// Time-outs.
    pub timeouts: ListenerTimeouts,
    /// When callers are penalised.
    pub penalties: PenaltyRules,
}

impl ListenerPlan {
    /// Compiles a listener of `model`, with its certificates and those of its hosts.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn compile(
        listener: &Listener,
        model: &Gateway,
        resumption: &Resumption,
    ) -> Result<Self, TlsError> {
        let none = EndpointTls::default();
        let hosts = hosts(model, &listener.name, &none);
        let compile = |tls| TlsPlan::compile(tls, &hosts, listener.http2, resumption);
        let tls = listener.tls.as_ref().map(compile).transpose()?;
        Ok(Self {
            name: Arc::from(listener.name.as_str()),
            interface: listener.interface.as_deref().map(Arc::from),
            tls: tls.map(Arc::new),
            http2: listener.http2,
            trusted_proxies: Arc::from(listener.trusted_proxies.as_slice()),
            forwarded_header: listener.forwarded_header,
            proxy_protocol: listener.proxy_protocol.clone(),
            limits: listener.limits.clone(),
            timeouts: listener.timeouts.clone(),
            penalties: model.edge.penalties,
        })
    }

    /// Whether the forwarding headers of this address are believed.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        let mut proxies = self.trusted_proxies.iter();
        proxies.any(|prefix| prefix.contains(address))
    }

    /// What is asked of connections of `peer`, where they have to begin with a PROXY header.
    #[must_use]
    pub fn proxy_protocol_of(&self, peer: IpAddr) -> Option<&ProxyProtocol> {
        let asked = self.proxy_protocol.as_ref()?;
        let is_asked = asked.from.iter().any(|prefix| prefix.contains(peer));
        is_asked.then_some(asked)
    }
}

/// The hosts of a listener with their TLS settings. Those without any are among them: nothing that a
/// wildcard above them has is theirs.
fn hosts<'m>(
    model: &'m Gateway,
    listener: &ListenerName,
    none: &'m EndpointTls,
) -> Vec<(DomainName, &'m EndpointTls)> {
    let apis = model.apis.iter();
    let apis = apis.filter(|api| api.listeners.contains(listener));
    let of_apis = apis.flat_map(|api| {
        let own = api.hosts.iter().map(|host| (host, &api.tls));
        let closed = api.closed_host.iter().map(|host| (host, none));
        let hosts = own.chain(closed);
        hosts.map(|(host, tls)| (DomainName::Host(host.clone()), tls))
    });
    let domains = model.domains.iter();
    let domains = domains.filter(|domain| domain.listeners.contains(listener));
    let of_domains = domains.map(|domain| (domain.name.clone(), &domain.tls));
    of_apis.chain(of_domains).collect()
}
