//! What must become of a frame, by what etherparse read.
//!
//! Exactly one outcome is right for every frame.

use std::net::IpAddr;

use etherparse::{IpNumber, ip_number};
use gateway_common::address::{Address, KIND_CONNECTIONS, KIND_PACKETS};
use gateway_common::reason::{Family, Reason, Verdict};

use crate::reading::{Flags, Packet, Payload, Reading};
use crate::site::{self, Charged};

/// A verdict and its reason.
pub(crate) type Outcome = (Verdict, Reason);

/// What must become of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expectation {
    /// Verdict and reason.
    pub(crate) outcome: Outcome,
    /// The family it is counted under.
    pub(crate) family: Family,
    /// Whose bucket pays for it, if any.
    pub(crate) charged: Option<Charged>,
    /// Whether it was read down to the ports of a listener.
    pub(crate) read_to_a_listener: bool,
}

const NOT_OURS: Outcome = (Verdict::Pass, Reason::NotOurs);
const MALFORMED: Outcome = (Verdict::Drop, Reason::Malformed);
const FRAGMENT: Outcome = (Verdict::Drop, Reason::Fragment);
const UNPARSED: Outcome = (Verdict::Drop, Reason::UnparsedToUs);

impl Expectation {
    /// Derives it.
    #[must_use]
    pub(crate) fn of(reading: &Reading) -> Self {
        match reading {
            Reading::NotIp => Self::plain(Family::Other, (Verdict::Pass, Reason::NotIp)),
            Reading::TagsTooDeep => Self::plain(Family::Other, UNPARSED),
            Reading::NoHeader(family) => Self::plain(*family, (Verdict::Pass, Reason::Malformed)),
            Reading::Packet(packet) => Self::of_packet(packet),
        }
    }

    const fn plain(family: Family, outcome: Outcome) -> Self {
        Self {
            outcome,
            family,
            charged: None,
            read_to_a_listener: false,
        }
    }

    fn of_packet(packet: &Packet) -> Self {
        let family = match packet.source {
            IpAddr::V4(_) => Family::Ipv4,
            IpAddr::V6(_) => Family::Ipv6,
        };
        let ours = site::listens(address(packet.destination));
        let is = |outcome| Self::plain(family, if ours { outcome } else { NOT_OURS });
        if family == Family::Ipv6 && mapped(packet) {
            return is(MALFORMED);
        }
        match packet.payload {
            Payload::Contradictory(Some(protocol)) if !spoken(protocol) => is(NOT_OURS),
            Payload::Contradictory(_) => is(MALFORMED),
            Payload::TooDeep => is(UNPARSED),
            Payload::ChainCut { fragment: true } => is(FRAGMENT),
            Payload::ChainCut { fragment: false } => is(MALFORMED),
            Payload::LaterFragment(protocol) | Payload::TransportCut { protocol, .. }
                if !spoken(protocol) =>
            {
                is(NOT_OURS)
            }
            Payload::LaterFragment(_) | Payload::TransportCut { fragment: true, .. } => {
                is(FRAGMENT)
            }
            Payload::TransportCut { .. } => is(MALFORMED),
            Payload::Other(_) => is(NOT_OURS),
            Payload::Tcp { port, .. }
            | Payload::TcpRefused { port, .. }
            | Payload::Udp { port, .. }
                if port != site::PORT && port != 0 =>
            {
                is(NOT_OURS)
            }
            Payload::TcpRefused {
                port: site::PORT,
                fragment: true,
            } => is(FRAGMENT),
            Payload::TcpRefused { .. }
            | Payload::Tcp { port: 0, .. }
            | Payload::Udp { port: 0, .. } => is(MALFORMED),
            _ if !ours => is(NOT_OURS),
            Payload::Tcp { flags, .. } => Self {
                read_to_a_listener: true,
                ..Self::of_segment(family, packet.source, flags)
            },
            Payload::Udp { sound, .. } => Self {
                read_to_a_listener: true,
                ..if sound {
                    Self::admitted(family, packet.source)
                } else {
                    is(MALFORMED)
                }
            },
        }
    }

    fn of_segment(family: Family, source: IpAddr, flags: Flags) -> Self {
        let honest =
            flags.syn && !flags.fin && !flags.rst || !flags.syn && (flags.ack || flags.rst);
        match flags {
            _ if !honest => Self::plain(family, MALFORMED),
            Flags {
                syn: true,
                ack: false,
                ..
            } => Self {
                charged: Some((KIND_CONNECTIONS, address(source))),
                ..Self::plain(family, (Verdict::Pass, Reason::NewConnection))
            },
            _ => Self::admitted(family, source),
        }
    }

    fn admitted(family: Family, source: IpAddr) -> Self {
        Self {
            charged: Some((KIND_PACKETS, address(source))),
            ..Self::plain(family, (Verdict::Pass, Reason::Admitted))
        }
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
