//! Who may come in to one host: what it asks of connections, besides naming it.
//!
//! One connection may carry requests for several hosts: HTTP/2 clients reuse connections for every
//! host that the certificate is for. So what a host asks of the handshake is held against each
//! request, and who came in by another name is sent back to begin anew (RFC 9110, section 15.5.20).

use std::net::IpAddr;
use std::sync::Arc;

use crate::exchange::{ClientProof, Reason, Rejection, TlsFacts};
use crate::model::{AccessMode, EndpointTls, Listener, Prefix, Private, TlsTerms};

/// What one host asks of the connections that its requests come on.
#[derive(Clone, Debug, Default)]
pub(super) struct Door {
    terms: TlsTerms,
    access: AccessMode,
    room: Option<Room>,
}

/// Who may come in to a private endpoint by one listener.
#[derive(Clone, Debug)]
pub struct Room {
    /// Whether its clients come in by one of the interfaces.
    is_bound: bool,
    prefixes: Arc<[Prefix]>,
}

impl Room {
    /// Of what is private, seen from a listener.
    #[must_use]
    pub fn new(private: &Private, listener: &Listener) -> Self {
        let mut interfaces = private.interfaces.iter();
        Self {
            is_bound: interfaces.any(|name| listener.interface.as_ref() == Some(name)),
            prefixes: Arc::from(private.prefixes.as_slice()),
        }
    }

    /// Lets a request in.
    ///
    /// # Errors
    /// The refusal of a host that is not there.
    pub fn admit(&self, arrival: &Arrival<'_>) -> Result<(), Rejection> {
        let mut prefixes = self.prefixes.iter();
        if self.is_bound || prefixes.any(|prefix| prefix.contains(arrival.client)) {
            Ok(())
        } else {
            Err(Reason::PrivateEndpoint.into())
        }
    }
}

/// How a request came in.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// The listener.
    pub listener: &'a str,
    /// What its connection's handshake settled; `None` in plaintext.
    pub tls: Option<&'a TlsFacts>,
    /// Who sent it.
    pub client: IpAddr,
}

impl Door {
    /// Of a host with these settings on a listener.
    pub(super) fn new(host: &EndpointTls, private: Option<&Private>, listener: &Listener) -> Self {
        let tls = listener.tls.as_ref();
        Self {
            terms: tls.map(|tls| host.terms(tls)).unwrap_or_default(),
            access: host.access,
            room: private.map(|private| Room::new(private, listener)),
        }
    }

    /// Whether clients have to present a certificate.
    pub(super) const fn asks_for_certificate(&self) -> bool {
        self.terms.truststore.is_some()
    }

    /// Lets a request for `host` in.
    pub(super) fn admit(&self, arrival: &Arrival<'_>, host: &str) -> Result<(), Rejection> {
        // Before anything else: who may not know of the host learns nothing of it.
        if let Some(room) = &self.room {
            room.admit(arrival)?;
        }
        let held = arrival.tls.map(|tls| tls.terms).unwrap_or_default();
        if !held.meet(&self.terms) {
            let message =
                "the handshake was held under another host's security policy or truststore";
            return Err(Rejection::detailed(Reason::Misdirected, message));
        }
        if self.terms.truststore.is_some() {
            match arrival.tls.map(|tls| &tls.client) {
                Some(ClientProof::Verified(_)) => {}
                Some(ClientProof::Untrusted { cause, .. }) => {
                    let reason = Reason::ClientCertificateUntrusted;
                    return Err(Rejection::detailed(reason, cause.to_string()));
                }
                Some(ClientProof::Missing | ClientProof::NotAsked) | None => {
                    return Err(Reason::ClientCertificateMissing.into());
                }
            }
        }
        let named = arrival.tls.and_then(|tls| tls.server_name.as_deref());
        let is_named = named.is_some_and(|name| name.eq_ignore_ascii_case(host));
        if self.access == AccessMode::Strict && !is_named {
            let message = "the handshake did not name the host";
            return Err(Rejection::detailed(Reason::Misdirected, message));
        }
        Ok(())
    }
}
