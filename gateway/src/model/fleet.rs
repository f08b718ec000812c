//! Several gateways with limits that hold across all of them.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use super::SecretText;

/// Gateways that share limits, and where they keep those.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fleet {
    /// What everything that they keep is called after; default `gateway`.
    pub name: String,
    /// How many they are, at most 1,000: what each goes on with of a limit while the store does not answer is
    /// its share of that.
    pub gateways: NonZeroU32,
    /// For how long what a gateway takes at once of a bucket lasts at the bucket's rate; default 100 ms.
    pub lease: Duration,
    /// After how long without a request what a gateway still has of a limit is given back; default 10 s.
    pub idle: Duration,
    /// Longest time that the store is given for an answer; default 250 ms.
    pub timeout: Duration,
    /// What becomes of requests while it gives none.
    pub unreachable: WithoutStore,
    /// Redis, or what speaks its protocol.
    pub redis: Redis,
}

/// What limits across gateways do while their store does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WithoutStore {
    /// Each gateway goes on with its share of every limit.
    #[default]
    Share,
    /// What they limit is refused.
    Refuse,
}

/// Servers that keep what gateways share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redis {
    /// How they belong together.
    pub layout: RedisLayout,
    /// Where they are: the one server, the sentinels, or some of a cluster; 1 to 32.
    pub servers: Vec<RedisServer>,
    /// Number of the database; 0 in a cluster.
    pub database: u16,
    /// Who the gateway is there; `None` is the server's default user.
    pub username: Option<String>,
    /// What proves it.
    pub password: Option<SecretText>,
    /// What proves it to the sentinels, which have passwords of their own.
    pub sentinel_password: Option<SecretText>,
    /// How it is made sure that the servers are the right ones; `None` is plaintext.
    pub tls: Option<RedisTls>,
}

/// How servers belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisLayout {
    /// One server.
    Standalone,
    /// The master of this name, as sentinels know it.
    Sentinel {
        /// Its name.
        master: String,
    },
    /// A cluster.
    Cluster,
}

/// TLS towards servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisTls {
    /// Certificates, as PEM, that may vouch for them; `None` means those of the host.
    pub authorities: Option<Authorities>,
}

/// Certificates that may vouch for servers.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorities {
    /// Where they were read.
    pub file: PathBuf,
    /// As PEM.
    pub pem: Vec<u8>,
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorities({})", self.file.display())
    }
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisServer {
    /// A name or an address.
    pub host: String,
    /// A port.
    pub port: u16,
}

impl fmt::Display for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Fleet {
    /// What it is called where nothing is said.
    pub const NAME: &str = "gateway";
    /// See [`Fleet::lease`].
    pub const LEASE: Duration = Duration::from_millis(100);
    /// See [`Fleet::idle`].
    pub const IDLE: Duration = Duration::from_secs(10);
    /// See [`Fleet::timeout`].
    pub const TIMEOUT: Duration = Duration::from_millis(250);
}

impl Redis {
    /// Where a server listens that says no port.
    pub const PORT: u16 = 6_379;
    /// Where a sentinel listens that says no port.
    pub const SENTINEL_PORT: u16 = 26_379;
}
