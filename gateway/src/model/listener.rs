//! Where the gateway answers.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Certificate, ListenerEdge, ListenerName, Prefix, SecurityPolicy};

/// One listening address with its protocol and limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its name.
    pub name: ListenerName,
    /// Address and port; the unspecified address means every local address of that family.
    pub address: SocketAddr,
    /// The interface that its clients come in by; `None` for every one.
    pub interface: Option<String>,
    /// TLS; `None` serves plaintext.
    pub tls: Option<Tls>,
    /// Whether HTTP/2 is offered by ALPN (with TLS) or accepted by prior knowledge (without);
    /// default true.
    pub http2: bool,
    /// Who is believed about the clients behind it; default none.
    pub trusted_proxies: Vec<Prefix>,
    /// By which of its headers; default `X-Forwarded-For`.
    pub forwarded_header: ForwardedHeader,
    /// Who announces by the PROXY protocol whose connections it passes on; default nobody.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Limits.
    pub limits: ListenerLimits,
    /// Time-outs.
    pub timeouts: ListenerTimeouts,
    /// Whether the kernel drops whom the policies of all its APIs deny; default false.
    pub kernel_offload: bool,
    /// What the kernel edge does otherwise for this listener; default nothing.
    pub edge: ListenerEdge,
}

/// The header by which trusted proxies tell of the clients behind them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// Peers that say by the PROXY protocol who has opened a connection: before anything else, and on each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyProtocol {
    /// These peers; never empty.
    pub from: Vec<Prefix>,
    /// How long it may take until that is said; default 5 s.
    pub timeout: Duration,
}

impl Listener {
    /// Everybody who passes on what others send, by forwarding headers or by the PROXY protocol.
    pub fn proxies(&self) -> impl Iterator<Item = Prefix> + '_ {
        let announcing = self.proxy_protocol.iter().flat_map(|it| &it.from);
        self.trusted_proxies.iter().chain(announcing).copied()
    }
}

/// How a listener terminates TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Certificates; the first is served where no name matches. Never empty.
    pub certificates: Vec<Certificate>,
    /// Lowest version; default 1.2.
    pub version_min: TlsVersion,
    /// Security policy; `None` for everything that the library offers from `version_min` on.
    pub policy: Option<SecurityPolicy>,
}

/// TLS versions, in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[default]
    V1_2,
    /// TLS 1.3.
    V1_3,
}

/// What one listener accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerLimits {
    /// Open connections; default 8,192. Further ones are accepted and closed at once.
    pub connections_max: u32,
    /// Open connections per source address (IPv6: per /64); default 1,024.
    pub connections_per_source_max: u32,
    /// Bytes of a request head; default 32 KiB. Beyond it 431.
    pub header_bytes_max: u32,
    /// Header fields of a request; default 100. Beyond it 431.
    pub header_count_max: u32,
    /// HTTP/2 streams at once per connection; default 128.
    pub http2_streams_max: u32,
    /// HTTP/2 streams that a peer may reset before they were answered; default 64. Beyond it
    /// GOAWAY.
    pub http2_resets_max: u32,
}

/// How long one listener waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerTimeouts {
    /// For the TLS handshake; default 10 s.
    pub handshake: Duration,
    /// For a complete request head; default 10 s.
    pub headers: Duration,
    /// Between two pieces of a request body; default 30 s.
    pub body: Duration,
    /// For the next request of an idle connection; default 60 s.
    pub idle: Duration,
}
