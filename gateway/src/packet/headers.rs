//! The headers of a frame, for people.
//!
//! Reads as much as there is of whatever came in: the start of a frame, or a frame that no honest
//! stack sends, which is what one looks at a dropped packet for. A field that cannot be read is
//! absent, never guessed.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::{IpNumber, LaxIpv4Slice, LaxIpv6Slice};

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const ETHERTYPES_VLAN: [u16; 2] = [0x8100, 0x88a8];
/// Bytes of both link addresses.
const LINK_ADDRESSES: usize = 12;
/// Tags that are read; more than the kernel edge reads, so that one sees why it stopped.
const VLAN_TAGS_MAX: usize = 16;

/// Bits and letters of the flags of TCP, in the order in which they are written: as `tcpdump`
/// abbreviates them, but for `A`, which it writes as a dot.
pub const TCP_FLAGS: [(u8, char); 8] = [
    (0x02, 'S'),
    (0x01, 'F'),
    (0x04, 'R'),
    (0x08, 'P'),
    (0x10, 'A'),
    (0x20, 'U'),
    (0x40, 'E'),
    (0x80, 'W'),
];

/// What the headers say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    /// Numbers of the VLANs, the outermost first.
    pub vlans: Vec<u16>,
    /// EtherType behind the tags.
    pub ethertype: Option<u16>,
    /// Source address.
    pub source: Option<IpAddr>,
    /// Destination address.
    pub destination: Option<IpAddr>,
    /// IP protocol number behind extension headers.
    pub protocol: Option<u8>,
    /// Which part of a datagram this is, where it is not the whole.
    pub fragment: Option<Fragment>,
    /// Source and destination port of TCP and UDP.
    pub ports: Option<(u16, u16)>,
    /// Flags of TCP, by their bits.
    pub tcp_flags: Option<u8>,
    /// Type and code of ICMP and ICMPv6.
    pub icmp: Option<(u8, u8)>,
}

/// Part of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Its first byte within the datagram's payload.
    pub offset: u32,
    /// Whether more follow.
    pub more: bool,
}

impl Headers {
    /// Reads a frame, or its start.
    #[must_use]
    pub fn of(frame: &[u8]) -> Self {
        let mut headers = Self::default();
        let mut rest = frame.get(LINK_ADDRESSES..).unwrap_or_default();
        while let Some((kind, behind)) = split_u16(rest) {
            rest = behind;
            if ETHERTYPES_VLAN.contains(&kind) && headers.vlans.len() < VLAN_TAGS_MAX {
                let Some((tag, behind)) = split_u16(rest) else {
                    break;
                };
                headers.vlans.push(tag & 0x0fff);
                rest = behind;
            } else {
                headers.ethertype = Some(kind);
                break;
            }
        }
        match headers.ethertype {
            Some(ETHERTYPE_IPV4) => headers.read_ipv4(rest),
            Some(ETHERTYPE_IPV6) => headers.read_ipv6(rest),
            _ => {}
        }
        headers
    }

    /// The flags of TCP in letters: `S`, `SA`, `FPU`; a dash where none is set.
    #[must_use]
    pub fn flag_letters(&self) -> Option<String> {
        let flags = self.tcp_flags?;
        let set = TCP_FLAGS.iter().filter(|(bit, _)| flags & bit != 0);
        let letters: String = set.map(|(_, letter)| letter).collect();
        Some(if letters.is_empty() {
            "-".to_owned()
        } else {
            letters
        })
    }

    /// The protocol's name, or its number.
    #[must_use]
    pub fn protocol_name(&self) -> Option<String> {
        Some(match self.protocol? {
            1 => "icmp".to_owned(),
            6 => "tcp".to_owned(),
            17 => "udp".to_owned(),
            58 => "icmpv6".to_owned(),
            number => format!("protocol {number}"),
        })
    }

    // The addresses stand where they stand whatever else is wrong with the header.
    fn read_ipv4(&mut self, bytes: &[u8]) {
        let address = |at: usize| Some(Ipv4Addr::from(*bytes.get(at..)?.first_chunk::<4>()?));
        self.source = address(12).map(IpAddr::V4);
        self.destination = address(16).map(IpAddr::V4);
        self.protocol = bytes.get(9).copied();
        let Ok((packet, _stopped)) = LaxIpv4Slice::from_slice(bytes) else {
            return;
        };
        let header = packet.header();
        if header.is_fragmenting_payload() {
            self.fragment = Some(Fragment {
                offset: u32::from(header.fragments_offset().byte_offset()),
                more: header.more_fragments(),
            });
        }
        let payload = packet.payload();
        self.read_transport(payload.ip_number, payload.payload);
    }

    fn read_ipv6(&mut self, bytes: &[u8]) {
        let address = |at: usize| Some(Ipv6Addr::from(*bytes.get(at..)?.first_chunk::<16>()?));
        self.source = address(8).map(IpAddr::V6);
        self.destination = address(24).map(IpAddr::V6);
        self.protocol = bytes.get(6).copied();
        let Ok((packet, _stopped)) = LaxIpv6Slice::from_slice(bytes) else {
            return;
        };
        for extension in packet.extensions().clone() {
            if let etherparse::Ipv6ExtensionSlice::Fragment(fragment) = extension
                && self.fragment.is_none()
                && fragment.is_fragmenting_payload()
            {
                self.fragment = Some(Fragment {
                    offset: u32::from(fragment.fragment_offset().byte_offset()),
                    more: fragment.more_fragments(),
                });
            }
        }
        let payload = packet.payload();
        self.read_transport(payload.ip_number, payload.payload);
    }

    // By hand, because a header with impossible lengths still names its ports.
    fn read_transport(&mut self, protocol: IpNumber, bytes: &[u8]) {
        self.protocol = Some(protocol.0);
        if self.fragment.is_some_and(|fragment| fragment.offset != 0) {
            return;
        }
        let ports = || {
            let (source, rest) = split_u16(bytes)?;
            Some((source, split_u16(rest)?.0))
        };
        match protocol {
            IpNumber::TCP => {
                self.ports = ports();
                self.tcp_flags = bytes.get(13).copied();
            }
            IpNumber::UDP => self.ports = ports(),
            IpNumber::ICMP | IpNumber::IPV6_ICMP => {
                self.icmp = match bytes {
                    [kind, code, ..] => Some((*kind, *code)),
                    _ => None,
                };
            }
            _ => {}
        }
    }
}

fn split_u16(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (first, rest) = bytes.split_first_chunk()?;
    Some((u16::from_be_bytes(*first), rest))
}

impl fmt::Display for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = |address: Option<IpAddr>, port: Option<u16>| match (address, port) {
            (None, _) => "?".to_owned(),
            (Some(address), None) => address.to_string(),
            (Some(address), Some(port)) => std::net::SocketAddr::new(address, port).to_string(),
        };
        if self.source.is_some() || self.destination.is_some() {
            let (from, to) = self.ports.unzip();
            write!(
                f,
                "{} > {}",
                end(self.source, from),
                end(self.destination, to)
            )?;
        } else if let Some(ethertype) = self.ethertype {
            write!(f, "ethertype {ethertype:#06x}")?;
        } else {
            write!(f, "no readable header")?;
        }
        if let Some(protocol) = self.protocol_name() {
            write!(f, " {protocol}")?;
        }
        if let Some(flags) = self.flag_letters() {
            write!(f, " [{flags}]")?;
        }
        if let Some((kind, code)) = self.icmp {
            write!(f, " type {kind} code {code}")?;
        }
        if let Some(Fragment { offset, more }) = self.fragment {
            write!(f, " fragment at {offset}{}", if more { "+" } else { "" })?;
        }
        for (index, vlan) in self.vlans.iter().enumerate() {
            write!(f, "{}{vlan}", if index == 0 { " vlan " } else { "," })?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "headers_tests.rs"]
mod tests;
