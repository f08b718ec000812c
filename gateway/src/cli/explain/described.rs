//! A packet as it is described on the command line.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use anyhow::bail;

use crate::packet::{Description, Protocol};

/// Source port where none is named: of the range that clients use.
const SOURCE_PORT: u16 = 40_000;
/// Highest number of a VLAN (IEEE 802.1Q).
const VLAN_MAX: i64 = 4_094;

/// The part of the arguments that describes a packet.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Source, such as 192.0.2.7, 192.0.2.7:40000 or [2001:db8::7]:40000.
    #[arg(
        long,
        value_name = "ADDRESS[:PORT]",
        required_unless_present = "pcap",
        requires = "dst"
    )]
    src: Option<End>,
    /// Destination, with a port unless the protocol is icmp.
    #[arg(long, value_name = "ADDRESS:PORT", requires = "src")]
    dst: Option<End>,
    /// What it carries.
    #[arg(long, value_name = "PROTOCOL", value_enum, default_value_t = Carried::Tcp)]
    proto: Carried,
    /// Flags of TCP in letters: S SYN, A ACK, F FIN, R RST, P PSH, U URG, E ECE, W CWR; `-` for none.
    #[arg(
        long,
        value_name = "LETTERS",
        default_value = "S",
        value_parser = parse_flags,
        allow_hyphen_values = true
    )]
    flags: u8,
    /// Number of a VLAN whose tag it carries; may be repeated, the outermost first.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(0..=VLAN_MAX))]
    vlan: Vec<u16>,
    /// Bytes of data behind its headers.
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    payload: u16,
}

/// What a described packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Carried {
    /// A segment.
    Tcp,
    /// A datagram.
    Udp,
    /// An echo request.
    Icmp,
}

/// One end of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End {
    address: IpAddr,
    port: Option<u16>,
}

impl FromStr for End {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self {
                address,
                port: None,
            });
        }
        let end: SocketAddr = text.parse().map_err(|_neither| {
            format!(
                "`{text}` is no address and no address with port: write 192.0.2.7:443 or \
                 [2001:db8::7]:443"
            )
        })?;
        Ok(Self {
            address: end.ip(),
            port: Some(end.port()),
        })
    }
}

impl Arguments {
    /// The frame.
    pub(super) fn frame(&self) -> anyhow::Result<Vec<u8>> {
        let (Some(source), Some(destination)) = (self.src, self.dst) else {
            bail!("name both ends of the packet with --src and --dst, or a capture with --pcap");
        };
        let protocol = match self.proto {
            Carried::Tcp => Protocol::Tcp,
            Carried::Udp => Protocol::Udp,
            Carried::Icmp => Protocol::Icmp,
        };
        let port = match (destination.port, protocol) {
            (Some(port), _) => port,
            (None, Protocol::Icmp) => 0,
            (None, Protocol::Tcp | Protocol::Udp) => {
                let address = SocketAddr::new(destination.address, 443);
                bail!("--dst has no port: write `--dst {address}`, or `--proto icmp`")
            }
        };
        let description = Description {
            source: source.address,
            destination: destination.address,
            ports: (source.port.unwrap_or(SOURCE_PORT), port),
            protocol,
            tcp_flags: self.flags,
            vlans: self.vlan.clone(),
            payload_bytes: self.payload,
        };
        Ok(description.frame()?)
    }
}

fn parse_flags(text: &str) -> Result<u8, String> {
    let known = crate::packet::TCP_FLAGS;
    let mut flags = 0;
    for letter in text.chars().filter(|letter| *letter != '-') {
        let found = known.iter().find(|(_, known)| *known == letter);
        let (bit, _) = found.ok_or_else(|| {
            let letters: Vec<String> = known.iter().map(|(_, letter)| letter.to_string()).collect();
            format!("`{letter}` is no flag: there are {}", letters.join(" "))
        })?;
        flags |= bit;
    }
    Ok(flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_addresses_with_or_without_port() {
        let end = |text: &str| text.parse::<End>().unwrap();
        assert_eq!(end("192.0.2.7").port, None);
        assert_eq!(end("2001:db8::7").port, None);
        assert_eq!(end("192.0.2.7:1").port, Some(1));
        assert_eq!(end("[2001:db8::7]:1").port, Some(1));
        for wrong in [
            "",
            "example.com:1",
            "192.0.2.7:",
            "192.0.2.7:65536",
            "[::1]",
        ] {
            assert!(wrong.parse::<End>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn flags_are_letters() {
        assert_eq!(parse_flags("S"), Ok(0x02));
        assert_eq!(parse_flags("SA"), Ok(0x12));
        assert_eq!(parse_flags("-"), Ok(0));
        assert_eq!(parse_flags("FPU"), Ok(0x29));
        assert!(parse_flags("x").unwrap_err().contains("S F R P A U E W"));
    }
}
