//! Where requests are forwarded to.

use schemars::JsonSchema;
use serde::Deserialize;

use super::DurationText;

/// One backend.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Upstream {
    /// `http://` or `https://` URL; a path in it is put before every forwarded path.
    pub(crate) url: String,
    /// For the TCP and TLS handshakes: 10ms to 1m. Default 2s.
    pub(crate) connect_timeout: Option<DurationText>,
    /// Idle connections each worker keeps. Default 64.
    #[schemars(range(max = 10_000))]
    pub(crate) idle_per_worker_max: Option<u32>,
    /// How long an idle connection is kept: 10ms to 1h. Default 30s.
    pub(crate) idle_timeout: Option<DurationText>,
    /// Most requests that it is asked at once, by all workers: beyond them 503 at once. Default any number.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(crate) max_concurrent_requests: Option<u32>,
    /// What is asked of its certificate. Default: that the system's roots vouch for it, and that it
    /// is for the host of the URL.
    pub(crate) tls: Option<BackendTls>,
}

/// What is asked of a backend's certificate.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BackendTls {
    /// Whether any authority will do, so that whoever is between gateway and backend can read and
    /// change everything. Name, dates and that the chain ends at a root are still checked. Default
    /// `false`.
    pub(crate) insecure_skip_verification: Option<bool>,
    /// Name that the certificate has to be for, sent as SNI. Default the host of the URL.
    pub(crate) server_name: Option<String>,
}
