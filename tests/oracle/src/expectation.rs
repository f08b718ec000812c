//! What must become of a frame, by what etherparse read.
//!
//! Exactly one outcome is right for every frame.

use std::net::IpAddr;

use etherparse::{IpNumber, ip_number};
use gateway_common::address::{Address, KIND_BYTES, KIND_CONNECTIONS, KIND_OTHER, KIND_PACKETS};
use gateway_common::reason::{Family, Reason, Verdict};
use gateway_common::settings::Treatment;

use crate::reading::{Meaning, Packet, Payload, Reading};
use crate::site::{self, Charged, REPLY_PORTS, Site};

/// A verdict and its reason.
pub(crate) type Outcome = (Verdict, Reason);

/// What must become of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expectation {
    /// Verdict and reason.
    pub(crate) outcome: Outcome,
    /// The family it is counted under.
    pub(crate) family: Family,
    /// Who pays for it, if anybody.
    pub(crate) charged: Option<Charged>,
}

const NOT_OURS: Outcome = (Verdict::Pass, Reason::NotOurs);
const MALFORMED: Outcome = (Verdict::Drop, Reason::Malformed);
const FRAGMENT: Outcome = (Verdict::Drop, Reason::Fragment);
const UNPARSED: Outcome = (Verdict::Drop, Reason::UnparsedToUs);
const OTHER_TRAFFIC: Outcome = (Verdict::Drop, Reason::OtherTraffic);

impl Expectation {
    /// Derives it.
    #[must_use]
    pub(crate) fn of(reading: &Reading, site: Site) -> Self {
        match reading {
            Reading::NotIp => Self::plain(Family::Other, (Verdict::Pass, Reason::NotIp)),
            Reading::TagsTooDeep => Self::plain(Family::Other, UNPARSED),
            Reading::NoHeader(family) => Self::plain(*family, (Verdict::Pass, Reason::Malformed)),
            Reading::Packet(packet) => Self::of_packet(packet, site),
        }
    }

    const fn plain(family: Family, outcome: Outcome) -> Self {
        Self {
            outcome,
            family,
            charged: None,
        }
    }

    fn of_packet(packet: &Packet, site: Site) -> Self {
        let family = match packet.source {
            IpAddr::V4(_) => Family::Ipv4,
            IpAddr::V6(_) => Family::Ipv6,
        };
        if !site::listens(address(packet.destination)) {
            return Self::plain(family, NOT_OURS);
        }
        let role = if family == Family::Ipv6 && mapped(packet) {
            Role::Refused(MALFORMED)
        } else {
            role(packet.payload)
        };
        let charged = |kinds, reason| Self {
            charged: Some((kinds, address(packet.source))),
            ..Self::plain(family, (Verdict::Pass, reason))
        };
        let treatment = |kind: Kind| {
            site.0.map(|[tcp, udp, rest]| match kind {
                Kind::Tcp => tcp,
                Kind::Udp => udp,
                Kind::Rest => rest,
            })
        };
        match role {
            Role::Refused(outcome) => Self::plain(family, outcome),
            Role::Opens => charged(&[KIND_CONNECTIONS], Reason::NewConnection),
            Role::Goes => charged(&[KIND_PACKETS, KIND_BYTES], Reason::Admitted),
            Role::Passes => Self::plain(family, NOT_OURS),
            Role::HeldBack(kind) => match treatment(kind) {
                None | Some(Treatment::Pass) => Self::plain(family, NOT_OURS),
                Some(Treatment::Limit) => charged(&[KIND_OTHER], Reason::NotOurs),
                Some(Treatment::Drop) => Self::plain(family, OTHER_TRAFFIC),
            },
        }
    }
}

/// What a packet to an address of ours is.
enum Role {
    /// Refused by what it is, for the sake of a listener.
    Refused(Outcome),
    /// Opens a connection to a listener.
    Opens,
    /// Goes to a listener.
    Goes,
    /// For no listener, and never held back.
    Passes,
    /// For no listener, and held back where that is configured for its kind.
    HeldBack(Kind),
}

/// What other traffic is told apart by.
enum Kind {
    Tcp,
    Udp,
    Rest,
}

fn role(payload: Payload) -> Role {
    match payload {
        Payload::Contradictory(Some(protocol)) if !spoken(protocol) => Role::HeldBack(Kind::Rest),
        Payload::LaterFragment(protocol) if !spoken(protocol) => Role::HeldBack(Kind::Rest),
        Payload::TooDeep => Role::Refused(UNPARSED),
        Payload::LaterFragment(_)
        | Payload::ChainCut { fragment: true }
        | Payload::TransportCut { fragment: true } => Role::Refused(FRAGMENT),
        Payload::Contradictory(_)
        | Payload::ChainCut { fragment: false }
        | Payload::TransportCut { fragment: false } => Role::Refused(MALFORMED),
        Payload::Other { control: true } => Role::Passes,
        Payload::Other { control: false } => Role::HeldBack(Kind::Rest),
        // Port zero stands for any, so that what cannot be delivered is nobody's by mistake.
        Payload::Tcp { port: 0, .. }
        | Payload::TcpRefused { port: 0, .. }
        | Payload::Udp { port: 0, .. } => Role::Refused(MALFORMED),
        Payload::Tcp { port, flags } => match (port == site::PORT, flags.meaning()) {
            (true, Meaning::Nonsense) => Role::Refused(MALFORMED),
            (true, Meaning::Opens) => Role::Opens,
            (true, Meaning::Goes) => Role::Goes,
            (false, Meaning::Opens) => Role::HeldBack(Kind::Tcp),
            // The stack refuses nonsense itself.
            (false, Meaning::Goes | Meaning::Nonsense) => Role::Passes,
        },
        Payload::TcpRefused { port, fragment } => match (port == site::PORT, fragment) {
            (true, true) => Role::Refused(FRAGMENT),
            (true, false) => Role::Refused(MALFORMED),
            (false, true) => Role::HeldBack(Kind::Tcp),
            (false, false) => Role::Passes,
        },
        Payload::Udp { from, port, sound } => match (port == site::PORT, sound) {
            (true, true) => Role::Goes,
            (true, false) => Role::Refused(MALFORMED),
            (false, true) if from == 0 || !REPLY_PORTS.contains(&from) => Role::HeldBack(Kind::Udp),
            (false, _) => Role::Passes,
        },
    }
}

/// Whether a listener speaks it.
fn spoken(protocol: IpNumber) -> bool {
    matches!(protocol, ip_number::TCP | ip_number::UDP)
}

/// Whether an address is an IPv4 address in disguise, which no packet on a wire has.
fn mapped(packet: &Packet) -> bool {
    [packet.source, packet.destination]
        .into_iter()
        .any(|address| matches!(address, IpAddr::V6(address) if address.to_ipv4_mapped().is_some()))
}

fn address(address: IpAddr) -> Address {
    match address {
        IpAddr::V4(address) => Address::v4(address.to_bits()),
        IpAddr::V6(address) => Address::v6(address.octets()),
    }
}
