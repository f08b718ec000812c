//! The rules of the kernel edge beyond the limits that every listener shares.

use std::collections::BTreeSet;
use std::time::Duration;

use gateway_common::limit::Limit;
use gateway_common::reason::Reason;
use gateway_common::settings::Treatment;

use super::SourceRate;

/// The reasons that are rules: what a configuration may set to be monitored only. The others say
/// why a packet passes, or that the edge failed.
pub const RULES: [Reason; 12] = [
    Reason::Denied,
    Reason::Malformed,
    Reason::Fragment,
    Reason::UnparsedToUs,
    Reason::ConnectionRate,
    Reason::PacketRate,
    Reason::ByteRate,
    Reason::OtherTraffic,
    Reason::OtherRate,
    Reason::NewcomerConnections,
    Reason::NewcomerPackets,
    Reason::Penalised,
];

/// What a listener has for a limit that all listeners share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListenerRate {
    /// The shared limit, on the shared buckets.
    #[default]
    Shared,
    /// No limit.
    Off,
    /// A limit with buckets of its own.
    Own(SourceRate),
}

impl ListenerRate {
    /// The limit that holds for a listener, where `shared` is the one of all, and whether it is the
    /// listener's own.
    #[must_use]
    pub const fn resolve(self, shared: Option<SourceRate>) -> (Option<SourceRate>, bool) {
        match self {
            Self::Shared => (shared, false),
            Self::Off => (None, false),
            Self::Own(rate) => (Some(rate), true),
        }
    }
}

/// What one listener has instead of the rules that all share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListenerEdge {
    /// New connections per source.
    pub connections: ListenerRate,
    /// Packets per source.
    pub packets: ListenerRate,
    /// Bytes per source.
    pub bytes: ListenerRate,
    /// Rules that only count; `None` means those of [`super::Edge::monitor`].
    pub monitor: Option<BTreeSet<Reason>>,
}

/// A limit that many share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedRate {
    /// Of all together.
    pub limit: Limit,
    /// Units per second as configured, in millionths.
    pub rate_micro_per_second: u64,
    /// Burst as configured.
    pub burst: u64,
}

/// What becomes of traffic to this host that is for no listener, by protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Treatments {
    /// TCP: concerns SYNs without ACK only, so that replies are never touched.
    pub tcp: Treatment,
    /// UDP: concerns all but replies.
    pub udp: Treatment,
    /// The rest: concerns all but ICMP errors and neighbour discovery.
    pub rest: Treatment,
}

/// Traffic to this host that is for no listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherTraffic {
    /// What becomes of it; default all pass.
    pub treatments: Treatments,
    /// Interfaces that treat it otherwise, by name, in the order of the file.
    pub interfaces: Vec<(String, Treatments)>,
    /// UDP source ports whose packets count as replies, at most eight; default 53 and 123.
    pub udp_reply_ports: Vec<u16>,
    /// Packets per source where the treatment is `limit`.
    pub packets: SourceRate,
}

impl OtherTraffic {
    /// The treatments of an interface.
    #[must_use]
    pub fn on(&self, interface: &str) -> Treatments {
        let own = self.interfaces.iter().find(|(name, _)| name == interface);
        own.map_or(self.treatments, |(_, treatments)| *treatments)
    }

    /// Whether some of it is limited per source on some interface.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        let own = self.interfaces.iter().map(|(_, treatments)| treatments);
        own.chain([&self.treatments])
            .flat_map(|of| [of.tcp, of.udp, of.rest])
            .any(|treatment| treatment == Treatment::Limit)
    }
}

/// What happens under attack, and when that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnderAttack {
    /// SYNs for listeners within one second, of all sources together, from which on the gateway
    /// is under attack; `None`, the default, leaves that to whoever runs it.
    pub syns_per_second: Option<u32>,
    /// How long it stays under attack after the last second that had so many; default 60 s.
    pub hold: Duration,
    /// New connections that sources not vouched for share.
    pub newcomer_connections: SharedRate,
    /// Packets that sources not vouched for share.
    pub newcomer_packets: SharedRate,
    /// How long a source is vouched for after an authorized request; default one hour.
    pub vouch_for: Duration,
    /// Whether SYNs beyond the newcomers' budget are answered with SYN cookies.
    pub syn_cookies: bool,
}
