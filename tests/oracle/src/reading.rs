//! A frame as etherparse reads it, header by header.
//!
//! Which headers follow each other is decided here, by the numbers that Linux itself follows;
//! where each header ends and what it says is etherparse's word. Etherparse gives no fields of a
//! header that it refuses; of those the few that decide whom a packet is for are read from their
//! fixed places.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::err::tcp;
use etherparse::{
    EtherType, Ethernet2Slice, IpAuthHeaderSlice, IpNumber, Ipv4HeaderSlice,
    Ipv6FragmentHeaderSlice, Ipv6HeaderSlice, Ipv6RawExtHeaderSlice, SingleVlanSlice,
    TcpHeaderSlice, UdpHeaderSlice, ether_type, icmpv4, icmpv6, ip_number,
};
use gateway_common::reason::Family;

const TAGS_MAX: usize = 4;
const EXTENSIONS_MAX: usize = 8;
/// RFC 3810, which etherparse does not name.
const MULTICAST_LISTENER_REPORT_V2: u8 = 143;
const IPV4_LENGTH: usize = 20;
const IPV6_LENGTH: usize = 40;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Neither IPv4 nor IPv6, or cut within the link header.
    NotIp,
    /// A fifth VLAN tag.
    TagsTooDeep,
    /// Cut within the addresses.
    NoHeader(Family),
    /// A packet.
    Packet(Packet),
}

/// A packet whose addresses were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    /// Source address.
    pub(crate) source: IpAddr,
    /// Destination address.
    pub(crate) destination: IpAddr,
    /// What it carries.
    pub(crate) payload: Payload,
    /// Bytes up to the end of the fixed header.
    pub(crate) until: usize,
}

/// What a packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    /// The IP header is of another version, or its lengths contradict each other or the frame; with
    /// the protocol that an IPv4 header names.
    Contradictory(Option<IpNumber>),
    /// A ninth extension header.
    TooDeep,
    /// An extension header runs beyond the payload; whether of a fragment.
    ChainCut { fragment: bool },
    /// A fragment other than the first.
    LaterFragment(IpNumber),
    /// Neither TCP nor UDP; whether an ICMP message that must never be judged.
    Other { control: bool },
    /// Too short for the transport header's fixed part; whether a first fragment.
    TransportCut { fragment: bool },
    /// A segment whose data offset points before or beyond itself; whether beyond the end of a first
    /// fragment.
    TcpRefused { port: u16, fragment: bool },
    /// A segment.
    Tcp { port: u16, flags: Flags },
    /// A datagram; whether its length is possible.
    Udp { from: u16, port: u16, sound: bool },
}

/// TCP flags that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flags {
    /// SYN.
    pub(crate) syn: bool,
    /// ACK.
    pub(crate) ack: bool,
    /// RST.
    pub(crate) rst: bool,
    /// FIN.
    pub(crate) fin: bool,
}

/// What a combination of flags means to a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A new connection.
    Opens,
    /// Some segment of a connection, or the refusal of one.
    Goes,
    /// Nothing that an honest stack sends.
    Nonsense,
}

impl Flags {
    pub(crate) fn meaning(self) -> Meaning {
        match (self.syn, self.ack, self.rst, self.fin) {
            (true, _, true, _) | (true, _, _, true) | (false, false, false, _) => Meaning::Nonsense,
            (true, false, false, false) => Meaning::Opens,
            _ => Meaning::Goes,
        }
    }
}

impl Reading {
    /// Reads a frame.
    #[must_use]
    pub(crate) fn of(frame: &[u8]) -> Self {
        let Ok(ethernet) = Ethernet2Slice::from_slice_without_fcs(frame) else {
            return Self::NotIp;
        };
        let mut kind = ethernet.ether_type();
        let mut rest = ethernet.payload_slice();
        let mut tags = 0;
        while is_tag(kind) {
            if tags == TAGS_MAX {
                return Self::TagsTooDeep;
            }
            let Ok(tag) = SingleVlanSlice::from_slice(rest) else {
                return Self::NotIp;
            };
            kind = tag.ether_type();
            rest = tag.payload_slice();
            tags += 1;
        }
        let offset = frame.len() - rest.len();
        match kind {
            ether_type::IPV4 => ipv4(rest, offset + IPV4_LENGTH),
            ether_type::IPV6 => ipv6(rest, offset + IPV6_LENGTH),
            _ => Self::NotIp,
        }
    }

    /// Bytes up to the end of the addresses, or of what stands in their place.
    #[must_use]
    pub(crate) const fn addressed_until(&self) -> usize {
        match self {
            // Nothing that is cut off changes what these are, except into one another.
            Self::NotIp | Self::TagsTooDeep | Self::NoHeader(_) => usize::MAX,
            Self::Packet(packet) => packet.until,
        }
    }
}

/// The tags that Linux takes for VLAN tags; etherparse also knows 0x9100.
fn is_tag(kind: EtherType) -> bool {
    matches!(
        kind,
        ether_type::VLAN_TAGGED_FRAME | ether_type::PROVIDER_BRIDGING
    )
}

fn ipv4(packet: &[u8], until: usize) -> Reading {
    if packet.len() < IPV4_LENGTH {
        return Reading::NoHeader(Family::Ipv4);
    }
    let Ok(header) = Ipv4HeaderSlice::from_slice(packet) else {
        let protocol = at::<1>(packet, 9).map(|[number]| IpNumber(number));
        return Reading::Packet(Packet {
            source: Ipv4Addr::from(at(packet, 12).unwrap_or_default()).into(),
            destination: Ipv4Addr::from(at(packet, 16).unwrap_or_default()).into(),
            payload: Payload::Contradictory(protocol),
            until,
        });
    };
    let protocol = header.protocol();
    let length = usize::from(header.total_len());
    let fragment = header.more_fragments();
    let payload = match packet.get(header.slice().len()..length) {
        None => Payload::Contradictory(Some(protocol)),
        Some(_) if header.fragments_offset().value() != 0 => Payload::LaterFragment(protocol),
        Some(payload) => transport(protocol, payload, fragment, Family::Ipv4),
    };
    Reading::Packet(Packet {
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        payload,
        until,
    })
}

fn ipv6(packet: &[u8], until: usize) -> Reading {
    if packet.len() < IPV6_LENGTH {
        return Reading::NoHeader(Family::Ipv6);
    }
    let Ok(header) = Ipv6HeaderSlice::from_slice(packet) else {
        return Reading::Packet(Packet {
            source: Ipv6Addr::from(at(packet, 8).unwrap_or_default()).into(),
            destination: Ipv6Addr::from(at(packet, 24).unwrap_or_default()).into(),
            payload: Payload::Contradictory(None),
            until,
        });
    };
    let end = IPV6_LENGTH + usize::from(header.payload_length());
    let payload = match packet.get(IPV6_LENGTH..end) {
        None => Payload::Contradictory(None),
        Some(payload) => chain(header.next_header(), payload),
    };
    Reading::Packet(Packet {
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        payload,
        until,
    })
}

/// Follows the extension headers that Linux follows on the way to a transport header.
fn chain(first: IpNumber, payload: &[u8]) -> Payload {
    let (mut next, mut rest, mut fragment) = (first, payload, false);
    for walked in 0.. {
        if walked == EXTENSIONS_MAX && is_extension(next) {
            break;
        }
        let read = match next {
            ip_number::IPV6_HOP_BY_HOP | ip_number::IPV6_ROUTE | ip_number::IPV6_DEST_OPTIONS => {
                Ipv6RawExtHeaderSlice::from_slice(rest)
                    .ok()
                    .map(|header| (header.next_header(), header.slice().len()))
            }
            ip_number::IPV6_FRAG => match Ipv6FragmentHeaderSlice::from_slice(rest) {
                Ok(header) if header.fragment_offset().value() != 0 => {
                    return Payload::LaterFragment(header.next_header());
                }
                Ok(header) => {
                    fragment |= header.more_fragments();
                    Some((header.next_header(), header.slice().len()))
                }
                Err(_) => None,
            },
            ip_number::AUTH => authentication(rest),
            _ => return transport(next, rest, fragment, Family::Ipv6),
        };
        let Some((following, length)) = read else {
            return Payload::ChainCut { fragment };
        };
        next = following;
        rest = rest.get(length..).unwrap_or_default();
    }
    Payload::TooDeep
}

fn is_extension(number: IpNumber) -> bool {
    matches!(
        number,
        ip_number::IPV6_HOP_BY_HOP
            | ip_number::IPV6_ROUTE
            | ip_number::IPV6_FRAG
            | ip_number::AUTH
            | ip_number::IPV6_DEST_OPTIONS
    )
}

/// What follows an authentication header, and its length.
///
/// Linux walks one of eight bytes, too short for its own fixed part; etherparse refuses it.
fn authentication(rest: &[u8]) -> Option<(IpNumber, usize)> {
    match (IpAuthHeaderSlice::from_slice(rest), at::<8>(rest, 0)) {
        (Ok(header), _) => Some((header.next_header(), header.slice().len())),
        (Err(_), Some([next, 0, ..])) => Some((IpNumber(next), 8)),
        (Err(_), _) => None,
    }
}

fn at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

fn transport(protocol: IpNumber, payload: &[u8], fragment: bool, family: Family) -> Payload {
    let cut = Payload::TransportCut { fragment };
    match protocol {
        ip_number::TCP => match (TcpHeaderSlice::from_slice(payload), at::<20>(payload, 0)) {
            (Ok(header), _) => Payload::Tcp {
                port: header.destination_port(),
                flags: Flags {
                    syn: header.syn(),
                    ack: header.ack(),
                    rst: header.rst(),
                    fin: header.fin(),
                },
            },
            (Err(error), Some([_, _, high, low, ..])) => Payload::TcpRefused {
                port: u16::from_be_bytes([high, low]),
                fragment: fragment && matches!(error, tcp::HeaderSliceError::Len(_)),
            },
            (Err(_), None) => cut,
        },
        ip_number::UDP => match UdpHeaderSlice::from_slice(payload) {
            Ok(header) => {
                let length = usize::from(header.length());
                Payload::Udp {
                    from: header.source_port(),
                    port: header.destination_port(),
                    sound: length >= 8 && (length <= payload.len() || fragment),
                }
            }
            Err(_) => cut,
        },
        _ => Payload::Other {
            control: is_control(protocol, payload, family),
        },
    }
}

/// Whether this is an ICMP error, neighbour discovery or a report of multicast listeners.
fn is_control(protocol: IpNumber, payload: &[u8], family: Family) -> bool {
    let Some([kind, _code]) = at(payload, 0) else {
        return false;
    };
    match (family, protocol) {
        (Family::Ipv4, ip_number::ICMP) => matches!(
            kind,
            icmpv4::TYPE_DEST_UNREACH
                | icmpv4::TYPE_SOURCE_QUENCH
                | icmpv4::TYPE_REDIRECT
                | icmpv4::TYPE_TIME_EXCEEDED
                | icmpv4::TYPE_PARAMETER_PROBLEM
        ),
        (Family::Ipv6, ip_number::IPV6_ICMP) => matches!(
            kind,
            icmpv6::TYPE_DST_UNREACH
                | icmpv6::TYPE_PACKET_TOO_BIG
                | icmpv6::TYPE_TIME_EXCEEDED
                | icmpv6::TYPE_PARAMETER_PROBLEM
                | icmpv6::TYPE_MULTICAST_LISTENER_QUERY
                ..=icmpv6::TYPE_REDIRECT_MESSAGE | MULTICAST_LISTENER_REPORT_V2
        ),
        _ => false,
    }
}
