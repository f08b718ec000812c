//! Logs, metrics and the admin socket.

use schemars::JsonSchema;
use serde::Deserialize;

/// Logs and metrics.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Telemetry {
    /// Where access-log records go: `stdout`, `off` or a file's path. Default `stdout`.
    pub(crate) access_log: Option<String>,
    /// Where the steps of requests go that stages have followed by `logging_level`: `stdout`, `off`
    /// or a file's path. Default `stdout`.
    pub(crate) execution_log: Option<String>,
    /// Where Prometheus scrapes: a loopback address with port, or `off`. Default
    /// `127.0.0.1:9901`.
    pub(crate) metrics: Option<String>,
    /// Requests of which `gateway explain --request-id` knows what became of them: 0 to 1000000. Default
    /// 100000.
    #[schemars(range(max = 1_000_000))]
    pub(crate) recent_requests: Option<u32>,
}

/// The admin socket.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Admin {
    /// Path of the Unix socket. Default `<runtime_directory>/admin.sock`.
    pub(crate) socket: Option<String>,
}
