//! Who is at the other end of a connection, and what else its requests have in common.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use super::Restraint;
use crate::model::{CertificateNames, ClientCertificate, ForwardedHeader, Prefix, TlsTerms};

/// The other end of the socket: what XDP saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerAddress(pub SocketAddr);

/// Who opened the connection: what connection limits and the deny list mean. The same as the peer
/// unless a balancer has announced another one by the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SourceAddress(pub SocketAddr);

/// What a TLS handshake settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFacts {
    /// Server name the client asked for.
    pub server_name: Option<Arc<str>>,
    /// Protocol version, such as `TLSv1.3`.
    pub version: &'static str,
    /// Cipher suite by its IANA name; those of TLS 1.3 begin with `TLS13_`.
    pub cipher: &'static str,
    /// What it was held under.
    pub terms: TlsTerms,
    /// What the client proved to be.
    pub client: ClientProof,
}

/// What a client proved by its certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientProof {
    /// It was not asked for one.
    NotAsked,
    /// It has none.
    Missing,
    /// It has one that the truststore does not vouch for.
    Untrusted {
        /// What it is called, if it can be read.
        names: Option<Box<CertificateNames>>,
        /// What is wrong with it, for the log.
        cause: Box<str>,
    },
    /// It has one that the truststore vouches for.
    Verified {
        /// The certificate.
        certificate: Arc<ClientCertificate>,
        /// Last second, since 1970, at which it and all that vouch for it are valid.
        until: i64,
    },
}

impl ClientProof {
    /// What the certificate that was presented is called, whoever vouches for it.
    #[must_use]
    pub fn presented(&self) -> Option<&CertificateNames> {
        match self {
            Self::NotAsked | Self::Missing => None,
            Self::Untrusted { names, .. } => names.as_deref(),
            Self::Verified { certificate, .. } => Some(&certificate.names),
        }
    }

    /// The certificate that the truststore vouches for.
    #[must_use]
    pub const fn verified(&self) -> Option<&Arc<ClientCertificate>> {
        match self {
            Self::NotAsked | Self::Missing | Self::Untrusted { .. } => None,
            Self::Verified { certificate, .. } => Some(certificate),
        }
    }
}

/// What every request of one connection has in common.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The listener that accepted it.
    pub listener: Arc<str>,
    /// The other end.
    pub peer: PeerAddress,
    /// Who opened it.
    pub source: SourceAddress,
    /// Our end.
    pub local: SocketAddr,
    /// The interface that it came in by, where its listener is bound to one.
    pub interface: Option<Arc<str>>,
    /// TLS; `None` on a plaintext listener.
    pub tls: Option<TlsFacts>,
    /// Sources whose forwarding headers are believed.
    pub trusted_proxies: Arc<[Prefix]>,
    /// Which of their headers is read.
    pub forwarded_header: ForwardedHeader,
    /// Header fields of a request.
    pub header_count_max: u32,
    /// What holds it back.
    pub restraint: Rc<Restraint>,
    /// Bytes of a request's header fields.
    pub header_bytes_max: u32,
    /// Between two pieces of a request body.
    pub body_timeout: Duration,
    /// What upstreams and the log are told of this connection, written once instead of with every
    /// request.
    pub told: Told,
}

/// What upstreams and the log are told of a connection.
#[derive(Clone, Debug)]
pub struct Told {
    /// The peer's address with its port, for the log.
    pub peer_and_port: Arc<str>,
    /// The source's address with its port, for the log, where a balancer has announced it.
    pub announced: Option<Arc<str>>,
    /// The source's address, for the log.
    pub source_text: Arc<str>,
    /// The source's address.
    pub source: HeaderValue,
    /// The source's address as RFC 7239 writes it, with `for=`.
    pub forwarded_for: Box<str>,
    /// The port that the source connected to.
    pub port: HeaderValue,
    /// Whether the source's forwarding headers are believed.
    pub source_is_trusted: bool,
}

impl Told {
    /// About a connection of `source` to this `port`, of which `peer` is the other end.
    #[must_use]
    pub fn new(
        peer: PeerAddress,
        source: SourceAddress,
        port: u16,
        trusted_proxies: &[Prefix],
    ) -> Self {
        let ip = source.ip();
        let text = ip.to_string();
        Self {
            // An address is always a legal value.
            source: HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("unknown")),
            forwarded_for: forwarded_for(ip).into(),
            peer_and_port: peer.to_string().into(),
            announced: (source.0 != peer.0).then(|| source.to_string().into()),
            source_text: text.into(),
            port: HeaderValue::from(port),
            source_is_trusted: trusted_proxies.iter().any(|prefix| prefix.contains(ip)),
        }
    }
}

/// An address as RFC 7239 writes it, with `for=`.
#[must_use]
pub fn forwarded_for(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("for={address}"),
        IpAddr::V6(address) => format!("for=\"[{address}]\""),
    }
}

impl SourceAddress {
    /// The address without port, IPv4-mapped addresses as IPv4.
    #[must_use]
    pub const fn ip(&self) -> IpAddr {
        self.0.ip().to_canonical()
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for SourceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
