//! What drivers tell of their interfaces: channels and offloads (`linux/ethtool_netlink.h`), and
//! what they can do for XDP (the kernel's `Documentation/netlink/specs/netdev.yaml`).

use std::collections::BTreeSet;
use std::io;

use super::generic_netlink::{Attribute, Family, attribute, find, nest};

/// `ETHTOOL_MSG_FEATURES_GET`.
const FEATURES_GET: u8 = 11;
/// `ETHTOOL_MSG_CHANNELS_GET`.
const CHANNELS_GET: u8 = 17;
/// The header comes first in every ethtool message, the interface's index first in the header.
const HEADER: u16 = 1;
const HEADER_INDEX: u16 = 1;
/// `ETHTOOL_A_FEATURES_ACTIVE`.
const FEATURES_ACTIVE: u16 = 4;
/// `ETHTOOL_A_BITSET_BITS`, and inside `_BITS_BIT` and `_BIT_NAME`.
const BITSET_BITS: u16 = 3;
const BITS_BIT: u16 = 1;
const BIT_NAME: u16 = 2;
/// `ETHTOOL_A_CHANNELS_*`.
const RX_MAX: u16 = 2;
const COMBINED_MAX: u16 = 5;
const RX_COUNT: u16 = 6;
const COMBINED_COUNT: u16 = 9;
/// `NETDEV_CMD_DEV_GET`.
const DEVICE_GET: u8 = 1;
/// `NETDEV_A_DEV_IFINDEX`.
const DEVICE_INDEX: u16 = 1;
/// `NETDEV_A_DEV_XDP_FEATURES`.
const DEVICE_XDP_FEATURES: u16 = 3;
/// `NETDEV_XDP_ACT_BASIC`: native programs, with pass, drop and transmit.
const ACT_BASIC: u64 = 1;
/// `NETDEV_XDP_ACT_RX_SG`: frames in fragments reach programs that take them.
const ACT_FRAGMENTS: u64 = 1 << 5;

/// Channels of an interface: receive queues with what belongs to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channels {
    /// In use.
    pub used: u32,
    /// Most there can be.
    pub max: u32,
}

/// What a driver says it can do natively.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NativeSupport {
    /// Run programs at all.
    pub programs: bool,
    /// Hand them frames of more than one buffer.
    pub fragments: bool,
}

/// Asks drivers. Families that a kernel does not have leave their answers out.
#[derive(Debug)]
pub(super) struct Drivers {
    ethtool: Option<Family>,
    netdev: Option<Family>,
}

impl Drivers {
    /// Opens both families: ethtool is there from Linux 5.6 on, netdev from 6.3.
    pub(super) fn open() -> io::Result<Self> {
        Ok(Self {
            ethtool: present(Family::open("ethtool"))?,
            netdev: present(Family::open("netdev"))?,
        })
    }

    /// Channels of the interface; `None` where its driver does not tell.
    pub(super) fn channels(&self, index: u32) -> Option<Channels> {
        let answer = self.ethtool(CHANNELS_GET, index)?;
        let number = |kind| find(&answer, kind).and_then(Attribute::number).unwrap_or(0);
        let channels = |kind, other| u32::try_from(number(kind) + number(other)).ok();
        Some(Channels {
            used: channels(RX_COUNT, COMBINED_COUNT)?,
            max: channels(RX_MAX, COMBINED_MAX)?,
        })
    }

    /// Names of the offloads that are on, as `ethtool --show-features` spells the kernel's.
    pub(super) fn features(&self, index: u32) -> BTreeSet<String> {
        let Some(answer) = self.ethtool(FEATURES_GET, index) else {
            return BTreeSet::new();
        };
        let active = find(&answer, FEATURES_ACTIVE).map_or_else(Vec::new, Attribute::nested);
        let bits = find(&active, BITSET_BITS).map_or_else(Vec::new, Attribute::nested);
        let names = bits
            .iter()
            .filter(|bit| bit.kind == BITS_BIT)
            .filter_map(|bit| find(&bit.nested(), BIT_NAME).map(Attribute::text));
        names.collect()
    }

    /// What the driver can do natively; `None` on kernels that do not tell.
    pub(super) fn native(&self, index: u32) -> Option<NativeSupport> {
        let family = self.netdev.as_ref()?;
        let question = attribute(DEVICE_INDEX, &index.to_ne_bytes());
        let answer = family.ask(DEVICE_GET, &question).ok()?;
        let bits = find(&answer, DEVICE_XDP_FEATURES).and_then(Attribute::number)?;
        Some(NativeSupport {
            programs: bits & ACT_BASIC != 0,
            fragments: bits & ACT_FRAGMENTS != 0,
        })
    }

    /// One question about an interface; drivers may not answer it.
    fn ethtool(&self, command: u8, index: u32) -> Option<Vec<Attribute>> {
        let header = attribute(HEADER_INDEX, &index.to_ne_bytes());
        let family = self.ethtool.as_ref()?;
        family.ask(command, &nest(HEADER, &header)).ok()
    }
}

/// A family that this kernel does not have is no error.
fn present(family: io::Result<Family>) -> io::Result<Option<Family>> {
    match family {
        Ok(family) => Ok(Some(family)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_kernel_answers_for_its_loopback_interface() {
        let index = nix::net::if_::if_nametoindex("lo").unwrap();
        let drivers = Drivers::open().unwrap();
        // Part of every kernel since 5.6, and fixed for this device.
        assert!(drivers.features(index).contains("loopback"));
        assert_eq!(drivers.channels(index), None);
        let native = drivers.native(index);
        assert!(native.is_none_or(|native| !native.programs), "{native:?}");
        assert_eq!(drivers.native(u32::MAX >> 1), None);
    }
}
