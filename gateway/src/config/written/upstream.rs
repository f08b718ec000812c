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
}
