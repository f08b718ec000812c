//! The kernel edge.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::rules::{Events, Monitor, OtherTraffic, Penalties, UnderAttack};

/// How packets are judged before they reach a socket.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Xdp {
    /// Whether XDP is used. Default `auto`.
    pub(crate) mode: Option<Mode>,
    /// Interfaces to attach to. Default: those that carry a listener's address.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub(crate) interfaces: Vec<String>,
    /// How to attach. Default `auto`.
    pub(crate) attach: Option<Attach>,
    /// What becomes of the attached programs when the gateway stops. Default `keep`.
    pub(crate) on_exit: Option<OnExit>,
    /// What happens to packets for a listener whose transport header is out of reach. Default
    /// `drop`.
    pub(crate) unparsed_to_us: Option<UnparsedToUs>,
    /// New connections per source. Default: 100 per second, burst 1000.
    pub(crate) connections_per_source: Option<SourceLimit>,
    /// Packets per source. Default `off`.
    pub(crate) packets_per_source: Option<SourceLimit>,
    /// Bytes per source, Ethernet headers included. Default `off`.
    pub(crate) bytes_per_source: Option<SourceLimit>,
    /// Rules that only count what they would drop, by name, or `all`. Default none.
    pub(crate) monitor: Option<Monitor>,
    /// Traffic to this host that is for no listener.
    #[serde(default)]
    pub(crate) other_traffic: OtherTraffic,
    /// What happens under attack, and when that is.
    #[serde(default)]
    pub(crate) under_attack: UnderAttack,
    /// What penalised sources keep.
    #[serde(default)]
    pub(crate) penalties: Penalties,
    /// Samples of what is dropped.
    #[serde(default)]
    pub(crate) events: Events,
}

/// Whether XDP is used.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// Where possible; otherwise one line says what is missing.
    Auto,
    /// Always; the gateway does not start without.
    Required,
    /// Never.
    Off,
}

/// How a program is attached.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Attach {
    /// In the driver where it can, else in the generic path.
    Auto,
    /// In the driver only.
    Native,
    /// In the generic path.
    Generic,
}

/// What becomes of the programs when the gateway stops.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnExit {
    /// They stay and keep judging.
    Keep,
    /// They are detached.
    Detach,
}

/// What happens to packets that cannot be parsed within the bounds.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UnparsedToUs {
    /// Dropped and counted.
    Drop,
    /// Passed and counted.
    Pass,
}

/// A limit per source, or `off`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum SourceLimit {
    /// No limit.
    Off(Off),
    /// This limit.
    On(SourceRate),
}

/// The word `off`.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Off {
    /// No limit.
    Off,
}

/// A limit per source: an IPv4 address or an IPv6 /64.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceRate {
    /// Per second, whole or fraction.
    pub(crate) rate: Number,
    /// How many may come at once from idle.
    pub(crate) burst: u64,
    /// Limit of a whole neighbourhood (an IPv4 /24 or IPv6 /48), charged only when the table has
    /// no room for the source. Default: sixteen times rate and burst.
    pub(crate) aggregate: Option<Rate>,
}

/// A rate with a burst.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rate {
    /// Per second, whole or fraction.
    pub(crate) rate: Number,
    /// How many may come at once from idle.
    pub(crate) burst: u64,
}

/// A number per second.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Number(pub(crate) f64);

impl JsonSchema for Number {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Number".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number" })
    }
}
