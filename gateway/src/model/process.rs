//! The process as a whole.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use super::{
    Api, ApiKeySettings, Authorizer, Aws, BucketTables, Domain, Edge, Fleet, Identity,
    InstanceName, Listener, Lists, Lookup, OAuthClient, PolicySet, PolicyStore, Prefix, Throttle,
    Upstream, UpstreamTarget, UsagePlan,
};

/// One complete, consistent configuration.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Name of this gateway on its host; default `default`.
    pub instance: InstanceName,
    /// What ARNs and hosts of its APIs have in common.
    pub identity: Identity,
    /// User to run as after start; `None` keeps the one that started the gateway.
    pub user: Option<String>,
    /// Group to run as after start; `None` means the user's own.
    pub group: Option<String>,
    /// Worker threads; default one per CPU this process may use.
    pub workers: NonZeroUsize,
    /// Directory of the admin socket and, without BPF, of the mapped buckets; default
    /// `/run/gateway/<instance>`.
    pub runtime_directory: PathBuf,
    /// Directory of what outlives a reboot, such as the lists kept by hand; default
    /// `/var/lib/gateway/<instance>`.
    pub state_directory: PathBuf,
    /// How long a stopping gateway waits for its requests; default 30 s.
    pub drain_timeout: Duration,
    /// Bytes that all buffered bodies together may occupy; default 256 MiB. Beyond it requests
    /// that need a buffer get 503.
    pub body_memory_bytes_max: u64,
    /// Bytes that remembered decisions of all authorizers together may occupy; default 64 MiB. An
    /// eighth of it comes on top for what is refused.
    pub decision_bytes_max: u64,
    /// How many buckets there are.
    pub buckets: BucketTables,
    /// API keys.
    pub api_keys: ApiKeySettings,
    /// How often all APIs together may be called; with the quotas of the service default 10,000 per second
    /// and 5,000 at once, else none.
    pub throttle: Option<Throttle>,
    /// The gateways that it shares limits with; `None` where it shares none.
    pub fleet: Option<Fleet>,
    /// Listeners in the order of the file, 1 to 64.
    pub listeners: Vec<Listener>,
    /// The kernel edge.
    pub edge: Edge,
    /// Lists of addresses.
    pub lists: Lists,
    /// Authorizers in the order of the file.
    pub authorizers: Vec<Authorizer>,
    /// How services of AWS are called; `None` where none may be.
    pub aws: Option<Aws>,
    /// Clients of authorization servers in the order of the file.
    pub oauth_clients: Vec<OAuthClient>,
    /// Lookups in the order of the file.
    pub lookups: Vec<Lookup>,
    /// Policy stores in the order of the file.
    pub policy_stores: Vec<PolicyStore>,
    /// Policy sets in the order of the file.
    pub policies: Vec<PolicySet>,
    /// Upstreams in the order of the file.
    pub upstreams: Vec<Upstream>,
    /// APIs in the order of the file.
    pub apis: Vec<Api>,
    /// Usage plans in the order of the file.
    pub usage_plans: Vec<UsagePlan>,
    /// Custom domains in the order of the file.
    pub domains: Vec<Domain>,
    /// Logs and metrics.
    pub telemetry: Telemetry,
    /// The admin socket.
    pub admin: Admin,
}

impl Gateway {
    /// Every server that the gateway asks on its own account while it answers requests.
    pub fn origins(&self) -> impl Iterator<Item = &UpstreamTarget> {
        let authorizers = self.authorizers.iter().flat_map(Authorizer::remotes);
        let remotes = authorizers.chain(self.policies.iter().flat_map(PolicySet::remotes));
        let origins = remotes.map(|remote| &remote.origin);
        origins.chain(self.lookups.iter().filter_map(Lookup::origin))
    }

    /// The proxies of all listeners, to whose packets the kernel edge applies neither lists nor limits;
    /// without a prefix that is everybody.
    #[must_use]
    pub fn proxies(&self) -> Vec<Prefix> {
        let proxies = self.listeners.iter().flat_map(Listener::proxies);
        let mut proxies: Vec<Prefix> = proxies.filter(|prefix| prefix.length() > 0).collect();
        proxies.sort_unstable();
        proxies.dedup();
        proxies
    }
}

/// Where a gateway keeps what belongs to it on its host: what leads to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whereabouts {
    /// Its name; default `default`.
    pub instance: InstanceName,
    /// See [`Gateway::runtime_directory`].
    pub runtime_directory: PathBuf,
    /// See [`Gateway::state_directory`].
    pub state_directory: PathBuf,
    /// Path of its admin socket; default `admin.sock` in its runtime directory.
    pub admin_socket: PathBuf,
}

/// Logs and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telemetry {
    /// Where access-log records go.
    pub access_log: LogOutput,
    /// Where the steps of requests go that stages have followed.
    pub execution_log: LogOutput,
    /// Where Prometheus scrapes; loopback addresses only. `None` turns it off.
    pub metrics: Option<SocketAddr>,
    /// Requests of which `gateway explain --request-id` knows what became of them; default 100,000.
    pub recent_requests: usize,
}

impl Telemetry {
    /// Default of [`Self::recent_requests`].
    pub const RECENT_REQUESTS: usize = 100_000;
}

/// Where the records of a log go, one JSON object per line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogOutput {
    /// Nowhere.
    Off,
    /// Standard output.
    Stdout,
    /// Appended to a file, which is reopened on reload.
    File(PathBuf),
}

/// The Unix socket of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Path; default `<runtime_directory>/admin.sock`. Mode 0660; peers must be root, the user or
    /// a member of the group the gateway runs as.
    pub socket: PathBuf,
}
