//! What TLS is like for the clients of one host.

use super::{Certificate, SecurityPolicy, Tls};

/// What TLS is like for the clients of one host, where it is not what the listener has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointTls {
    /// Its certificate; `None` for one of the listener's.
    pub certificate: Option<Certificate>,
    /// Its security policy; `None` for the listener's.
    pub policy: Option<SecurityPolicy>,
    /// How a request has to name it.
    pub access: AccessMode,
}

impl EndpointTls {
    /// What it asks of connections to a listener with this TLS.
    #[must_use]
    pub fn terms(&self, listener: &Tls) -> TlsTerms {
        TlsTerms {
            policy: self.policy.or(listener.policy),
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
}

impl TlsTerms {
    /// Whether a connection whose handshake was held under these serves requests for a host that
    /// asks for `asked`.
    #[must_use]
    pub fn meet(&self, asked: &Self) -> bool {
        self.policy == asked.policy
    }
}
