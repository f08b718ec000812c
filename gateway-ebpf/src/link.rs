//! Ethernet and its VLAN tags.

use crate::frame::Frame;

/// Tags that are read; a frame with more is not parsed further.
pub const VLAN_TAGS_MAX: u32 = 4;

const ETHERNET_LENGTH: usize = 14;
const TAG_LENGTH: usize = 4;
const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
/// The two tag types that Linux takes for VLAN tags (`eth_type_vlan`).
const ETHERTYPE_VLAN: u16 = 0x8100;
const ETHERTYPE_QINQ: u16 = 0x88a8;

/// What follows the link header, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// An IPv4 header at this offset.
    Ipv4(usize),
    /// An IPv6 header at this offset.
    Ipv6(usize),
    /// Neither: ARP and the like, or a frame that ends within its link header.
    NotIp,
    /// More than [`VLAN_TAGS_MAX`] tags.
    TagsTooDeep,
}

/// Reads the link header and its tags.
#[inline(always)]
pub fn parse<F: Frame>(frame: &F) -> Link {
    let Some(kind) = frame.read::<2>(ETHERNET_LENGTH - 2) else {
        return Link::NotIp;
    };
    let mut ethertype = u16::from_be_bytes(kind);
    let mut offset = ETHERNET_LENGTH;
    let mut tags = 0;
    while ethertype == ETHERTYPE_VLAN || ethertype == ETHERTYPE_QINQ {
        if tags == VLAN_TAGS_MAX {
            return Link::TagsTooDeep;
        }
        let Some([_, _, high, low]) = frame.read::<TAG_LENGTH>(offset) else {
            return Link::NotIp;
        };
        ethertype = u16::from_be_bytes([high, low]);
        offset += TAG_LENGTH;
        tags += 1;
    }
    let offset = frame.forget(offset);
    match ethertype {
        ETHERTYPE_IPV4 => Link::Ipv4(offset),
        ETHERTYPE_IPV6 => Link::Ipv6(offset),
        _ => Link::NotIp,
    }
}
