//! The rules of the kernel edge beyond the limits per source.

use schemars::JsonSchema;
use serde::Deserialize;

use super::xdp::{Off, Rate, SourceLimit, SourceRate};
use super::{DurationText, Named};

/// What the kernel edge does otherwise for one listener.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListenerXdp {
    /// New connections per source, counted for this listener alone. Default: as for all.
    pub(crate) connections_per_source: Option<SourceLimit>,
    /// Packets per source, counted for this listener alone. Default: as for all.
    pub(crate) packets_per_source: Option<SourceLimit>,
    /// Bytes per source, counted for this listener alone. Default: as for all.
    pub(crate) bytes_per_source: Option<SourceLimit>,
    /// Rules that only count what they would drop, instead of those under `xdp`: names, or `all`;
    /// an empty list enforces every rule.
    pub(crate) monitor: Option<Monitor>,
}

/// Rules that only count what they would drop.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Monitor {
    /// Every rule.
    All(All),
    /// These rules.
    Rules(Vec<Rule>),
}

/// The word `all`.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum All {
    /// Every rule.
    All,
}

/// A rule, by the reason that its drops are counted under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Rule {
    /// The source is on a deny list.
    Denied,
    /// Lengths or TCP flags that no honest stack sends.
    Malformed,
    /// A fragment without transport header.
    Fragment,
    /// A transport header out of reach.
    UnparsedToUs,
    /// `connections_per_source`.
    ConnectionRate,
    /// `packets_per_source`.
    PacketRate,
    /// `bytes_per_source`.
    ByteRate,
    /// `other_traffic` where it says `drop`.
    OtherTraffic,
    /// `other_traffic` where it says `limit`.
    OtherRate,
    /// `under_attack.newcomers.connections`.
    NewcomerConnections,
    /// `under_attack.newcomers.packets`.
    NewcomerPackets,
    /// Flows of a key whose offences are not yet paid for.
    Penalised,
}

/// Traffic to this host that is for no listener.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OtherTraffic {
    /// New TCP connections. Default `pass`.
    pub(crate) tcp: Option<Treatment>,
    /// UDP, except replies. Default `pass`.
    pub(crate) udp: Option<Treatment>,
    /// Everything else, except ICMP errors and neighbour discovery. Default `pass`.
    pub(crate) rest: Option<Treatment>,
    /// UDP source ports whose packets count as replies. Default 53 and 123.
    #[schemars(length(max = 8), inner(range(min = 1, max = 65535)))]
    pub(crate) udp_reply_ports: Option<Vec<u16>>,
    /// Packets per source where the treatment is `limit`. Default: 100 per second, burst 1000.
    pub(crate) packets_per_source: Option<SourceRate>,
    /// Interfaces that treat it otherwise, by name.
    #[serde(default)]
    pub(crate) interfaces: Named<Treatments>,
}

/// What one interface does with other traffic. What is left out is as for all.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Treatments {
    /// New TCP connections.
    pub(crate) tcp: Option<Treatment>,
    /// UDP, except replies.
    pub(crate) udp: Option<Treatment>,
    /// Everything else, except ICMP errors and neighbour discovery.
    pub(crate) rest: Option<Treatment>,
}

/// What becomes of traffic that is for no listener.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Treatment {
    /// It passes.
    Pass,
    /// It passes within `packets_per_source`.
    Limit,
    /// It is dropped.
    Drop,
}

/// What happens under attack, and when that is.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UnderAttack {
    /// New connections of all sources within one second from which on the gateway is under attack.
    /// Default `off`: only `gateway attack on` says so.
    pub(crate) syns_per_second: Option<SynThreshold>,
    /// How long that lasts after the last such second: 1s to 1h. Default 60s.
    pub(crate) hold: Option<DurationText>,
    /// What sources not vouched for share.
    #[serde(default)]
    pub(crate) newcomers: Newcomers,
    /// How long a source is vouched for after an authorized request: 1m to 24h. Default 1h.
    pub(crate) vouch_for: Option<DurationText>,
    /// Whether new connections beyond the newcomers' share are answered with SYN cookies. Default
    /// false.
    pub(crate) syn_cookies: Option<bool>,
}

/// From how many new connections within one second on, or `off`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum SynThreshold {
    /// Never.
    Off(Off),
    /// From so many on.
    From(#[schemars(range(min = 1, max = 1_000_000_000))] u32),
}

/// What sources not vouched for share under attack.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Newcomers {
    /// New connections. Default: 500 per second, burst 1000.
    pub(crate) connections: Option<Rate>,
    /// Other packets. Default: 25000 per second, burst 50000.
    pub(crate) packets: Option<Rate>,
}

/// What becomes of callers who go on although they were told to wait, or show credentials that are none.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Penalties {
    /// Whether anybody is penalised. Default `off`.
    pub(crate) mode: Option<PenaltyMode>,
    /// Offences of a key from one source, or of a source alone, that cost nothing. Default: 1 per second,
    /// burst 20.
    pub(crate) offences: Option<Rate>,
    /// How long a source is cut off the first time: 1s to 10m. Default 10s.
    pub(crate) first: Option<DurationText>,
    /// How long at most: `first` to 10m. Default 10m.
    pub(crate) most: Option<DurationText>,
    /// New connections of a penalised source. Default: 1 per second, burst 2.
    pub(crate) trickle: Option<SourceRate>,
    /// TLS handshakes of a penalised source that no authorized request has followed. Default: 20 per second,
    /// burst 100.
    pub(crate) handshakes: Option<Rate>,
}

/// Whether anybody is penalised.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PenaltyMode {
    /// Nobody.
    Off,
    /// Nobody, and the access log says who would be.
    Monitor,
    /// Whoever has earned it.
    Enforce,
}

/// Samples of what is dropped.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Events {
    /// Events per second and CPU. Default 100.
    #[schemars(range(min = 1, max = 10_000))]
    pub(crate) per_second: Option<u32>,
}
