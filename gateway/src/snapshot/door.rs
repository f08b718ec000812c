//! Who may come in to one host: what it asks of connections, besides naming it.
//!
//! One connection may carry requests for several hosts: HTTP/2 clients reuse connections for every
//! host that the certificate is for. So what a host asks of the handshake is held against each
//! request, and who came in by another name is sent back to begin anew (RFC 9110, section 15.5.20).

use crate::exchange::{ClientProof, Reason, Rejection, TlsFacts};
use crate::model::{AccessMode, EndpointTls, Tls, TlsTerms};

/// What one host asks of the connections that its requests come on.
#[derive(Clone, Debug, Default)]
pub(super) struct Door {
    terms: TlsTerms,
    access: AccessMode,
}

/// How a request came in.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// The listener.
    pub listener: &'a str,
    /// What its connection's handshake settled; `None` in plaintext.
    pub tls: Option<&'a TlsFacts>,
}

impl Door {
    /// Of a host with these settings on a listener with this TLS.
    pub(super) fn new(host: &EndpointTls, listener: Option<&Tls>) -> Self {
        Self {
            terms: listener.map(|tls| host.terms(tls)).unwrap_or_default(),
            access: host.access,
        }
    }

    /// Whether clients have to present a certificate.
    pub(super) const fn asks_for_certificate(&self) -> bool {
        self.terms.truststore.is_some()
    }

    /// Lets a request for `host` in.
    pub(super) fn admit(&self, arrival: &Arrival<'_>, host: &str) -> Result<(), Rejection> {
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
