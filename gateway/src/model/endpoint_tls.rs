//! What TLS is like for the clients of one host.

use std::sync::Arc;

use super::{Certificate, SecurityPolicy, Tls, TlsVersion, Truststore, TruststoreId};

/// What TLS is like for the clients of one host, where it is not what the listener has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointTls {
    /// Its certificate; `None` for one of the listener's.
    pub certificate: Option<Certificate>,
    /// Its security policy; `None` for the listener's.
    pub policy: Option<SecurityPolicy>,
    /// How a request has to name it.
    pub access: AccessMode,
    /// Whose certificates its clients have to present; `None` asks for none.
    pub truststore: Option<Arc<Truststore>>,
}

impl EndpointTls {
    /// What it asks of connections to a listener with this TLS.
    #[must_use]
    pub fn terms(&self, listener: &Tls) -> TlsTerms {
        let policy = self.policy.or(listener.policy);
        let of_policy = policy.map(SecurityPolicy::version_min);
        TlsTerms {
            policy,
            version_min: listener.version_min.max(of_policy.unwrap_or_default()),
            truststore: self.truststore.as_ref().map(|truststore| truststore.id),
        }
    }
}

/// How a request has to name its host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessMode {
    /// In the request alone.
    #[default]
    Basic,
    /// In the TLS handshake as well.
    Strict,
}

/// What a TLS handshake is held under, and what a host asks of the connections that its requests
/// come on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TlsTerms {
    /// The security policy; `None` for everything that the library offers.
    pub policy: Option<SecurityPolicy>,
    /// Lowest version: the higher one of what listener and policy ask for.
    pub version_min: TlsVersion,
    /// Whose certificates clients were asked for; `None` for nobody's.
    pub truststore: Option<TruststoreId>,
}

impl TlsTerms {
    /// Whether a connection whose handshake was held under these serves requests for a host that
    /// asks for `asked`.
    #[must_use]
    pub fn meet(&self, asked: &Self) -> bool {
        let is_asked = asked.truststore.is_none() || self.truststore == asked.truststore;
        self.policy == asked.policy && self.version_min >= asked.version_min && is_asked
    }
}
