//! Who may come in to one host: what it asks of connections, besides naming it.
//!
//! One connection may carry requests for several hosts: HTTP/2 clients reuse connections for every
//! host that the certificate is for. So what a host asks of the handshake is held against each
//! request, and who came in by another name is sent back to begin anew (RFC 9110, section 15.5.20).

use std::net::IpAddr;
use std::sync::Arc;

use crate::clock;
use crate::exchange::{ClientProof, Reason, Rejection, TlsFacts};
use crate::model::{AccessMode, EndpointTls, Listener, Prefix, Private, TlsTerms};

/// What one host asks of the connections that its requests come on.
#[derive(Clone, Debug, Default)]
pub(super) struct Door {
    /// Whether they have to be encrypted: a listener may have begun to terminate TLS since.
    is_encrypted: bool,
    terms: TlsTerms,
    access: AccessMode,
    room: Option<Room>,
}

/// Who may come in to a private endpoint.
#[derive(Clone, Debug)]
pub struct Room {
    interfaces: Arc<[String]>,
    prefixes: Arc<[Prefix]>,
}

impl Room {
    /// Of what is private.
    #[must_use]
    pub fn new(private: &Private) -> Self {
        Self {
            interfaces: Arc::from(private.interfaces.as_slice()),
            prefixes: Arc::from(private.prefixes.as_slice()),
        }
    }

    /// Lets a request in. What its connection came in by counts, and not what a reload has bound its
    /// listener to since.
    ///
    /// # Errors
    /// The refusal of a host that is not there.
    pub fn admit(&self, arrival: &Arrival<'_>) -> Result<(), Rejection> {
        let mut interfaces = self.interfaces.iter();
        let is_bound = interfaces.any(|name| arrival.interface == Some(name.as_str()));
        let mut prefixes = self.prefixes.iter();
        if is_bound || prefixes.any(|prefix| prefix.contains(arrival.client)) {
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
    /// The interface that its connection came in by, where the listener was bound to one.
    pub interface: Option<&'a str>,
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
            is_encrypted: tls.is_some(),
            terms: tls.map(|tls| host.terms(tls)).unwrap_or_default(),
            access: host.access,
            room: private.map(Room::new),
        }
    }

    /// What it asks of handshakes.
    pub(super) const fn terms(&self) -> TlsTerms {
        self.terms
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
        if self.is_encrypted && arrival.tls.is_none() {
            let message = "the connection began before its listener had TLS";
            return Err(Rejection::detailed(Reason::Misdirected, message));
        }
        let held = arrival.tls.map(|tls| tls.terms).unwrap_or_default();
        if !held.meet(&self.terms) {
            let message =
                "the handshake was held under another host's security policy or truststore";
            return Err(Rejection::detailed(Reason::Misdirected, message));
        }
        if self.terms.truststore.is_some() {
            match arrival.tls.map(|tls| &tls.client) {
                Some(ClientProof::Verified { until, .. }) => {
                    let now = i64::try_from(clock::unix_seconds()).unwrap_or(i64::MAX);
                    if now > *until {
                        let message = "it has ended since the handshake";
                        let reason = Reason::ClientCertificateUntrusted;
                        return Err(Rejection::detailed(reason, message));
                    }
                }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CertificateNames, ClientCertificate, TruststoreId};

    #[test]
    fn a_certificate_ends_also_on_an_open_connection() {
        let terms = TlsTerms {
            truststore: Some(TruststoreId([7; 32])),
            ..TlsTerms::default()
        };
        let door = Door {
            terms,
            ..Door::default()
        };
        let now = i64::try_from(clock::unix_seconds()).unwrap();
        let certificate = Arc::new(ClientCertificate {
            pem: "".into(),
            names: CertificateNames {
                subject: "".into(),
                issuer: "".into(),
                serial: "".into(),
            },
            not_before: "".into(),
            not_after: "".into(),
        });
        for (until, expected) in [
            (now + 3_600, None),
            (now - 1, Some(Reason::ClientCertificateUntrusted)),
        ] {
            let tls = TlsFacts {
                server_name: None,
                version: "TLSv1.3",
                cipher: "",
                terms,
                client: ClientProof::Verified {
                    certificate: Arc::clone(&certificate),
                    until,
                },
            };
            let arrival = Arrival {
                listener: "main",
                interface: None,
                tls: Some(&tls),
                client: IpAddr::from([127, 0, 0, 1]),
            };
            let found = door.admit(&arrival, "a.test").err();
            assert_eq!(found.map(|rejection| rejection.reason), expected, "{until}");
        }
    }
}
