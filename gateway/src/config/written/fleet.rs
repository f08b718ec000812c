//! Gateways that share limits.

use schemars::JsonSchema;
use serde::Deserialize;

use super::DurationText;

/// Gateways that share limits: those that say `across_fleet: true`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fleet {
    /// What everything that they keep in Redis is called after: 1 to 64 letters, digits, `_` and `-`, the
    /// same for all of them. Default `gateway`.
    pub(crate) name: Option<String>,
    /// How many they are. While Redis does not answer, each goes on with this part of every limit.
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) gateways: u32,
    /// For how long what a gateway takes at once of a throttle lasts at the throttle's rate: 1ms to 10s.
    /// Default 100ms.
    pub(crate) lease: Option<DurationText>,
    /// After how long without a request a gateway gives back what it still has: 1s to 1h. Default 10s.
    pub(crate) idle: Option<DurationText>,
    /// Longest time that Redis is given for an answer: 10ms to 10s. Default 250ms.
    pub(crate) timeout: Option<DurationText>,
    /// What becomes of requests while it gives none: each gateway goes on with its part of the limits
    /// (`share`), or what they limit is refused (`refuse`). Default `share`.
    pub(crate) unreachable: Option<WithoutStore>,
    /// Where what they share is kept.
    pub(crate) redis: Redis,
}

/// What limits do while Redis does not answer.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WithoutStore {
    /// Each gateway has its part.
    Share,
    /// Nobody has anything.
    Refuse,
}

/// Redis, from 7.0 on, or Valkey.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Redis {
    /// Where it is, such as `10.0.0.5:6379`: the one server, the sentinels, or some nodes of the cluster.
    #[schemars(extend("minItems" = 1), length(max = 32))]
    pub(crate) servers: Vec<String>,
    /// Name of the master, where `servers` are sentinels. Default: they are none.
    pub(crate) sentinel_master: Option<String>,
    /// Whether `servers` are of a cluster. Default false.
    #[serde(default)]
    pub(crate) cluster: bool,
    /// Number of the database, which a cluster has only one of. Default 0.
    pub(crate) database: Option<u16>,
    /// Who the gateway is there. Default: the server's default user.
    pub(crate) username: Option<String>,
    /// File whose content proves it. Default: nothing does.
    pub(crate) password_file: Option<String>,
    /// File whose content proves it to sentinels. Default: nothing does.
    pub(crate) sentinel_password_file: Option<String>,
    /// TLS towards all servers. Default: plaintext.
    pub(crate) tls: Option<RedisTls>,
}

/// TLS towards Redis.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RedisTls {
    /// File with the certificates, as PEM, one of which has to vouch for the servers. Default: those of the
    /// host.
    pub(crate) ca_file: Option<String>,
}
