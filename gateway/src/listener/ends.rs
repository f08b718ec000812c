//! Between whom a connection is, and whom its requests come from.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::HeaderMap;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::ListenerPlan;
use super::proxy_protocol::{Said, Unheard, hear};
use crate::clock;
use crate::exchange::{ClientAddress, Connection, Reason};
use crate::store::connection::{Bar, ConnectionPermit, Doorkeeper, Place};
use crate::telemetry::metrics::ConnectionEvent;

/// The ends of one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    /// The other end of the socket.
    pub(super) peer: SocketAddr,
    /// Who has opened it: the peer, unless that has announced somebody else.
    pub(super) source: SocketAddr,
    /// Our end of the socket.
    pub(super) local: SocketAddr,
    /// The port that the source has connected to: ours, or that of the balancer.
    pub(super) port: u16,
    /// Whether the connection began with a PROXY header.
    pub(super) has_header: bool,
}

/// Who sent a request, and whether it may.
#[derive(Clone, Copy, Debug)]
pub struct Sender {
    /// Who sent it.
    pub client: ClientAddress,
    /// Why it is refused, whatever it asks for.
    pub barred: Option<Reason>,
}

/// A connection that has begun badly.
pub(super) struct Failed {
    /// What is counted and logged; `None` where nothing happened.
    pub(super) event: Option<ConnectionEvent>,
    pub(super) detail: Option<String>,
    /// As far as they are known.
    pub(super) ends: Ends,
}

impl Ends {
    /// Of a connection that nobody has announced.
    pub(super) const fn direct(peer: SocketAddr, local: SocketAddr) -> Self {
        Self {
            peer,
            source: peer,
            local,
            port: local.port(),
            has_header: false,
        }
    }

    /// Hears from a balancer whose connection it is, and has the doorkeeper judge that one; others are
    /// not asked.
    pub(super) async fn learn(
        stream: &mut TcpStream,
        peer: SocketAddr,
        local: SocketAddr,
        plan: &ListenerPlan,
        permit: &mut ConnectionPermit,
    ) -> Result<Self, Failed> {
        let direct = Self::direct(peer, local);
        let failed = |ends, event, detail| Failed {
            event,
            detail,
            ends,
        };
        let Some(asked) = plan.proxy_protocol_of(peer.ip()) else {
            return Ok(direct);
        };
        let said = match timeout(asked.timeout, hear(stream)).await {
            Ok(Ok(said)) => said,
            Ok(Err(Unheard::Nothing | Unheard::Failed(_))) => {
                return Err(failed(direct, None, None));
            }
            Ok(Err(unheard @ (Unheard::BrokenOff | Unheard::Invalid(_)))) => {
                let event = ConnectionEvent::ProxyHeaderInvalid;
                return Err(failed(direct, Some(event), Some(unheard.to_string())));
            }
            Err(_elapsed) => {
                let event = ConnectionEvent::ProxyHeaderTimeout;
                return Err(failed(direct, Some(event), None));
            }
        };
        let heard = Self {
            has_header: true,
            ..direct
        };
        let Said::Announced {
            source,
            destination,
        } = said
        else {
            return Ok(heard);
        };
        let ends = Self {
            source: SocketAddr::new(source.ip().to_canonical(), source.port()),
            port: destination.port(),
            ..heard
        };
        // What is announced may be a proxy in its turn, behind which others stand.
        if !plan.trusts(source.ip()) {
            let judged = permit.announce(source.ip(), &plan.limits, clock::monotonic_ns());
            judged.map_err(|event| failed(ends, Some(event), None))?;
        }
        Ok(ends)
    }

    /// Whether the connection began as the plan in force wants those of its peer to begin. After a
    /// reload it may not have: then nobody says any more, or nobody has said, who has opened it.
    pub(super) fn fit(&self, plan: &ListenerPlan) -> bool {
        self.has_header == plan.proxy_protocol_of(self.peer.ip()).is_some()
    }

    /// Whether the source stands for itself, and not for others behind it.
    pub(super) fn is_a_client(&self, plan: &ListenerPlan) -> bool {
        let is_balancer = self.has_header && self.source == self.peer;
        !is_balancer && !plan.trusts(self.source.ip())
    }
}

/// Finds out who sent a request, and where a proxy has passed it on for somebody else, takes a place for
/// that one until the request is answered.
pub(super) fn sender(
    connection: &Connection,
    headers: &HeaderMap,
    plan: &ListenerPlan,
    doorkeeper: &Arc<Doorkeeper>,
) -> (Sender, Option<Place>) {
    let client = ClientAddress::resolve(
        connection.source,
        &connection.trusted_proxies,
        connection.forwarded_header,
        headers,
    );
    let source: IpAddr = connection.source.ip();
    if client.0 == source {
        let barred = None;
        return (Sender { client, barred }, None);
    }
    let entered = if plan.trusts(client.0) {
        doorkeeper.enter_proxy(client.0).map(|()| None)
    } else {
        doorkeeper.enter(client.0, &plan.limits).map(Some)
    };
    let (barred, place) = match entered {
        Ok(place) => (None, place),
        Err(Bar::Denied) => (Some(Reason::ClientDenied), None),
        Err(Bar::Full) => (Some(Reason::ClientFull), None),
    };
    (Sender { client, barred }, place)
}
