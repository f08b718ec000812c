//! Who is at the other end, in the two meanings of the word.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use crate::model::{CertificateNames, ClientCertificate, Prefix, TlsTerms};

/// The other end of the socket: what XDP saw, what connection limits and the deny list mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerAddress(pub SocketAddr);

/// Who sent the request, after trusted forwarding headers: what policies, throttles and logs mean.
/// The same as the peer unless the peer is a trusted proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddress(pub IpAddr);

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
    /// Our end.
    pub local: SocketAddr,
    /// The interface that it came in by, where its listener is bound to one.
    pub interface: Option<Arc<str>>,
    /// TLS; `None` on a plaintext listener.
    pub tls: Option<TlsFacts>,
    /// Peers whose forwarding headers are believed.
    pub trusted_proxies: Arc<[Prefix]>,
    /// Header fields of a request.
    pub header_count_max: u32,
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
    /// The peer's address, for the log.
    pub peer_text: Arc<str>,
    /// The peer's address.
    pub peer: HeaderValue,
    /// The peer's address as RFC 7239 writes it, with `for=`.
    pub forwarded_for: Box<str>,
    /// Our port.
    pub port: HeaderValue,
    /// Whether the peer's forwarding headers are believed.
    pub peer_is_trusted: bool,
}

impl Told {
    /// About a connection between `peer` and our `local` address.
    #[must_use]
    pub fn new(peer: PeerAddress, local: SocketAddr, trusted_proxies: &[Prefix]) -> Self {
        let ip = peer.ip();
        let text = ip.to_string();
        Self {
            // An address is always a legal value.
            peer: HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("unknown")),
            forwarded_for: forwarded_for(ip).into(),
            peer_and_port: peer.to_string().into(),
            peer_text: text.into(),
            port: HeaderValue::from(local.port()),
            peer_is_trusted: trusted_proxies.iter().any(|prefix| prefix.contains(ip)),
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

impl PeerAddress {
    /// The address without port, IPv4-mapped addresses as IPv4.
    #[must_use]
    pub const fn ip(&self) -> IpAddr {
        self.0.ip().to_canonical()
    }
}

impl ClientAddress {
    /// The client behind `peer`, given the `X-Forwarded-For` values in the order of the request.
    ///
    /// Only trusted peers are believed, and only as far as they vouch: the list is read from its
    /// end while every hop is trusted; the first that is not is the client. An entry that is no
    /// address ends the reading at the hop before it.
    #[must_use]
    pub fn resolve<'a>(
        peer: PeerAddress,
        trusted: &[Prefix],
        forwarded_for: impl DoubleEndedIterator<Item = &'a str>,
    ) -> Self {
        let believed = |address: IpAddr| trusted.iter().any(|prefix| prefix.contains(address));
        let mut client = peer.ip();
        let hops = forwarded_for
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .rev();
        for hop in hops {
            if !believed(client) {
                break;
            }
            match parse_hop(hop) {
                Some(address) => client = address.to_canonical(),
                None => break,
            }
        }
        Self(client)
    }
}

/// An address as proxies write it: bare, bracketed, or with a port.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    hop.parse()
        .ok()
        .or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .or_else(|| hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok())
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(peer: &str, trusted: &[&str], forwarded_for: &[&str], client: &str) {
        let peer = PeerAddress(SocketAddr::new(peer.parse().unwrap(), 1));
        let trusted: Vec<Prefix> = trusted.iter().map(|p| p.parse().unwrap()).collect();
        let resolved = ClientAddress::resolve(peer, &trusted, forwarded_for.iter().copied());
        assert_eq!(resolved.0, client.parse::<IpAddr>().unwrap());
    }

    #[test]
    fn believes_forwarding_headers_of_trusted_peers_only() {
        check("192.0.2.1", &[], &["198.51.100.7"], "192.0.2.1");
        check(
            "192.0.2.1",
            &["192.0.2.0/24"],
            &["198.51.100.7"],
            "198.51.100.7",
        );
        check("192.0.2.1", &["192.0.2.0/24"], &[], "192.0.2.1");
    }

    #[test]
    fn reads_the_list_from_its_end_up_to_the_first_untrusted_hop() {
        check(
            "10.0.0.1",
            &["10.0.0.0/8"],
            &["6.6.6.6, 198.51.100.7, 10.0.0.2"],
            "198.51.100.7",
        );
        check(
            "10.0.0.1",
            &["10.0.0.0/8"],
            &["6.6.6.6", "198.51.100.7", "10.0.0.2"],
            "198.51.100.7",
        );
        check(
            "10.0.0.1",
            &["10.0.0.0/8"],
            &["198.51.100.7, garbage, 10.0.0.2"],
            "10.0.0.2",
        );
        check(
            "10.0.0.1",
            &["10.0.0.0/8"],
            &["[2001:db8::1]:443"],
            "2001:db8::1",
        );
    }
}
