//! The kernel edge, and what stands in for it where there is none.

use std::collections::BTreeSet;

use gateway_common::limit::Limit;
use gateway_common::reason::Reason;

use super::{OtherTraffic, PenaltyRules, UnderAttack};

/// How packets are judged before they reach a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Whether XDP is used; default `auto`.
    pub mode: EdgeMode,
    /// Interfaces to attach to; default: those that carry a listener's address.
    pub interfaces: Vec<String>,
    /// How to attach; default `auto`.
    pub attach: AttachMode,
    /// What becomes of the programs when the gateway stops; default `keep`.
    pub on_exit: OnExit,
    /// What happens to packets for a listener's address whose transport header is out of reach;
    /// default `drop`.
    pub unparsed_to_us: UnparsedToUs,
    /// New connections per source; on by default, see the configuration reference.
    pub connections: Option<SourceRate>,
    /// Packets per source; off by default.
    pub packets: Option<SourceRate>,
    /// Bytes per source, Ethernet headers included; off by default.
    pub bytes: Option<SourceRate>,
    /// Rules that only count what they would drop, out of [`super::RULES`]; default none.
    pub monitor: BTreeSet<Reason>,
    /// Traffic to this host that is for no listener.
    pub other_traffic: OtherTraffic,
    /// What happens under attack.
    pub under_attack: UnderAttack,
    /// New connections that a penalised source keeps; default one per second, burst 2.
    pub trickle: SourceRate,
    /// When callers are penalised.
    pub penalties: PenaltyRules,
    /// Events per second and CPU; default 100.
    pub events_per_second: u32,
}

/// Whether XDP is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EdgeMode {
    /// Where possible; otherwise one line says what is missing.
    Auto,
    /// Always; the gateway does not start without.
    Required,
    /// Never.
    Off,
}

/// How a program is attached to an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachMode {
    /// In the driver where it can, else in the generic path.
    Auto,
    /// In the driver only.
    Native,
    /// In the generic path.
    Generic,
}

/// What becomes of the attached programs when the gateway stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnExit {
    /// They stay and keep judging.
    Keep,
    /// They are detached.
    Detach,
}

/// What happens to packets for us that cannot be parsed within the bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnparsedToUs {
    /// Dropped and counted.
    Drop,
    /// Passed and counted.
    Pass,
}

/// A limit per source, with that of its aggregate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceRate {
    /// Per IPv4 address or IPv6 /64.
    pub source: Limit,
    /// Per IPv4 /24 or IPv6 /48, charged only when the table has no room for the source; default
    /// sixteen times the source's rate and burst.
    pub aggregate: Limit,
    /// Units per second as configured, in millionths; decides whether the precise clock is needed.
    pub rate_micro_per_second: u64,
    /// Burst as configured.
    pub burst: u64,
}
