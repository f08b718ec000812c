//! A packet made from a description on the command line.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::{PacketBuilder, PacketBuilderStep, TcpHeader};

/// Link addresses of made packets: locally administered, and nobody's.
const LINK: [u8; 12] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
const ETHERTYPE_VLAN: u16 = 0x8100;
const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
/// Bytes of the shortest frame, without its checksum (IEEE 802.3); shorter ones are padded.
const FRAME_BYTES_MIN: usize = 60;
const HOPS: u8 = 64;

/// What a packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// A segment with the flags of `Description::tcp_flags`.
    Tcp,
    /// A datagram.
    Udp,
    /// An echo request of the family's ICMP.
    Icmp,
}

/// A packet as somebody describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Source address.
    pub source: IpAddr,
    /// Destination address, of the same family.
    pub destination: IpAddr,
    /// Source and destination port; without meaning for ICMP.
    pub ports: (u16, u16),
    /// What it carries.
    pub protocol: Protocol,
    /// Flags of TCP, by their bits.
    pub tcp_flags: u8,
    /// Numbers of the VLANs, the outermost first.
    pub vlans: Vec<u16>,
    /// Bytes behind the transport header, all zero.
    pub payload_bytes: u16,
}

/// Why a packet cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MadeError {
    /// An IPv4 and an IPv6 address.
    #[error("`{from}` and `{to}` are of different families: a packet has addresses of one")]
    Families {
        /// Source.
        from: IpAddr,
        /// Destination.
        to: IpAddr,
    },
    /// The lengths do not fit the headers' fields.
    #[error("a payload of {bytes} bytes does not fit a packet: {cause}")]
    TooLong {
        /// As described.
        bytes: u16,
        /// Which field is too small.
        cause: String,
    },
}

impl Description {
    /// The frame, with checksums and padding as on the wire.
    ///
    /// # Errors
    /// See [`MadeError`].
    pub fn frame(&self) -> Result<Vec<u8>, MadeError> {
        let (ethertype, start) = match (self.source, self.destination) {
            (IpAddr::V4(from), IpAddr::V4(to)) => (ETHERTYPE_IPV4, ipv4(from, to)),
            (IpAddr::V6(from), IpAddr::V6(to)) => (ETHERTYPE_IPV6, ipv6(from, to)),
            (from, to) => return Err(MadeError::Families { from, to }),
        };
        let mut frame = LINK.to_vec();
        for vlan in &self.vlans {
            frame.extend(ETHERTYPE_VLAN.to_be_bytes());
            frame.extend(vlan.to_be_bytes());
        }
        frame.extend(ethertype.to_be_bytes());
        let payload = vec![0; usize::from(self.payload_bytes)];
        let (from, to) = self.ports;
        let written = match (self.protocol, self.source) {
            (Protocol::Tcp, _) => start
                .tcp_header(self.tcp(from, to))
                .write(&mut frame, &payload),
            (Protocol::Udp, _) => start.udp(from, to).write(&mut frame, &payload),
            (Protocol::Icmp, IpAddr::V4(_)) => {
                start.icmpv4_echo_request(1, 1).write(&mut frame, &payload)
            }
            (Protocol::Icmp, IpAddr::V6(_)) => {
                start.icmpv6_echo_request(1, 1).write(&mut frame, &payload)
            }
        };
        written.map_err(|error| MadeError::TooLong {
            bytes: self.payload_bytes,
            cause: error.to_string(),
        })?;
        if frame.len() < FRAME_BYTES_MIN {
            frame.resize(FRAME_BYTES_MIN, 0);
        }
        Ok(frame)
    }

    fn tcp(&self, from: u16, to: u16) -> TcpHeader {
        let has = |bit: u8| self.tcp_flags & bit != 0;
        TcpHeader {
            fin: has(0x01),
            syn: has(0x02),
            rst: has(0x04),
            psh: has(0x08),
            ack: has(0x10),
            urg: has(0x20),
            ece: has(0x40),
            cwr: has(0x80),
            ..TcpHeader::new(from, to, 1, u16::MAX)
        }
    }
}

fn ipv4(from: Ipv4Addr, to: Ipv4Addr) -> PacketBuilderStep<etherparse::IpHeaders> {
    PacketBuilder::ipv4(from.octets(), to.octets(), HOPS)
}

fn ipv6(from: Ipv6Addr, to: Ipv6Addr) -> PacketBuilderStep<etherparse::IpHeaders> {
    PacketBuilder::ipv6(from.octets(), to.octets(), HOPS)
}
