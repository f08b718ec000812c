//! Where requests are forwarded to.

use std::time::Duration;

use super::UpstreamName;

/// One backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Its name.
    pub name: UpstreamName,
    /// Where it is.
    pub target: UpstreamTarget,
    /// For the TCP and TLS handshakes; default 2 s.
    pub connect_timeout: Duration,
    /// Idle connections each worker keeps; default 64.
    pub idle_per_worker_max: usize,
    /// How long an idle connection is kept; default 30 s.
    pub idle_timeout: Duration,
    /// Most requests that it is asked at once, by all workers; default any number.
    pub requests_max: Option<u32>,
}

impl Upstream {
    /// What a URL of an integration leads to, with everything else as by default.
    #[must_use]
    pub fn of_origin(target: &UpstreamTarget) -> Self {
        let scheme = if target.tls.is_some() {
            "https"
        } else {
            "http"
        };
        Self {
            name: UpstreamName::new(&format!("{scheme}://{}:{}", target.host, target.port)),
            target: target.clone(),
            connect_timeout: Self::CONNECT_TIMEOUT,
            idle_per_worker_max: Self::IDLE_PER_WORKER_MAX,
            idle_timeout: Self::IDLE_TIMEOUT,
            requests_max: None,
        }
    }

    /// Default of [`Self::connect_timeout`].
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
    /// Default of [`Self::idle_per_worker_max`].
    pub const IDLE_PER_WORKER_MAX: usize = 64;
    /// Default of [`Self::idle_timeout`].
    pub const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
}

/// A URL that the gateway asks on its own account, not for a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Scheme, host and port.
    pub origin: UpstreamTarget,
    /// Path and query, starting with `/`.
    pub path: String,
}

/// What is asked of a backend's certificate; by default that the system's roots vouch for it and that
/// it is for the host of the URL.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendTls {
    /// Whether any root that the backend itself sends will do.
    pub any_authority: bool,
    /// Name that the certificate is for and that is sent as SNI, in lower case; `None` is the URL's
    /// host.
    pub server_name: Option<String>,
}

/// The parsed URL of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UpstreamTarget {
    /// How TLS is spoken; `None` is plaintext.
    pub tls: Option<BackendTls>,
    /// Host name or address, without brackets.
    pub host: String,
    /// Port; default 80 or 443.
    pub port: u16,
    /// What is put before every forwarded path; empty or starting with `/` and not ending with it.
    pub base_path: String,
}
