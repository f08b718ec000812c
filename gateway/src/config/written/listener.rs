//! Where the gateway answers.

use schemars::JsonSchema;
use serde::Deserialize;

use super::DurationText;
use super::ListenerXdp;
use super::Size;

/// One listening address with its protocol and limits.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listener {
    /// Address and port, such as `0.0.0.0:8443` or `[::]:8443`.
    pub(crate) address: String,
    /// The interface that its clients come in by, such as `eth1`. Default: every one.
    pub(crate) interface: Option<String>,
    /// How TLS is terminated. Left out: plaintext.
    pub(crate) tls: Option<Tls>,
    /// Whether HTTP/2 is spoken. Default true.
    pub(crate) http2: Option<bool>,
    /// Addresses or prefixes of proxies that are believed about the clients behind them. Default
    /// none.
    #[serde(default)]
    pub(crate) trusted_proxies: Vec<String>,
    /// The header by which these proxies tell of their clients; the other one is not read. Default
    /// `x-forwarded-for`.
    pub(crate) forwarded_header: Option<ForwardedHeader>,
    /// Who announces by the PROXY protocol whose connections it passes on. Default nobody.
    pub(crate) proxy_protocol: Option<ProxyProtocol>,
    /// What this listener accepts.
    #[serde(default)]
    pub(crate) limits: Limits,
    /// How long this listener waits; each 10ms to 1h.
    #[serde(default)]
    pub(crate) timeouts: Timeouts,
    /// Whether the kernel drops sources that the resource policies of all its APIs deny. Default
    /// false.
    pub(crate) kernel_offload: Option<bool>,
    /// What the kernel edge does otherwise for this listener.
    #[serde(default)]
    pub(crate) xdp: ListenerXdp,
}

/// Headers by which proxies tell of their clients.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ForwardedHeader {
    /// A list of addresses.
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
}

/// Peers that say by the PROXY protocol who has opened a connection.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProxyProtocol {
    /// Addresses or prefixes of these peers: all their connections have to begin with it.
    #[schemars(length(min = 1))]
    pub(crate) from: Vec<String>,
    /// How long that may take: 10ms to 1h. Default 5s.
    pub(crate) timeout: Option<DurationText>,
}

/// How TLS is terminated.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    /// Certificates; the first one serves names that no other one has.
    #[schemars(length(min = 1))]
    pub(crate) certificates: Vec<Certificate>,
    /// Lowest version. Default "1.2".
    pub(crate) version_min: Option<TlsVersion>,
    /// TLS security policy, such as `TLS_1_2`, of every host that has none of its own. Default:
    /// everything from `version_min` on.
    pub(crate) security_policy: Option<String>,
}

/// A certificate chain and its key.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Certificate {
    /// PEM file of the chain, leaf first. Relative paths start at the configuration's directory.
    pub(crate) chain: String,
    /// PEM file of the private key.
    pub(crate) key: String,
}

/// Versions of TLS.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub(crate) enum TlsVersion {
    /// TLS 1.2.
    #[serde(rename = "1.2")]
    V1_2,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    V1_3,
}

/// What a listener accepts.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    /// Open connections. Default 8192.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(crate) connections_max: Option<u32>,
    /// Open connections per source: an IPv4 address or an IPv6 /64. Default 1024.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(crate) connections_per_source_max: Option<u32>,
    /// Size of a request's head: 8KiB to 1MiB. Default 32KiB.
    pub(crate) header_bytes_max: Option<Size>,
    /// Header fields of a request. Default 100.
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) header_count_max: Option<u32>,
    /// HTTP/2 streams at once per connection. Default 128.
    #[schemars(range(min = 1, max = 10_000))]
    pub(crate) http2_streams_max: Option<u32>,
    /// HTTP/2 streams a peer may reset before they were answered. Default 64.
    #[schemars(range(min = 1, max = 10_000))]
    pub(crate) http2_resets_max: Option<u32>,
}

/// How long a listener waits.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Timeouts {
    /// For the TLS handshake. Default 10s.
    pub(crate) handshake: Option<DurationText>,
    /// For a complete request head. Default 10s.
    pub(crate) headers: Option<DurationText>,
    /// Between two pieces of a request body. Default 30s.
    pub(crate) body: Option<DurationText>,
    /// For the next request of an idle connection. Default 60s.
    pub(crate) idle: Option<DurationText>,
}
